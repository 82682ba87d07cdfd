/**
 * `sluice bench kafka`: pay-1 on the same broker over the same preloaded topic, ours against Kafka Streams, in turn, each
 * checked against the oracle by digests of what a read_committed reader reads back. docs/peers.md says how to read it.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { openDistributed } from '../streams/distributed/index.ts'
import { Cluster } from '../streams/distributed/wire/cluster.ts'
import { machine, round, spread, type Spread } from './measure.ts'
import { pay1Batches } from './peers/batches.ts'
import { fill } from './peers/broker.ts'
import { sluiceContender, streamsContender, type Contender, type StreamsForm } from './peers/contender.ts'
import { defaultPay1, type Pay1Options } from './peers/generator.ts'
import { javaPeer } from './peers/java-peer.ts'
import { cutoffOf, judgePay1, type Pay1Outputs } from './peers/oracle.ts'
import { differencesOf, readBack } from './peers/read-back.ts'
import { runOnce, type RunResult } from './peers/run.ts'
import { benchServices, type BenchServices } from './peers/services.ts'

export interface KafkaBenchOptions {
  readonly events?: number
  readonly rounds?: number
  /** Events per second of event time, 1,000; fewer: windows close in a short run, too. */
  readonly eventRate?: number
  /** Also: catching up with 10 s of grace, and kill -9 over old data. */
  readonly faults?: boolean
  /** Ours alone: for a machine without Java, and for profiles. */
  readonly only?: string
  /** Those of the environment, or new ones, by default. */
  readonly services?: BenchServices
  readonly say?: (text: string) => void
}

export interface Figures {
  readonly title: string
  readonly eventsPerSecond: number
  readonly cpuMicrosPerEvent: number
  readonly brokerCpuMicrosPerEvent: number | null
  readonly redisCpuMicrosPerEvent: number | null
  readonly peakMegabytes: number | null
  readonly secondHalf: {
    readonly eventsPerSecond: Spread
    readonly cpuMicrosPerEvent: Spread
    readonly brokerCpuMicrosPerEvent: Spread | null
  }
  readonly rounds: {
    readonly eventsPerSecond: Spread
    readonly cpuMicrosPerEvent: Spread
    readonly othersShare: Spread | null
  }
  readonly oracle: 'equal' | 'different'
}

/** Of the second halves' CPU per event in the worker: theirs over ours, by round. */
export interface Fault {
  readonly contender: string
  readonly what: string
  readonly oracle: 'equal' | 'different'
  readonly differences: readonly string[]
  /** Of the money that the oracle settles. */
  readonly settledShare: number
  readonly recoverySeconds: number | null
}

export interface KafkaBenchResult {
  readonly name: 'kafka'
  readonly machine: string
  readonly events: number
  readonly rounds: number
  readonly sluice: Figures
  readonly kafkaStreams: Figures | null
  readonly kafkaStreamsTuned: Figures | null
  readonly ratio: Spread | null
  readonly ratioTuned: Spread | null
  readonly ratioWhole: Spread | null
  readonly ratioTunedWhole: Spread | null
  readonly oracle: 'equal' | 'different'
  readonly differences: readonly string[]
  readonly faults: readonly Fault[]
  /** Why there are no figures of Kafka Streams. */
  readonly missing: string | null
}

const PARTITIONS = 4
/** What the workload asks for; ours holds to it in every run. */
const GRACE_MS = 10_000
/** Kafka Streams is exact with it over a preloaded topic, where 10 s lose nearly half of the money. */
const STREAMS_GRACE_MS = 300_000

/** As one would write it first, and the fastest form that was found: docs/peers.md has the others. */
export const streamsForms = {
  plain: { stores: 'rocksdb', dedup: 'window', velocity: 'panes' },
  tuned: { stores: 'memory', dedup: 'kv', velocity: 'blob' },
} as const satisfies Record<string, StreamsForm>

/** Runs with services at hand; throws why not. */
export async function withServices<T>(
  work: (services: BenchServices) => Promise<T>,
  given?: BenchServices,
): Promise<T> {
  const services = given ?? (await benchServices())
  if ('missing' in services) throw new Error(services.missing)
  // So that what stops at this process's end is stopped when it is told to end, too.
  const leave = (): never => process.exit(1)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave)
  try {
    return await work(services)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave)
    if (given === undefined) await services.stop()
  }
}

export const clusterOf = ({ brokers }: BenchServices): Cluster =>
  new Cluster({ brokers: brokers.split(','), clientId: 'sluice-bench' })

export function benchKafka(options: KafkaBenchOptions = {}): Promise<KafkaBenchResult> {
  return withServices(async (services) => {
    const cluster = clusterOf(services)
    try {
      return await new KafkaBench(services, cluster, options).run()
    } finally {
      await cluster.close()
    }
  }, options.services)
}

interface Judged extends RunResult {
  readonly settledShare: number
}

class KafkaBench {
  private readonly services: BenchServices
  private readonly cluster: Cluster
  private readonly options: KafkaBenchOptions
  private readonly pay1: Pay1Options
  private readonly input: string
  private readonly say: (text: string) => void
  private expected: (graceMs: number) => Pay1Outputs = () => {
    throw new Error('not judged yet')
  }
  private runs = 0

  constructor(services: BenchServices, cluster: Cluster, options: KafkaBenchOptions) {
    this.services = services
    this.cluster = cluster
    this.options = options
    const { events = defaultPay1.events, eventRate = defaultPay1.eventRate } = options
    this.pay1 = { ...defaultPay1, events, eventRate }
    this.input = `bench-pay1-${this.pay1.seed}-${eventRate}-${events}`
    this.say = options.say ?? (() => undefined)
  }

  async run(): Promise<KafkaBenchResult> {
    await this.prepare()
    const peer = this.options.only === 'sluice' ? { missing: 'only ours was asked for' } : await javaPeer()
    const missing = 'missing' in peer ? peer.missing : null
    if (missing !== null) this.say(missing)
    const contenders: Contender[] = [sluiceContender(GRACE_MS)]
    if ('classPath' in peer) {
      contenders.push(streamsContender('kafkaStreams', streamsForms.plain, STREAMS_GRACE_MS, peer.classPath))
      contenders.push(streamsContender('kafkaStreamsTuned', streamsForms.tuned, STREAMS_GRACE_MS, peer.classPath))
    }
    const rounds = this.options.rounds ?? 3
    const results = new Map(contenders.map(({ name }) => [name, [] as Judged[]]))
    for (let turn = 0; turn < rounds; turn++) {
      // Each begins a round once: whoever comes first finds the caches as the last one left them.
      for (let k = 0; k < contenders.length; k++) {
        const contender = contenders[(turn + k) % contenders.length]
        this.say(`round ${turn + 1} of ${rounds}: ${contender.title}`)
        results.get(contender.name)?.push(await this.one(contender))
      }
    }
    const faults = this.options.faults === true ? await this.faults('classPath' in peer ? peer.classPath : null) : []
    return this.result(contenders, results, faults, missing)
  }

  private async prepare(): Promise<void> {
    const { brokers, redis } = this.services
    this.say(`filling ${this.input} with ${this.pay1.events} events`)
    const backend = await openDistributed({
      brokers: brokers.split(','),
      redis,
      prefix: 'bench-input',
      replicationFactor: 1,
    })
    const records = await fill(this.cluster, backend.log, this.input, PARTITIONS, () =>
      pay1Batches(this.pay1, PARTITIONS),
    )
    await backend.close()
    if (records !== this.pay1.events) throw new Error(`topic ${this.input} has ${records} records`)
    this.say('what the oracle expects')
    this.expected = judgePay1(this.pay1)
  }

  private async one(contender: Contender, killAfterS?: number): Promise<Judged> {
    const { services, cluster, input } = this
    const { events } = this.pay1
    const run = `bench-${contender.name}-${process.pid}-${this.runs++}`
    const expected = this.expected(contender.graceMs)
    let settledShare = 0
    const result = await runOnce({
      services,
      cluster,
      contender,
      run,
      input,
      partitions: PARTITIONS,
      events,
      killAfterS,
      check: async ({ backend }) => {
        const cutoff = cutoffOf(this.pay1, contender.graceMs)
        const found = await readBack(backend.log, contender.outputs(run), cutoff)
        settledShare = expected.settledMinor === 0 ? 1 : found.settledMinor / expected.settledMinor
        return differencesOf(found, expected)
      },
    })
    const { whole, secondHalf, differences, recoverySeconds } = result
    const said = [
      `${Math.round(whole.eventsPerSecond)} events/s`,
      `${whole.cpuMicrosPerEvent.toFixed(1)} us CPU per event, ${secondHalf.cpuMicrosPerEvent.toFixed(1)} in the second half`,
      `others took ${Math.round((whole.othersShare ?? 0) * 100)} % of the machine`,
      ...(recoverySeconds === null ? [] : [`${recoverySeconds.toFixed(1)} s from the kill to the next commit`]),
      differences.length === 0 ? 'exact' : `not exact: ${differences.join('; ')}`,
    ]
    this.say(`  ${said.join(', ')}`)
    // What the broker still has to do for topics that went is not the next one's.
    await sleep(1_000)
    return { ...result, settledShare }
  }

  /** Over data that is ten months old: catching up with the grace that was asked for, and kill -9 in the middle. */
  private async faults(classPath: string | null): Promise<Fault[]> {
    const sluice = sluiceContender(GRACE_MS)
    const streams = (graceMs: number): Contender[] => {
      if (classPath === null) return []
      return [streamsContender('kafkaStreams', streamsForms.plain, graceMs, classPath)]
    }
    const told: Fault[] = []
    const tell = async (contender: Contender, what: string, killAfterS?: number): Promise<void> => {
      this.say(`${what}: ${contender.title}`)
      const { differences, settledShare, recoverySeconds } = await this.one(contender, killAfterS)
      const oracle = differences.length === 0 ? 'equal' : 'different'
      told.push({ contender: contender.title, what, oracle, differences, settledShare, recoverySeconds })
    }
    for (const one of [sluice, ...streams(GRACE_MS)]) await tell(one, 'catching up with 10 s of grace')
    const seconds = this.pay1.events / 1_000_000
    await tell(sluice, 'kill -9', 3 * seconds)
    for (const one of streams(STREAMS_GRACE_MS)) await tell(one, 'kill -9', 12 * seconds)
    return told
  }

  private result(
    contenders: readonly Contender[],
    results: ReadonlyMap<string, readonly Judged[]>,
    faults: readonly Fault[],
    missing: string | null,
  ): KafkaBenchResult {
    const figures = (name: string): Figures | null => {
      const contender = contenders.find((one) => one.name === name)
      return contender === undefined ? null : figuresOf(contender.title, results.get(name) ?? [])
    }
    const ours = results.get('sluice') ?? []
    const ratio = (name: string, of: 'whole' | 'secondHalf'): Spread | null => {
      const theirs = results.get(name)
      if (theirs === undefined) return null
      return rounded(spread(theirs.map((one, k) => one[of].cpuMicrosPerEvent / ours[k][of].cpuMicrosPerEvent)))
    }
    const differences = [...results].flatMap(([name, all]) =>
      all.flatMap((one) => one.differences.map((difference) => `${name}: ${difference}`)),
    )
    return {
      name: 'kafka',
      machine: machine(),
      events: this.pay1.events,
      rounds: ours.length,
      sluice: figures('sluice') as Figures,
      kafkaStreams: figures('kafkaStreams'),
      kafkaStreamsTuned: figures('kafkaStreamsTuned'),
      ratio: ratio('kafkaStreams', 'secondHalf'),
      ratioTuned: ratio('kafkaStreamsTuned', 'secondHalf'),
      ratioWhole: ratio('kafkaStreams', 'whole'),
      ratioTunedWhole: ratio('kafkaStreamsTuned', 'whole'),
      oracle: differences.length === 0 ? 'equal' : 'different',
      differences,
      faults,
      missing,
    }
  }
}

const rounded = ({ min, median, max }: Spread, digits = 2): Spread => ({
  min: round(min, digits),
  median: round(median, digits),
  max: round(max, digits),
})

/** Spread of what is known in every round. */
function known(values: readonly (number | null)[]): Spread | null {
  const all = values.filter((value) => value !== null)
  return all.length < values.length || all.length === 0 ? null : rounded(spread(all))
}

function figuresOf(title: string, results: readonly Judged[]): Figures {
  const all = (of: (one: Judged) => number): Spread => rounded(spread(results.map(of)))
  const whole = all((one) => one.whole.cpuMicrosPerEvent)
  const rate = all((one) => Math.round(one.whole.eventsPerSecond))
  return {
    title,
    eventsPerSecond: rate.median,
    cpuMicrosPerEvent: whole.median,
    brokerCpuMicrosPerEvent: known(results.map((one) => one.whole.brokerCpuMicrosPerEvent))?.median ?? null,
    redisCpuMicrosPerEvent: known(results.map((one) => one.redisMicrosPerEvent))?.median ?? null,
    peakMegabytes: known(results.map((one) => one.peakBytes && Math.round(one.peakBytes / 1e6)))?.median ?? null,
    secondHalf: {
      eventsPerSecond: all((one) => Math.round(one.secondHalf.eventsPerSecond)),
      cpuMicrosPerEvent: all((one) => one.secondHalf.cpuMicrosPerEvent),
      brokerCpuMicrosPerEvent: known(results.map((one) => one.secondHalf.brokerCpuMicrosPerEvent)),
    },
    rounds: {
      eventsPerSecond: rate,
      cpuMicrosPerEvent: whole,
      othersShare: known(results.map((one) => one.whole.othersShare)),
    },
    oracle: results.every(({ differences }) => differences.length === 0) ? 'equal' : 'different',
  }
}

const range = (of: Spread | null): string => (of === null ? '-' : `${of.min} / ${of.median} / ${of.max}`)

/** The result as text for a terminal: min / median / max of the rounds. */
export function kafkaText(result: KafkaBenchResult): string {
  const of = (figures: Figures | null): string[] => {
    if (figures === null) return []
    const { secondHalf, rounds, brokerCpuMicrosPerEvent: broker, redisCpuMicrosPerEvent: redis } = figures
    const beside = `broker ${broker ?? '-'} us, Redis ${redis ?? '-'} us`
    return [
      figures.title,
      `  events/s ${range(rounds.eventsPerSecond)}; second half ${range(secondHalf.eventsPerSecond)}`,
      `  worker, us CPU per event ${range(rounds.cpuMicrosPerEvent)}; second half ${range(secondHalf.cpuMicrosPerEvent)}`,
      `  ${beside}; second half, broker ${range(secondHalf.brokerCpuMicrosPerEvent)}; peak ${figures.peakMegabytes ?? '-'} MB`,
      `  others took ${range(rounds.othersShare)} of the machine; outputs ${figures.oracle} to the oracle's`,
    ]
  }
  const ratios = [
    ['Kafka Streams', result.ratio, result.ratioWhole],
    ['Kafka Streams, tuned', result.ratioTuned, result.ratioTunedWhole],
  ] as const
  return [
    `pay-1, ${result.events} events, ${result.rounds} rounds (min / median / max)`,
    ...of(result.sluice),
    ...of(result.kafkaStreams),
    ...of(result.kafkaStreamsTuned),
    ...ratios.flatMap(([name, half, whole]) =>
      half === null
        ? []
        : [`worker CPU of ${name} over ours: ${range(half)} in the second half, ${range(whole)} whole`],
    ),
    ...(result.missing === null ? [] : [result.missing]),
    ...result.faults.map(
      ({ what, contender, oracle, settledShare, recoverySeconds }) =>
        `${what}: ${contender}: ${oracle} to the oracle's, ${(settledShare * 100).toFixed(1)} % of the money settled${
          recoverySeconds === null ? '' : `, first commit after ${recoverySeconds.toFixed(1)} s`
        }`,
    ),
    ...result.differences,
    result.machine,
  ].join('\n')
}

if (import.meta.main) {
  const valueOf = (name: string): string | undefined => {
    const at = process.argv.indexOf(`--${name}`)
    return at < 0 ? undefined : process.argv[at + 1]
  }
  const numberOf = (name: string): number | undefined => {
    const value = valueOf(name)
    return value === undefined ? undefined : Number(value)
  }
  const result = await benchKafka({
    events: numberOf('events'),
    rounds: numberOf('rounds'),
    only: valueOf('only'),
    faults: process.argv.includes('--faults'),
    say: (text) => console.error(text),
  })
  console.log(process.argv.includes('--json') ? JSON.stringify(result) : kafkaText(result))
  if (result.oracle !== 'equal') process.exitCode = 1
}
