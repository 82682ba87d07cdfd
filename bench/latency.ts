/**
 * `sluice bench latency`: payments are sent at a fixed rate, each at its own time whatever becomes of the others (open
 * loop), and each decision is awaited by a read_committed reader. From the time at which a payment was to be sent to the
 * time at which its decision was read; beside it how late the sender itself was, which is the floor of the machine.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { openDistributed } from '../streams/distributed/index.ts'
import type { Cluster } from '../streams/distributed/wire/cluster.ts'
import { partitionOf } from '../streams/hash.ts'
import { newFrame, RecordBatchWriter, walk } from '../streams/records.ts'
import { clusterOf, streamsForms, withServices } from './kafka.ts'
import { machine, round } from './measure.ts'
import { append, deleteTopics } from './peers/broker.ts'
import { sluiceContender, streamsContender, type Contender, type RunContext } from './peers/contender.ts'
import { defaultPay1, generatePay1, type Pay1Transaction } from './peers/generator.ts'
import { javaPeer } from './peers/java-peer.ts'
import { cpuMicrosOf } from './peers/processes.ts'
import type { BenchServices } from './peers/services.ts'

export interface LatencyBenchOptions {
  /** Payments a second. */
  readonly rates?: readonly number[]
  /** Measured, after ten to warm up. */
  readonly seconds?: number
  readonly only?: string
  readonly say?: (text: string) => void
}

/** Milliseconds. */
export interface Quantiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export interface LatencyResult {
  readonly contender: string
  readonly rate: number
  readonly payments: number
  /** Decisions that did not come within four seconds after the last payment. */
  readonly missing: number
  readonly latency: Quantiles
  readonly sendDelay: Quantiles
  readonly cpuMicrosPerEvent: number | null
  readonly brokerCpuMicrosPerEvent: number | null
}

export interface LatencyBenchResult {
  readonly name: 'latency'
  readonly machine: string
  readonly runs: readonly LatencyResult[]
  readonly missing: string | null
}

const PARTITIONS = 4
const GRACE_MS = 10_000
const WARM_SECONDS = 10
const LAST_MS = 4_000

export function benchLatency(options: LatencyBenchOptions = {}): Promise<LatencyBenchResult> {
  const { rates = [5_000, 10_000], seconds = 30, say = () => undefined } = options
  return withServices(async (services) => {
    const cluster = clusterOf(services)
    const peer = options.only === 'sluice' ? { missing: 'only ours was asked for' } : await javaPeer()
    const contenders: Contender[] = [sluiceContender(GRACE_MS)]
    if ('classPath' in peer) {
      contenders.push(streamsContender('kafkaStreams', streamsForms.plain, GRACE_MS, peer.classPath))
      contenders.push(streamsContender('kafkaStreamsTuned', streamsForms.tuned, GRACE_MS, peer.classPath))
    }
    const runs: LatencyResult[] = []
    for (const rate of rates) {
      for (const contender of contenders) {
        say(`${rate} payments a second: ${contender.title}`)
        runs.push(await oneRun({ services, cluster, contender, rate, seconds, run: runs.length }))
        say(`  ${latencyLine(runs[runs.length - 1])}`)
      }
    }
    await cluster.close()
    return { name: 'latency', machine: machine(), runs, missing: 'missing' in peer ? peer.missing : null }
  })
}

interface RunAsked {
  readonly services: BenchServices
  readonly cluster: Cluster
  readonly contender: Contender
  readonly rate: number
  readonly seconds: number
  readonly run: number
}

async function oneRun(asked: RunAsked): Promise<LatencyResult> {
  const { services, cluster, contender, rate, seconds } = asked
  const run = `bench-latency-${process.pid}-${asked.run}`
  const brokers = services.brokers.split(',')
  const backend = await openDistributed({ brokers, redis: services.redis, prefix: run, replicationFactor: 1 })
  const context: RunContext = { services, cluster, backend, run, input: `${run}-input`, partitions: PARTITIONS }
  const decisions = contender.outputs(run).decisions
  await backend.log.createTopics([context.input, decisions].map((name) => ({ name, partitions: PARTITIONS })))
  await contender.prepare(context)
  const child = contender.spawn(context)
  const exited = new Promise((resolve) => child.once('exit', resolve))
  try {
    const all = [...generatePay1({ ...defaultPay1, events: rate * (WARM_SECONDS + seconds), eventRate: rate })]
    const watched = new Decisions(all.length)
    const readers = Array.from({ length: PARTITIONS }, (_, partition) => watched.read(context, decisions, partition))
    await watched.firstOf(cluster, context.input, all[0])
    const warm = rate * WARM_SECONDS
    let cpu: { worker: number | null; broker: number | null } = { worker: null, broker: null }
    const cpuNow = (): typeof cpu => ({
      worker: cpuMicrosOf(child.pid ?? -1),
      broker: cpuMicrosOf(services.brokerPid),
    })
    await send(cluster, context.input, all, rate, watched, warm, () => (cpu = cpuNow()))
    const end = cpuNow()
    await sleep(LAST_MS)
    watched.stop()
    await Promise.all(readers)
    const per = (name: 'worker' | 'broker'): number | null => {
      const [before, after] = [cpu[name], end[name]]
      return before === null || after === null ? null : round((after - before) / (all.length - warm), 1)
    }
    return {
      contender: contender.name,
      rate,
      ...watched.result(all, warm),
      cpuMicrosPerEvent: per('worker'),
      brokerCpuMicrosPerEvent: per('broker'),
    }
  } finally {
    child.kill('SIGTERM')
    await exited
    await contender.clean(context)
    await backend.close()
    await deleteTopics(cluster, run)
  }
}

/** When payments were to be sent, were sent, and when their decisions were read; by their number, milliseconds. */
class Decisions {
  readonly due: Float64Array
  readonly sent: Float64Array
  private readonly readAt: Float64Array
  private stopped = false

  constructor(payments: number) {
    this.due = new Float64Array(payments)
    this.sent = new Float64Array(payments)
    this.readAt = new Float64Array(payments)
  }

  stop(): void {
    this.stopped = true
  }

  async read({ backend }: RunContext, topic: string, partition: number): Promise<void> {
    const frame = newFrame(4096)
    for (let offset = 0; !this.stopped;) {
      const fetched = await backend.log.read({ topic, partition }, offset, 1 << 20, 200)
      const now = performance.now()
      walk(fetched.bytes, offset, frame, topic)
      for (let row = 0; row < frame.rows; row++) {
        // Behind the wire prefix and the length of the id: the payment's number, 8 hex digits.
        const at = frame.valueOffsets[row] + 6
        const index = Number.parseInt(Buffer.from(frame.bytes.subarray(at, at + 8)).toString('latin1'), 16)
        if (this.readAt[index] === 0) this.readAt[index] = now
      }
      offset = fetched.nextOffset
    }
  }

  /** Sends one payment ahead, so that the contender is up before the clock starts. */
  async firstOf(cluster: Cluster, topic: string, first: Pay1Transaction): Promise<void> {
    const writer = new RecordBatchWriter()
    const { partition, key } = placeOf(first)
    writer.begin(first.ts)
    writer.append(first.ts, key, 0, key.length, first.value)
    await append(cluster, topic, partition, writer.finish())
    for (let waited = 0; this.readAt[first.index] === 0; waited += 50) {
      if (waited > 120_000) throw new Error('no first decision in two minutes')
      await sleep(50)
    }
  }

  result(
    all: readonly Pay1Transaction[],
    warm: number,
  ): Pick<LatencyResult, 'payments' | 'missing' | 'latency' | 'sendDelay'> {
    const [latencies, delays]: [number[], number[]] = [[], []]
    let missing = 0
    let next = 1
    for (const [position, { index }] of all.entries()) {
      // A copy, or the one that was sent ahead.
      if (index < next) continue
      next = index + 1
      if (position < warm) continue
      if (this.readAt[index] === 0) missing++
      else latencies.push(this.readAt[index] - this.due[index])
      delays.push(this.sent[index] - this.due[index])
    }
    return { payments: delays.length, missing, latency: quantiles(latencies), sendDelay: quantiles(delays) }
  }
}

function placeOf({ payer }: Pay1Transaction): { key: Uint8Array; partition: number } {
  const key = Buffer.from(payer)
  return { key, partition: partitionOf(key, 0, key.length, PARTITIONS) }
}

/** Sends every payment but the first when it is due; those of a partition that became due meanwhile go together. */
async function send(
  cluster: Cluster,
  topic: string,
  all: readonly Pay1Transaction[],
  rate: number,
  watched: Decisions,
  warm: number,
  warmed: () => void,
): Promise<void> {
  const start = performance.now() + 200
  const queues = Array.from({ length: PARTITIONS }, () => [] as { tx: Pay1Transaction; due: number; key: Uint8Array }[])
  all.forEach((tx, position) => {
    const { key, partition } = placeOf(tx)
    if (position > 0) queues[partition].push({ tx, due: start + (position * 1000) / rate, key })
  })
  const warmedAt = start + (warm * 1000) / rate
  const clock = sleep(Math.max(0, warmedAt - performance.now())).then(warmed)
  const senders = queues.map(async (queue, partition) => {
    const writer = new RecordBatchWriter()
    for (let next = 0; next < queue.length;) {
      const now = performance.now()
      if (queue[next].due > now) {
        await sleep(Math.max(1, Math.ceil(queue[next].due - now)))
        continue
      }
      writer.begin(queue[next].tx.ts)
      for (; next < queue.length && queue[next].due <= now && writer.count < 2_000; next++) {
        const { tx, due, key } = queue[next]
        writer.append(tx.ts, key, 0, key.length, tx.value)
        if (watched.due[tx.index] > 0) continue
        watched.due[tx.index] = due
        watched.sent[tx.index] = now
      }
      await append(cluster, topic, partition, writer.finish())
    }
  })
  await Promise.all([...senders, clock])
}

function quantiles(values: number[]): Quantiles {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))], 1)
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) }
}

function latencyLine({
  latency,
  sendDelay,
  missing,
  cpuMicrosPerEvent,
  brokerCpuMicrosPerEvent,
}: LatencyResult): string {
  const { p50, p90, p99, p999, max } = latency
  const parts = [
    `p50 ${p50}, p90 ${p90}, p99 ${p99}, p99.9 ${p999}, max ${max} ms`,
    `sender late by p50 ${sendDelay.p50}, p99 ${sendDelay.p99}, p99.9 ${sendDelay.p999} ms`,
    `worker ${cpuMicrosPerEvent ?? '-'} us, broker ${brokerCpuMicrosPerEvent ?? '-'} us CPU per payment`,
  ]
  if (missing > 0) parts.push(`${missing} decisions missing`)
  return parts.join('; ')
}

/** The result as text for a terminal. */
export const latencyText = ({ runs, missing, machine: on }: LatencyBenchResult): string =>
  [
    'from the intended send of a payment to its decision at a read_committed reader',
    ...runs.flatMap((one) => [`${one.contender}, ${one.rate} payments/s:`, `  ${latencyLine(one)}`]),
    ...(missing === null ? [] : [missing]),
    on,
  ].join('\n')
