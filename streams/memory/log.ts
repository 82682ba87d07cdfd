/** The in-memory log: the rules of the seam on arrays, with a moment for a fault between all steps of a commit. */
import { randomUUID } from 'node:crypto'
import type { Commit, Fetched, Log, TopicPartition, TopicSpec, Writer } from '../backend.ts'
import { placeBatches, spanOf, splitBatches } from '../embedded/batches.ts'
import { assertCommit } from '../embedded/log.ts'
import { CodedError, FencedError, OffsetGoneError } from '../errors.ts'
import type { World } from './faults.ts'

interface Entry {
  readonly base: number
  readonly next: number
  readonly bytes: Uint8Array
}

interface Partition {
  entries: Entry[]
  start: number
  end: number
  readonly waiters: Set<() => void>
}

type Committed = { readonly position: number; readonly metadata: string }

interface Ledger {
  owner: MemoryWriter | null
  committed: Committed | null
  /** The one before, for the faulty variants. */
  previous: Committed | null
}

const NOTHING = new Uint8Array(0)

export class MemoryLog implements Log {
  readonly world: World
  readonly #topics = new Map<string, { id: string; partitions: Partition[] }>()
  readonly #ledgers = new Map<string, Ledger>()
  /** Acknowledged, not durable: only with the faulty variant ackBeforeDurable. */
  #unwritten: (() => void)[] = []

  constructor(world: World) {
    this.world = world
    world.onCrash(() => {
      this.#unwritten = []
      for (const { partitions } of this.#topics.values()) {
        for (const partition of partitions) for (const wake of partition.waiters) wake()
      }
    })
  }

  #partition({ topic, partition }: TopicPartition): Partition {
    const found = this.#topics.get(topic)?.partitions[partition]
    if (found === undefined) throw new CodedError('SLUICE_TOPIC_UNKNOWN', `topic ${topic}, partition ${partition}`)
    return found
  }

  async topicId(topic: string): Promise<string> {
    const found = this.#topics.get(topic)
    if (found === undefined) throw new CodedError('SLUICE_TOPIC_UNKNOWN', `topic ${topic}`)
    return found.id
  }

  async partitions(topic: string): Promise<number> {
    const found = this.#topics.get(topic)
    if (found === undefined) throw new CodedError('SLUICE_TOPIC_UNKNOWN', `topic ${topic}`)
    return found.partitions.length
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    for (const { name, partitions } of topics) {
      const existing = this.#topics.get(name)
      if (existing !== undefined && existing.partitions.length !== partitions) {
        const detail = `topic ${name} has ${existing.partitions.length} partitions, asked ${partitions}`
        throw new CodedError('SLUICE_TOPIC_PARTITIONS', detail)
      }
    }
    for (const { name, partitions } of topics) {
      if (this.#topics.has(name)) continue
      const made = Array.from({ length: partitions }, () => ({
        entries: [],
        start: 0,
        end: 0,
        waiters: new Set<() => void>(),
      }))
      this.#topics.set(name, { id: randomUUID(), partitions: made })
    }
  }

  async bounds(at: TopicPartition): Promise<{ start: number; end: number }> {
    const { start, end } = this.#partition(at)
    return { start, end }
  }

  async read(at: TopicPartition, offset: number, maxBytes: number, maxWaitMs: number): Promise<Fetched> {
    const { life } = this.world
    const where = `${at.topic}/${at.partition}`
    await this.world.at(life, 'fetch', where, offset)
    this.world.assertAlive(life, where)
    const partition = this.#partition(at)
    const assertKept = (): void => {
      if (offset >= partition.start && offset <= partition.end) return
      throw new OffsetGoneError(where, offset, partition.start, partition.end)
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
      this.world.assertAlive(life, where)
      assertKept()
    }
    if (offset === partition.end) return { bytes: NOTHING, nextOffset: offset, endOffset: partition.end }
    return fetch(partition, offset, maxBytes)
  }

  async peek(id: string): Promise<Committed | null> {
    return this.#ledgers.get(id)?.committed ?? null
  }

  async writer(id: string): Promise<Writer> {
    const { life } = this.world
    await this.world.at(life, 'fence', id)
    this.world.assertAlive(life, id)
    const ledger = this.#ledgers.get(id) ?? { owner: null, committed: null, previous: null }
    this.#ledgers.set(id, ledger)
    const { faulty } = this.world
    const known = faulty.positionBeforeFence ? ledger.previous : ledger.committed
    const writer = new MemoryWriter(this, id, life, known)
    ledger.owner = writer
    return writer
  }

  /** Makes whoever writes under this id a fenced writer, as a second process would. */
  fence(id: string): void {
    const ledger = this.#ledgers.get(id)
    if (ledger !== undefined) ledger.owner = null
  }

  /**
   * The moment at which a commit takes effect: whole, or not at all by an error.
   * Returns what is still to be done when the writer has heard: nothing, but for the faulty variant atLeastOnce.
   */
  append(writer: MemoryWriter, commit: Commit): () => void {
    const ledger = this.#ledgers.get(writer.id)
    const { faulty } = this.world
    if (ledger === undefined || (ledger.owner !== writer && !faulty.noFence))
      throw new FencedError(`writer ${writer.id}`)
    const lenient = faulty.noFence || faulty.atLeastOnce || faulty.positionBeforeFence
    assertCommit(commit, lenient ? null : (ledger.committed?.position ?? null))
    const appends = commit.appends.map(({ batches, ...at }) => {
      // Checked, and copied: the bytes of the log are its own.
      spanOf(batches)
      return { partition: this.#partition(at), bytes: batches.slice() }
    })
    const record = (): void => {
      ledger.previous = ledger.committed
      ledger.committed = { position: commit.position, metadata: commit.metadata }
    }
    const write = (): void => {
      if (!faulty.atLeastOnce) record()
      for (const { partition, bytes } of appends) {
        for (const piece of splitBatches(bytes, 1)) {
          const base = partition.end
          const { next } = placeBatches(piece.bytes, base, base)
          partition.entries.push({ base, next, bytes: piece.bytes })
          partition.end = next
        }
        for (const wake of partition.waiters) wake()
      }
    }
    if (faulty.ackBeforeDurable) {
      this.#unwritten.push(write)
      setImmediate(() => {
        for (const late of this.#unwritten.splice(0)) late()
      })
    } else write()
    return faulty.atLeastOnce ? record : () => undefined
  }

  /** Retention: forgets whole batches before an offset; returns the new start. */
  trim(at: TopicPartition, before: number): number {
    const partition = this.#partition(at)
    partition.entries = partition.entries.filter((entry) => entry.next > before)
    partition.start = partition.entries[0]?.base ?? partition.end
    return partition.start
  }
}

function fetch(partition: Partition, offset: number, maxBytes: number): Fetched {
  let low = 0
  let high = partition.entries.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (partition.entries[middle].next <= offset) low = middle + 1
    else high = middle
  }
  const pieces: Uint8Array[] = []
  let total = 0
  let next = offset
  for (let index = low; index < partition.entries.length && (total === 0 || total < maxBytes); index++) {
    const entry = partition.entries[index]
    pieces.push(entry.bytes)
    total += entry.bytes.length
    next = entry.next
  }
  return { bytes: new Uint8Array(Buffer.concat(pieces, total)), nextOffset: next, endOffset: partition.end }
}

class MemoryWriter implements Writer {
  readonly id: string
  readonly committed: Committed | null
  readonly maxInFlight = 4
  readonly #log: MemoryLog
  readonly #life: number
  #proven: number
  #broken = false
  #last: Promise<void> = Promise.resolve()

  constructor(log: MemoryLog, id: string, life: number, committed: Committed | null) {
    this.#log = log
    this.id = id
    this.#life = life
    this.committed = committed
    this.#proven = committed?.position ?? 0
  }

  get proven(): number {
    return this.#proven
  }

  commit(commit: Commit): Promise<void> {
    // One after the other: commits take effect in call order, whatever a watch waits for.
    const done = this.#last.then(() => this.#commit(commit))
    this.#last = done.catch(() => undefined)
    return done
  }

  async #commit(commit: Commit): Promise<void> {
    if (this.#broken) throw new CodedError('SLUICE_WRITER_BROKEN', `writer ${this.id}`)
    const { world } = this.#log
    try {
      await world.at(this.#life, 'before-append', this.id, commit.position)
      world.assertAlive(this.#life, this.id)
      const heard = this.#log.append(this, commit)
      await world.at(this.#life, 'after-append', this.id, commit.position)
      heard()
    } catch (error) {
      this.#broken ||= !(error instanceof FencedError)
      throw error
    }
    this.#proven = Math.max(this.#proven, commit.position)
  }

  async close(): Promise<void> {
    this.#broken = true
  }
}
