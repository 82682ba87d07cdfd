/**
 * `sluice bench payments`: the shipped payments line on Kafka and Redis, one partition, over an input that is there, in one
 * worker process; every decision and obligation checked against the oracle. And what its state costs Redis, by how long
 * changes are gathered before they are written behind.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '../schemas/topics.ts'
import type { Append } from '../streams/backend.ts'
import { openDistributed } from '../streams/distributed/index.ts'
import { splitBatches } from '../streams/embedded/batches.ts'
import type { Cluster } from '../streams/distributed/wire/cluster.ts'
import { clusterOf, withServices } from './kafka.ts'
import { machine, round, spread, type Spread } from './measure.ts'
import { judgeTraffic, type Findings } from './oracle.ts'
import { append } from './peers/broker.ts'
import { spawnWorker, type Contender, type RunContext } from './peers/contender.ts'
import { runOnce, type RunResult } from './peers/run.ts'
import type { BenchServices } from './peers/services.ts'
import { tasksOf, topicPrefixOf, topicsOf, type WorkerRun } from './peers/worker.ts'
import { storeRates, type StoreRate } from './store-rate.ts'
import { defaultTraffic, prepareTraffic, type Traffic } from './traffic.ts'
import { differences, WrittenReader } from './written.ts'

export interface PaymentsBenchOptions {
  readonly events?: number
  readonly rounds?: number
  /** Default: those of the environment, else some of its own. */
  readonly services?: BenchServices
  readonly say?: (text: string) => void
}

/** What Redis takes when changes are gathered for so long before they are written behind. */
export interface StateCost {
  readonly flushMs: number
  readonly redisBytesPerPayment: number | null
  readonly redisMicrosPerPayment: number | null
  readonly paymentsPerSecond: number
}

export interface PaymentsBenchResult {
  readonly name: 'payments'
  readonly machine: string
  readonly events: number
  readonly rounds: number
  readonly eventsPerSecond: Spread
  readonly cpuMicrosPerEvent: Spread
  readonly secondHalf: { readonly eventsPerSecond: Spread; readonly cpuMicrosPerEvent: Spread }
  readonly brokerCpuMicrosPerEvent: number | null
  readonly redisCpuMicrosPerEvent: number | null
  readonly redisBytesPerEvent: number | null
  readonly peakMegabytes: number | null
  readonly state: readonly StateCost[]
  /** What one Redis takes at most, without a worker that computes. */
  readonly storeRates: readonly StoreRate[]
  readonly oracle: 'equal' | 'different'
  readonly differences: readonly string[]
}

/** How `sluice worker` writes state behind when nothing else is configured (a test compares). */
export const shipped = { flushMs: 1_000, deltaEntries: 20_000 }
const FLUSH_MS = [1_000, 5_000, 10_000]
/** At 20,000 payments a second the same intervals. */
const PAYMENTS_PER_DELTA = [20_000, 100_000, 200_000]
/** Never reached: only the time counts. */
const ENTRIES = 1e9

export function benchPayments(options: PaymentsBenchOptions = {}): Promise<PaymentsBenchResult> {
  return withServices(async (services) => {
    const cluster = clusterOf(services)
    try {
      return await new PaymentsBench(services, cluster, options).run()
    } finally {
      await cluster.close()
    }
  }, options.services)
}

class PaymentsBench {
  private readonly services: BenchServices
  private readonly cluster: Cluster
  private readonly rounds: number
  private readonly traffic: Traffic
  private readonly expected: Findings
  private readonly say: (text: string) => void
  private runs = 0

  constructor(services: BenchServices, cluster: Cluster, options: PaymentsBenchOptions) {
    this.services = services
    this.cluster = cluster
    this.rounds = options.rounds ?? 3
    this.say = options.say ?? (() => undefined)
    const events = options.events ?? defaultTraffic.events
    this.say(`preparing ${events} payments, and what the oracle expects`)
    this.traffic = prepareTraffic({ ...defaultTraffic, events })
    this.expected = judgeTraffic(this.traffic.fetches)
  }

  async run(): Promise<PaymentsBenchResult> {
    const results: RunResult[] = []
    for (let turn = 0; turn < this.rounds; turn++) {
      this.say(`round ${turn + 1} of ${this.rounds}`)
      results.push(await this.one())
    }
    const state: StateCost[] = []
    for (const flushMs of FLUSH_MS) {
      this.say(`state written behind every ${flushMs / 1000} s`)
      const task = { flushMs, deltaEntries: ENTRIES, overlayEntries: ENTRIES }
      const { whole, redisMicrosPerEvent, redisBytesPerEvent, differences: wrong } = await this.one(task)
      if (wrong.length > 0) throw new Error(wrong.join('; '))
      state.push({
        flushMs,
        redisBytesPerPayment: redisBytesPerEvent && round(redisBytesPerEvent, 0),
        redisMicrosPerPayment: redisMicrosPerEvent && round(redisMicrosPerEvent),
        paymentsPerSecond: Math.round(whole.eventsPerSecond),
      })
    }
    this.say('the deltas alone, as fast as Redis takes them')
    const rates = await storeRates(this.services, this.traffic, PAYMENTS_PER_DELTA)
    const of = (value: (one: RunResult) => number): Spread => spread(results.map((one) => round(value(one))))
    const median = (value: (one: RunResult) => number | null): number | null => {
      const known = results.map(value).filter((one) => one !== null)
      return known.length === 0 ? null : round(spread(known).median)
    }
    const different = [...new Set(results.flatMap((one) => one.differences))]
    return {
      name: 'payments',
      machine: machine(),
      events: this.traffic.events,
      rounds: this.rounds,
      eventsPerSecond: of((one) => Math.round(one.whole.eventsPerSecond)),
      cpuMicrosPerEvent: of((one) => one.whole.cpuMicrosPerEvent),
      secondHalf: {
        eventsPerSecond: of((one) => Math.round(one.secondHalf.eventsPerSecond)),
        cpuMicrosPerEvent: of((one) => one.secondHalf.cpuMicrosPerEvent),
      },
      brokerCpuMicrosPerEvent: median((one) => one.whole.brokerCpuMicrosPerEvent),
      redisCpuMicrosPerEvent: median((one) => one.redisMicrosPerEvent),
      redisBytesPerEvent: median((one) => one.redisBytesPerEvent),
      peakMegabytes: median((one) => one.peakBytes && Math.round(one.peakBytes / 1e6)),
      state,
      storeRates: rates,
      oracle: different.length === 0 ? 'equal' : 'different',
      differences: different,
    }
  }

  private async one(task: WorkerRun['task'] = shipped): Promise<RunResult> {
    const { services, cluster, traffic, expected } = this
    const run = `bench-payments-${process.pid}-${this.runs++}`
    const { brokers, redis } = services
    const given: WorkerRun = { brokers, redis, run, partitions: 1, work: { kind: 'payments' }, task }
    const input = topicPrefixOf(given) + topics.transactions.name
    const result = await runOnce({
      services,
      cluster,
      contender: lineContender(given, traffic),
      run,
      input,
      partitions: 1,
      // Every payment and every tick.
      events: traffic.end,
      check: async () => differences(await written(given), expected),
    })
    const { whole, secondHalf } = result
    this.say(
      `  ${Math.round(whole.eventsPerSecond)} payments/s, ${whole.cpuMicrosPerEvent.toFixed(2)} us CPU each, ${secondHalf.cpuMicrosPerEvent.toFixed(2)} in the second half; ${result.differences.join('; ') || 'exact'}`,
    )
    await sleep(1000)
    return result
  }
}

function lineContender(given: WorkerRun, traffic: Traffic): Contender {
  const prefix = topicPrefixOf(given)
  return {
    name: 'payments',
    title: 'the payments line, one worker process, state on Redis',
    graceMs: 0,
    outputs: () => ({ decisions: `${prefix}decisions`, settlements: `${prefix}settlements` }),
    async prepare({ backend, cluster }) {
      await backend.log.createTopics(topicsOf(given).map(({ name }) => ({ name: prefix + name, partitions: 1 })))
      for (const fetch of traffic.fetches) {
        for (const { bytes } of splitBatches(fetch, 1)) {
          await append(cluster, prefix + topics.transactions.name, 0, bytes.slice())
        }
      }
    },
    spawn: () => spawnWorker(given),
    async committed({ backend }) {
      const [{ name }] = tasksOf(given)
      return (await backend.log.peek(name))?.position ?? 0
    },
    async clean({ backend }: RunContext) {
      for (const { name } of tasksOf(given)) await backend.state.drop(name)
    },
  }
}

/** What the run has written, as a read_committed reader sees it. */
async function written(given: WorkerRun): Promise<Findings> {
  const { brokers, redis, run } = given
  const names = { prefix: run, topicPrefix: topicPrefixOf(given), replicationFactor: 1 }
  const backend = await openDistributed({ brokers: brokers.split(','), redis, ...names })
  const { log } = backend
  const reader = new WrittenReader()
  for (const { name: topic } of [topics.transactionOutcomes, topics.decisions, topics.cyclePartials]) {
    const { start, end } = await log.bounds({ topic, partition: 0 })
    for (let offset = start; offset < end;) {
      const fetched = await log.read({ topic, partition: 0 }, offset, 1 << 20, 0)
      const append: Append = { topic, partition: 0, batches: fetched.bytes }
      if (fetched.bytes.length > 0) reader.read([append])
      if (fetched.nextOffset === offset) break
      offset = fetched.nextOffset
    }
  }
  await backend.close()
  return reader.findings()
}

const range = ({ min, median, max }: Spread): string => `${min} / ${median} / ${max}`

/** The result as text for a terminal. */
export function paymentsText(result: PaymentsBenchResult): string {
  const { secondHalf } = result
  return [
    `payments line on Kafka and Redis, ${result.events} payments, ${result.rounds} rounds (min / median / max)`,
    `  payments/s ${range(result.eventsPerSecond)}; second half ${range(secondHalf.eventsPerSecond)}`,
    `  worker, us CPU per payment ${range(result.cpuMicrosPerEvent)}; second half ${range(secondHalf.cpuMicrosPerEvent)}`,
    `  broker ${result.brokerCpuMicrosPerEvent ?? '-'} us, Redis ${result.redisCpuMicrosPerEvent ?? '-'} us and ${result.redisBytesPerEvent ?? '-'} bytes per payment; peak ${result.peakMegabytes ?? '-'} MB`,
    ...result.state.map(
      ({ flushMs, redisBytesPerPayment, redisMicrosPerPayment, paymentsPerSecond }) =>
        `  state written behind every ${flushMs / 1000} s: Redis ${redisBytesPerPayment ?? '-'} bytes and ${redisMicrosPerPayment ?? '-'} us per payment, ${paymentsPerSecond} payments/s`,
    ),
    ...result.storeRates.map(
      ({ paymentsPerDelta, paymentsPerSecond, redisBusy, redisMicrosPerPayment, bytesPerPayment, memoryPerPayment }) =>
        `  deltas of ${paymentsPerDelta} payments alone: ${paymentsPerSecond} payments/s, Redis busy ${redisBusy ?? '-'} of the time, ${redisMicrosPerPayment ?? '-'} us, ${bytesPerPayment} bytes and ${memoryPerPayment} bytes of memory per payment`,
    ),
    `  oracle: ${result.oracle}${result.differences.map((line) => `\n    ${line}`).join('')}`,
    `  ${result.machine}`,
  ].join('\n')
}
