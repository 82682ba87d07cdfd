/**
 * How long a takeover takes: two workers share the line, one is killed with -9, and the clock runs from the moment in which
 * the group has given its tasks to the other to the first commit of each. Once with few keys in the state and once with
 * many: accounts are read as they are needed, so it should not matter; entries of the dedup horizon are loaded, so they do.
 */
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

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const codec = objectCodec<object>(records.transaction.schema)
const [template] = [...generate({ seed: 1, payments: 1 })]
const BEGIN = Date.UTC(2026, 0, 5)
/** Keys come by turns, so many a second of event time: a million of them span three days, one of which is remembered. */
const PER_SECOND = 4

class Input {
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

class Watched {
  readonly owns = new Set<string>()
  /** Of each task: when its recovery began, and when it committed after that. */
  readonly begun = new Map<string, number>()
  readonly committed = new Map<string, number>()
  readonly process: ChildProcess

  constructor(order: WorkerOrder) {
    this.process = fork(join(import.meta.dirname, 'worker.ts'), [JSON.stringify(order)], { stdio: 'inherit' })
    this.process.on('message', (word) => this.#hear(word as WorkerWord))
  }

  #hear(word: WorkerWord): void {
    if (word.said === 'begins') {
      if (!this.begun.has(word.task)) this.begun.set(word.task, performance.now())
    } else if (word.said === 'owns') this.owns.add(word.task)
    else if (word.said === 'committed' && !this.committed.has(word.task))
      this.committed.set(word.task, performance.now())
    else if (word.said === 'halted') throw new Error(word.text)
  }
}

async function caughtUp(backend: DistributedBackend): Promise<void> {
  for (const { name, at } of specs().values()) {
    for (;;) {
      const { end } = await backend.log.bounds(at)
      if (((await backend.log.peek(name))?.position ?? 0) >= end) break
      await sleep(200)
    }
  }
}

/** Seconds from the new assignment to the first commit, per source task that moved; and from the kill to the assignment. */
export async function takeover(keys: number, say: (text: string) => void): Promise<void> {
  const properties = { 'group.min.session.timeout.ms': '2000' }
  const [broker, store] = await Promise.all([kafka({ own: true, properties }), redis({ own: true })])
  if ('missing' in broker || 'missing' in store) {
    say(`SKIPPED: ${'missing' in broker ? broker.missing : (store as { missing: string }).missing}`)
    return
  }
  const names = { prefix: `takeover-${keys}`, topicPrefix: `takeover-${keys}.`, replicationFactor: 1 }
  const backend = await openDistributed({ brokers: [broker.endpoint], redis: store.endpoint, ...names })
  const workers: Watched[] = []
  const start = (): Watched => {
    const { prefix, replicationFactor } = names
    const rest = { routes: {}, batchRows: 2_000, deltaEntries: 50_000 }
    const watched = new Watched({
      brokers: [broker.endpoint],
      redis: store.endpoint,
      prefix,
      replicationFactor,
      ...rest,
    })
    workers.push(watched)
    return watched
  }
  try {
    await makeLine(backend)
    const input = new Input(backend, keys)
    const first = start()
    await input.append(keys)
    await caughtUp(backend)
    const second = start()
    while (second.owns.size < 2 || first.owns.size < 2) await sleep(100)
    await sleep(5_000)
    second.begun.clear()
    const held = [...second.owns]
    const moving = [...specs().keys()].filter((name) => name.startsWith('payments-') && !held.includes(name))
    let feeding = true
    const fed = (async () => {
      while (feeding) {
        await input.append(200)
        await sleep(50)
      }
    })()
    await sleep(1_000)
    second.committed.clear()
    const killed = performance.now()
    first.process.kill('SIGKILL')
    while (!moving.every((task) => second.committed.has(task))) await sleep(10)
    feeding = false
    await fed
    const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(2)
    for (const task of moving) {
      const [begun, committed] = [second.begun.get(task)!, second.committed.get(task)!]
      say(
        `keys=${keys} ${task}: from the kill to the new owner ${seconds(killed, begun)} s, ` +
          `from there to its first commit ${seconds(begun, committed)} s`,
      )
    }
  } finally {
    for (const { process } of workers) process.kill('SIGKILL')
    await backend.close().catch(() => undefined)
    await Promise.all([broker.stop(), store.stop()])
  }
}
