/**
 * The embedded log: topics, partitions of Kafka v2 record batches, and the ledger of writers, in one LMDB environment.
 *
 * Owns: offsets, fencing of writers, what readers see, retention. Not: when a transaction is written (loop.ts).
 * Batches are kept as they were handed over; base offsets are set in the copy that a reader gets (B3: always the same).
 * A partition ends, for readers, at the last durable commit; `staged` runs ahead of it while a transaction is written.
 */
import { randomUUID } from 'node:crypto'
import type { Commit, Fetched, Log, TopicPartition, TopicSpec, Writer } from '../backend.ts'
import { CodedError, FencedError, OffsetGoneError } from '../errors.ts'
import { placeBatches, spanOf, splitBatches } from './batches.ts'
import { assertName, logKey, metaKey, metaRange, nameOf, offsetOfLogKey } from './keys.ts'
import type { CommitLoop, Store } from './loop.ts'
import { pagesFor } from './room.ts'

/** A larger append is cut between batches into entries of about this size, so that a reader need not take it whole. */
const ENTRY_BYTES = 1 << 20
/** Kafka's limit for offset metadata; held here too, so that what runs embedded runs there. */
const METADATA_CHARACTERS = 4096
const MAX_IN_FLIGHT = 4
const NOTHING = new Uint8Array(0)

interface Topic {
  readonly number: number
  readonly id: string
  readonly partitions: Partition[]
}

interface Partition {
  readonly topic: number
  readonly partition: number
  start: number
  /** End of what is durable. */
  end: number
  /** End with what is being written. */
  staged: number
  readonly waiters: Set<() => void>
}

interface Ledger {
  epoch: number
  committed: { position: number; metadata: string } | null
  /** What is durable, for peek. */
  durable: { position: number; metadata: string } | null
  owner: EmbeddedWriter | null
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

function parse<T>(bytes: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(bytes)) as T
}

/** Checks what a commit may hold, before anything is staged. Bugs of the caller: plain errors. */
export function assertCommit(commit: Commit, last: number | null): void {
  if (!Number.isSafeInteger(commit.position) || commit.position < -1) throw new Error(`position ${commit.position}`)
  if (last !== null && commit.position < last) throw new Error(`position falls from ${last} to ${commit.position}`)
  if (commit.metadata.length > METADATA_CHARACTERS) {
    throw new Error(`metadata has ${commit.metadata.length} characters, at most ${METADATA_CHARACTERS}`)
  }
}

export class EmbeddedLog implements Log {
  readonly #meta: Store
  readonly #entries: Store
  readonly #loop: CommitLoop
  readonly #topics = new Map<string, Topic>()
  readonly #ledgers = new Map<string, Ledger>()
  #closed = false

  constructor(meta: Store, entries: Store, loop: CommitLoop) {
    this.#meta = meta
    this.#entries = entries
    this.#loop = loop
    for (const { key, value } of meta.getRange(metaRange('topic'))) {
      const name = nameOf(key as Uint8Array)
      const { number, id, partitions } = parse<{ number: number; id: string; partitions: number }>(value)
      this.#topics.set(name, {
        number,
        id,
        partitions: Array.from({ length: partitions }, (_, p) => this.#open(number, p)),
      })
    }
    for (const { key, value } of meta.getRange(metaRange('ledger'))) {
      const id = nameOf(key as Uint8Array)
      const { epoch, committed } = parse<Pick<Ledger, 'epoch' | 'committed'>>(value)
      this.#ledgers.set(id, { epoch, committed, durable: committed, owner: null })
    }
  }

  #open(topic: number, partition: number): Partition {
    const bounds = this.#meta.get(metaKey('bounds', `${topic}/${partition}`))
    const { start, end } = bounds === undefined ? { start: 0, end: 0 } : parse<{ start: number; end: number }>(bounds)
    const opened: Partition = { topic, partition, start, end, staged: end, waiters: new Set() }
    const last = this.#entryAt(opened, Number.MAX_SAFE_INTEGER)
    if (last !== null) opened.end = opened.staged = Math.max(end, last.base + spanOf(last.bytes))
    return opened
  }

  /** The entry that begins at or last before an offset. */
  #entryAt(at: Partition, offset: number): { base: number; bytes: Uint8Array } | null {
    const range = {
      start: logKey(at.topic, at.partition, offset),
      end: logKey(at.topic, at.partition, 0),
      inclusiveEnd: true,
      reverse: true,
      limit: 1,
    }
    for (const key of this.#entries.getKeys(range)) {
      const bytes = this.#entries.get(key)
      if (bytes !== undefined) return { base: offsetOfLogKey(key as Uint8Array), bytes }
    }
    return null
  }

  #topic(name: string): Topic {
    if (this.#closed) throw new CodedError('SLUICE_CLOSED', `log, topic ${name}`)
    const topic = this.#topics.get(name)
    if (topic === undefined) throw new CodedError('SLUICE_TOPIC_UNKNOWN', `topic ${name}`)
    return topic
  }

  #partition({ topic, partition }: TopicPartition): Partition {
    const { partitions } = this.#topic(topic)
    const found = partitions[partition]
    if (found === undefined) {
      throw new CodedError(
        'SLUICE_TOPIC_UNKNOWN',
        `partition ${partition} of topic ${topic}, which has ${partitions.length}`,
      )
    }
    return found
  }

  async topicId(topic: string): Promise<string> {
    return this.#topic(topic).id
  }

  async partitions(topic: string): Promise<number> {
    return this.#topic(topic).partitions.length
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    for (const { name } of topics) assertName('topic', name)
    await this.#loop.submit({
      bytes: 0,
      stage: (writes) => {
        const missing: TopicSpec[] = []
        for (const spec of topics) {
          const existing = this.#topics.get(spec.name)
          if (existing === undefined) missing.push(spec)
          else if (existing.partitions.length !== spec.partitions) {
            const detail = `topic ${spec.name} has ${existing.partitions.length} partitions, asked ${spec.partitions}`
            throw new CodedError('SLUICE_TOPIC_PARTITIONS', detail)
          }
        }
        for (const { name, partitions } of missing) {
          const number = this.#topics.size + 1
          const id = randomUUID()
          writes.put(this.#meta, metaKey('topic', name), json({ number, id, partitions }))
          const made = Array.from({ length: partitions }, (_, partition) => {
            return { topic: number, partition, start: 0, end: 0, staged: 0, waiters: new Set<() => void>() }
          })
          this.#topics.set(name, { number, id, partitions: made })
        }
        return () => undefined
      },
    })
  }

  async bounds(at: TopicPartition): Promise<{ start: number; end: number }> {
    const { start, end } = this.#partition(at)
    return { start, end }
  }

  async read(at: TopicPartition, offset: number, maxBytes: number, maxWaitMs: number): Promise<Fetched> {
    const partition = this.#partition(at)
    const assertKept = (): void => {
      if (offset >= partition.start && offset <= partition.end) return
      throw new OffsetGoneError(`${at.topic}/${at.partition}`, offset, partition.start, partition.end)
    }
    assertKept()
    if (offset === partition.end && maxWaitMs > 0) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          partition.waiters.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, maxWaitMs)
        partition.waiters.add(wake)
      })
      if (this.#closed) throw new CodedError('SLUICE_CLOSED', `log, topic ${at.topic}`)
      assertKept()
    }
    if (offset === partition.end) return { bytes: NOTHING, nextOffset: offset, endOffset: partition.end }
    return this.#fetch(partition, offset, maxBytes)
  }

  #fetch(partition: Partition, offset: number, maxBytes: number): Fetched {
    const pieces: Uint8Array[] = []
    let total = 0
    let next = offset
    while (next < partition.end && (total === 0 || total < maxBytes)) {
      let base = next
      let bytes = this.#entries.get(logKey(partition.topic, partition.partition, next))
      if (bytes === undefined) {
        const entry = this.#entryAt(partition, next)
        if (entry === null) throw new CodedError('SLUICE_STORE_DAMAGED', `log has no entry at offset ${next}`)
        ;({ base, bytes } = entry)
      }
      const placed = placeBatches(bytes, base, offset)
      if (placed.next <= next) throw new CodedError('SLUICE_STORE_DAMAGED', `log has a hole at offset ${next}`)
      const piece = placed.begin === 0 ? bytes : bytes.subarray(placed.begin)
      pieces.push(piece)
      total += piece.length
      next = placed.next
    }
    const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, total)
    this.#loop.readBytes(total)
    return { bytes, nextOffset: next, endOffset: partition.end }
  }

  async peek(id: string): Promise<{ position: number; metadata: string } | null> {
    return this.#ledgers.get(id)?.durable ?? null
  }

  async writer(id: string): Promise<Writer> {
    assertName('writer', id)
    return this.#loop.submit({
      bytes: 0,
      stage: (writes) => {
        const ledger = this.#ledgers.get(id) ?? { epoch: 0, committed: null, durable: null, owner: null }
        this.#ledgers.set(id, ledger)
        ledger.epoch++
        const writer = new EmbeddedWriter(this, id, ledger.committed)
        ledger.owner = writer
        writes.put(this.#meta, metaKey('ledger', id), json({ epoch: ledger.epoch, committed: ledger.committed }))
        return () => writer
      },
    })
  }

  /** Commits for a writer; see Writer.commit. */
  append(writer: EmbeddedWriter, commit: Commit): Promise<void> {
    const pieces = commit.appends.map((append) => {
      return { partition: this.#partition(append), entries: splitBatches(append.batches, ENTRY_BYTES) }
    })
    const sizes = pieces.flatMap(({ entries }) => entries.map(({ bytes }) => bytes.length))
    const committed = { position: commit.position, metadata: commit.metadata }
    return this.#loop.submit({
      bytes: commit.appends.reduce((sum, append) => sum + append.batches.length, 0),
      pages: sizes.reduce((sum, size) => sum + pagesFor(size), 0),
      touched: sizes.length,
      // What this writer has sent behind a refused commit must not take effect.
      refused: () => {
        writer.broken = true
      },
      stage: (writes) => {
        const ledger = this.#ledgers.get(writer.id)
        if (ledger?.owner !== writer) throw new FencedError(`writer ${writer.id}`)
        if (writer.broken) throw new CodedError('SLUICE_WRITER_BROKEN', `writer ${writer.id}`)
        assertCommit(commit, ledger.committed?.position ?? null)
        for (const { partition, entries } of pieces) {
          for (const { bytes, span } of entries) {
            writes.put(this.#entries, logKey(partition.topic, partition.partition, partition.staged), bytes)
            partition.staged += span
          }
        }
        ledger.committed = committed
        writes.put(this.#meta, metaKey('ledger', writer.id), json({ epoch: ledger.epoch, committed }))
        const ends = pieces.map(({ partition }) => ({ partition, end: partition.staged }))
        return () => {
          ledger.durable = committed
          for (const { partition, end } of ends) {
            partition.end = Math.max(partition.end, end)
            for (const wake of partition.waiters) wake()
          }
        }
      },
    })
  }

  /** Retention: forgets whole entries before an offset. Returns the new start, at or before it. */
  async trim(at: TopicPartition, before: number): Promise<number> {
    const partition = this.#partition(at)
    return this.#loop.submit({
      group: `trim/${at.topic}/${at.partition}`,
      bytes: 0,
      touched: Infinity,
      stage: (writes) => {
        const limit = Math.min(before, partition.end)
        const range = {
          start: logKey(partition.topic, partition.partition, 0),
          end: logKey(partition.topic, partition.partition, limit),
        }
        const keys = [...this.#entries.getKeys(range)] as Uint8Array[]
        const last = keys.at(-1)
        if (last === undefined) return () => partition.start
        const bytes = this.#entries.get(last)
        const whole = bytes !== undefined && offsetOfLogKey(last) + spanOf(bytes) <= limit
        if (!whole) keys.pop()
        const start = whole ? limit : offsetOfLogKey(last)
        const bounds = json({ start, end: partition.end })
        writes.put(this.#meta, metaKey('bounds', `${partition.topic}/${partition.partition}`), bounds)
        for (const key of keys) writes.remove(this.#entries, key)
        partition.start = start
        return () => start
      },
    })
  }

  close(): void {
    this.#closed = true
    for (const topic of this.#topics.values()) {
      for (const partition of topic.partitions) for (const wake of partition.waiters) wake()
    }
  }
}

class EmbeddedWriter implements Writer {
  readonly id: string
  readonly committed: { readonly position: number; readonly metadata: string } | null
  readonly maxInFlight = MAX_IN_FLIGHT
  /** Closed, or a commit was refused: nothing that comes behind may take effect. */
  broken = false
  readonly #log: EmbeddedLog
  #proven: number

  constructor(log: EmbeddedLog, id: string, committed: { position: number; metadata: string } | null) {
    this.#log = log
    this.id = id
    this.committed = committed
    this.#proven = committed?.position ?? 0
  }

  get proven(): number {
    return this.#proven
  }

  async commit(commit: Commit): Promise<void> {
    try {
      await this.#log.append(this, commit)
      this.#proven = Math.max(this.#proven, commit.position)
    } catch (error) {
      this.broken ||= !(error instanceof FencedError)
      throw error
    }
  }

  async close(): Promise<void> {
    this.broken = true
  }
}
