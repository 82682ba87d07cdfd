/** A line that is measured while its workers change: paced input, workers whose words are heard, a broker and a Redis of its own. */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { generate } from '../../intake/generator.ts'
import { records, topics } from '../../schemas/topics.ts'
import { objectCodec, wire } from '../../streams/avro/object.ts'
import { openDistributed, type DistributedBackend } from '../../streams/distributed/index.ts'
import { RecordBatchWriter } from '../../streams/records.ts'
import { partitionOf } from '../model/murmur2.ts'
import { kafka } from '../services/kafka.ts'
import { redis } from '../services/redis.ts'
import { makeLine, settings, specs, type WorkerOrder, type WorkerWord } from './line.ts'

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const codec = objectCodec<object>(records.transaction.schema)
const [template] = [...generate({ seed: 1, payments: 1 })]
const BEGIN = Date.UTC(2026, 0, 5)
/** Keys come by turns, so many a second of event time: a million of them span three days, one of which is remembered. */
const PER_SECOND = 4

/** Payments with keys by turns. */
export class Input {
  sent = 0
  readonly #backend: DistributedBackend
  readonly #keys: number

  constructor(backend: DistributedBackend, keys: number) {
    this.#backend = backend
    this.#keys = keys
  }

  /** Appends payments, each of the next key. */
  async append(count: number): Promise<void> {
    const writer = await this.#backend.log.writer('takeover-input')
    for (let left = count; left > 0;) {
      const some = Math.min(left, 5_000)
      const batches = Array.from({ length: settings.partitions }, () => ({
        writer: new RecordBatchWriter(),
        records: 0,
      }))
      for (const batch of batches) batch.writer.begin(BEGIN)
      for (let index = 0; index < some; index++, this.sent++) {
        const payerAccount = `account-${this.sent % this.#keys}`
        const occurredAt = BEGIN + Math.floor((this.sent * 1_000) / PER_SECOND)
        const transaction = { ...template.transaction, payerAccount, transactionId: `T${this.sent}`, occurredAt }
        const batch = batches[partitionOf(payerAccount, settings.partitions)]
        const key = Buffer.from(payerAccount)
        const value = wire(records.transaction.id, codec.encode(transaction))
        batch.writer.append(occurredAt, key, 0, key.length, value)
        batch.records++
      }
      const appends = batches.flatMap((batch, partition) =>
        batch.records === 0 ? [] : [{ topic: topics.transactions.name, partition, batches: batch.writer.finish() }],
      )
      await writer.commit({ appends, position: -1, metadata: '' })
      left -= some
    }
    await writer.close()
  }
}

/** A worker process that is listened to. */
export class Watched {
  readonly owns = new Set<string>()
  /** Of each task: when its recovery began, and when it committed first. */
  readonly begun = new Map<string, number>()
  readonly committed = new Map<string, number>()
  /** Of each task: when it committed, every time. */
  readonly commits = new Map<string, number[]>()
  readonly process: ChildProcess

  constructor(order: WorkerOrder) {
    this.process = fork(join(import.meta.dirname, 'worker.ts'), [JSON.stringify(order)], { stdio: 'inherit' })
    this.process.on('message', (word) => this.#hear(word as WorkerWord))
  }

  #hear(word: WorkerWord): void {
    if (word.said === 'begins') {
      if (!this.begun.has(word.task)) this.begun.set(word.task, performance.now())
    } else if (word.said === 'owns') this.owns.add(word.task)
    else if (word.said === 'committed') {
      const now = performance.now()
      if (!this.committed.has(word.task)) this.committed.set(word.task, now)
      const commits = this.commits.get(word.task) ?? []
      this.commits.set(word.task, commits)
      commits.push(now)
    } else if (word.said === 'halted') throw new Error(word.text)
  }
}

/** Resolves when every task has committed all of its input. */
export async function caughtUp(backend: DistributedBackend): Promise<void> {
  for (const { name, at } of specs().values()) {
    for (;;) {
      const { end } = await backend.log.bounds(at)
      if (((await backend.log.peek(name))?.position ?? 0) >= end) break
      await sleep(200)
    }
  }
}

export interface MeasuredLine {
  readonly backend: DistributedBackend
  readonly input: Input
  readonly start: () => Watched
  /** Sends payments at a steady rate until the returned function is called. */
  readonly feed: (payments: number, everyMs: number) => () => Promise<void>
}

/** Opens a line of its own, runs `measure` on it, and ends everything. Without services it says so and does nothing. */
export async function onLine(
  { name, keys, say }: { name: string; keys: number; say: (text: string) => void },
  measure: (line: MeasuredLine) => Promise<void>,
): Promise<void> {
  const properties = { 'group.min.session.timeout.ms': '2000' }
  const [broker, store] = await Promise.all([kafka({ own: true, properties }), redis({ own: true })])
  if ('missing' in broker || 'missing' in store) {
    say(`SKIPPED: ${'missing' in broker ? broker.missing : (store as { missing: string }).missing}`)
    return
  }
  const [brokers, prefix, replicationFactor] = [[broker.endpoint], name, 1]
  const names = { prefix, topicPrefix: `${name}.`, replicationFactor }
  const backend = await openDistributed({ brokers, redis: store.endpoint, ...names })
  const workers: Watched[] = []
  const start = (): Watched => {
    const rest = { routes: {}, batchRows: 2_000, deltaEntries: 50_000 }
    const watched = new Watched({ brokers, redis: store.endpoint, prefix, replicationFactor, ...rest })
    workers.push(watched)
    return watched
  }
  const feed = (payments: number, everyMs: number): (() => Promise<void>) => {
    let feeding = true
    const fed = (async () => {
      while (feeding) {
        await input.append(payments)
        await sleep(everyMs)
      }
    })()
    return async () => {
      feeding = false
      await fed
    }
  }
  const input = new Input(backend, keys)
  try {
    await makeLine(backend)
    await measure({ backend, input, start, feed })
  } finally {
    for (const { process } of workers) process.kill('SIGKILL')
    await backend.close().catch(() => undefined)
    await Promise.all([broker.stop(), store.stop()])
  }
}
