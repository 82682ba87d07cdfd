/**
 * One run of one contender over an input that is there: CPU of worker, broker and store from its first record until what it
 * has committed reaches the end of the input; then its outputs against the oracle.
 */

import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { openDistributed } from '../../streams/distributed/index.ts'
import type { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { deleteTopics } from './broker.ts'
import type { Contender, RunContext } from './contender.ts'
import { cpuMicrosOf, machineMicros, peakBytesOf } from './processes.ts'
import type { BenchServices } from './services.ts'

export interface RunOptions {
  readonly services: BenchServices
  readonly cluster: Cluster
  readonly contender: Contender
  readonly run: string
  readonly input: string
  readonly partitions: number
  readonly events: number
  /** kill -9 so many seconds after the first record, and at once another one in its place. */
  readonly killAfterS?: number
  /** Called when all is committed and drained, before anything is removed. */
  readonly check: (context: RunContext) => Promise<readonly string[]>
}

/** Over the whole run, and over its second half, in which little is left to warm up. */
export interface Share {
  readonly eventsPerSecond: number
  readonly cpuMicrosPerEvent: number
  readonly brokerCpuMicrosPerEvent: number | null
  readonly redisCpuMicrosPerEvent: number | null
  /** Of the machine's cores: what neither worker nor broker nor store took. */
  readonly othersShare: number | null
}

export interface RunResult {
  readonly whole: Share
  readonly secondHalf: Share
  readonly peakBytes: number | null
  readonly startSeconds: number
  /** Redis from the first record until nothing more is written behind. */
  readonly redisMicrosPerEvent: number | null
  /** Bytes that Redis was sent meanwhile. */
  readonly redisBytesPerEvent: number | null
  /** From the kill to the first commit after it. */
  readonly recoverySeconds: number | null
  readonly differences: readonly string[]
}

interface Sample {
  readonly at: number
  readonly committed: number
  readonly worker: number
  readonly broker: number | null
  readonly redis: number | null
  readonly machine: number | null
}

const SAMPLE_MS = 50
/** No commit for so long: it will not come. Kafka Streams notices a killed member after 45 s. */
const STUCK_MS = 240_000

export async function runOnce(options: RunOptions): Promise<RunResult> {
  const { services, cluster, contender, run, input, partitions } = options
  const backend = await openDistributed({
    brokers: services.brokers.split(','),
    redis: services.redis,
    prefix: run,
    replicationFactor: 1,
  })
  const context: RunContext = { services, cluster, backend, run, input, partitions }
  try {
    await contender.prepare(context)
    const measured = await measure(options, context)
    return { ...measured, differences: await options.check(context) }
  } finally {
    await contender.clean(context)
    await backend.close()
    await deleteTopics(cluster, run)
  }
}

async function measure(options: RunOptions, context: RunContext): Promise<Omit<RunResult, 'differences'>> {
  const { contender, services, events } = options
  const spawnedAt = performance.now()
  let worker = new Watched(contender.spawn(context))
  let before = 0
  const sample = async (): Promise<Sample> => ({
    committed: await contender.committed(context),
    at: performance.now(),
    worker: before + (cpuMicrosOf(worker.pid) ?? 0),
    broker: cpuMicrosOf(services.brokerPid),
    redis: cpuMicrosOf(services.redisPid),
    machine: machineMicros(),
  })
  try {
    await worker.first
    const samples = [{ ...(await sample()), committed: 0 }]
    const bytes = await bytesSentTo(services.redis)
    const startSeconds = (samples[0].at - spawnedAt) / 1000
    const killAt = options.killAfterS === undefined ? Infinity : samples[0].at + options.killAfterS * 1000
    let killed: { at: number; committed: number } | null = null
    let recoverySeconds: number | null = null
    let movedAt = samples[0].at
    for (;;) {
      await sleep(SAMPLE_MS)
      const now = await sample()
      if (now.committed > samples[samples.length - 1].committed) movedAt = now.at
      samples.push(now)
      if (killed !== null && recoverySeconds === null && now.committed > killed.committed) {
        recoverySeconds = (now.at - killed.at) / 1000
      }
      if (now.committed >= events) break
      if (killed === null && now.at > killAt) {
        before = now.worker
        await worker.end('SIGKILL')
        killed = { at: performance.now(), committed: await contender.committed(context) }
        worker = new Watched(contender.spawn(context))
      }
      if (worker.failed !== null) throw new Error(`${contender.name} ended: ${worker.failed}`)
      if (now.at - movedAt > STUCK_MS) throw new Error(`${contender.name} stopped at ${now.committed}: ${worker.said}`)
    }
    const peakBytes = peakBytesOf(worker.pid)
    const last = samples[samples.length - 1]
    const half = samples.find(({ committed }) => committed >= events / 2) ?? last
    await drained(contender, context)
    await worker.end('SIGTERM')
    const redis = cpuMicrosOf(services.redisPid)
    const [{ redis: redisBefore }] = samples
    return {
      whole: shareOf(samples[0], last),
      secondHalf: shareOf(half === last ? samples[0] : half, last),
      peakBytes,
      startSeconds,
      redisBytesPerEvent: ((await bytesSentTo(services.redis)) - bytes) / events,
      redisMicrosPerEvent: redis === null || redisBefore === null ? null : (redis - redisBefore) / events,
      recoverySeconds,
    }
  } finally {
    await worker.end('SIGKILL')
  }
}

async function bytesSentTo(url: string): Promise<number> {
  const redis = new Redis(url)
  const text = await redis.info('stats')
  redis.disconnect()
  return Number(/^total_net_input_bytes:(\d+)/m.exec(text)?.[1])
}

function shareOf(from: Sample, to: Sample): Share {
  const events = to.committed - from.committed
  const micros = (to.at - from.at) * 1000
  const of = (name: 'broker' | 'redis'): number | null => {
    const [a, b] = [from[name], to[name]]
    return a === null || b === null ? null : (b - a) / events
  }
  const own = to.worker - from.worker + ((of('broker') ?? 0) + (of('redis') ?? 0)) * events
  const busy = from.machine === null || to.machine === null ? null : to.machine - from.machine
  return {
    eventsPerSecond: (events * 1e6) / micros,
    cpuMicrosPerEvent: (to.worker - from.worker) / events,
    brokerCpuMicrosPerEvent: of('broker'),
    redisCpuMicrosPerEvent: of('redis'),
    othersShare: busy === null ? null : (busy - own) / micros / cores,
  }
}

const cores = navigator.hardwareConcurrency

/** Settlements follow the decisions: until none has come for two seconds. */
async function drained(contender: Contender, { backend, run }: RunContext): Promise<void> {
  const { settlements } = contender.outputs(run)
  const partitions = await backend.log.partitions(settlements)
  let [before, quiet] = [-1, 0]
  while (quiet < 10) {
    let records = 0
    for (let partition = 0; partition < partitions; partition++) {
      records += (await backend.log.bounds({ topic: settlements, partition })).end
    }
    quiet = records === before ? quiet + 1 : 0
    before = records
    await sleep(200)
  }
}

/** A process that says FIRST when its first records come. */
class Watched {
  readonly first: Promise<void>
  readonly pid: number
  /** Why it is over without having been ended; null while it runs. */
  failed: string | null = null
  said = ''
  private readonly child: ChildProcess
  private readonly exited: Promise<void>
  private ending = false
  /** A contender does not outlive who measures it. */
  private readonly kill = (): void => void this.child.kill('SIGKILL')

  constructor(child: ChildProcess) {
    this.child = child
    process.once('exit', this.kill)
    this.pid = child.pid ?? -1
    const { resolve, reject, promise } = Promise.withResolvers<void>()
    this.first = promise
    this.exited = new Promise((done) => {
      child.once('exit', (code, signal) => {
        if (!this.ending) this.failed = `${signal ?? code}: ${this.said}`
        reject(new Error(`ended before its first record: ${this.said}`))
        done()
      })
    })
    child.once('error', reject)
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (more: string) => {
        this.said = (this.said + more).slice(-4000)
        if (/^FIRST$/m.test(this.said)) resolve()
      })
    }
    // A second one, started after a kill, is not waited for.
    promise.catch(() => undefined)
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.ending = true
    this.child.kill(signal)
    const patience = setTimeout(() => this.child.kill('SIGKILL'), 30_000)
    await this.exited
    clearTimeout(patience)
    process.off('exit', this.kill)
  }
}
