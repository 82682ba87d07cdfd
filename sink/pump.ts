/**
 * Carries one (topic, partition) into its table, block by block, strictly one after the other.
 *
 * Q1  It begins where ClickHouse says that its rows end, never where it remembers to have been.
 * Q2  A block is sent until ClickHouse has it; no block is sent before the one in front of it is there.
 * Q3  A token that ClickHouse remembers for rows that it has lost does not count: after a start and after every failed try
 *     the rows themselves are looked for.
 */
import type { ClickHouseSettings } from '@clickhouse/client'
import type { Fetched, Log, TopicPartition } from '../streams/backend.ts'
import type { Frame } from '../streams/batch.ts'
import type { Block } from './blocks.ts'
import type { ClickHouse } from './clickhouse.ts'
import type { SinkError } from './errors.ts'
import type { Feed, Safety } from './feed.ts'
import type { SinkObserver } from './observer.ts'
import { BlockReader } from './reader.ts'
import { untilDone, type Turnstile } from './retry.ts'
import { seekSeq } from './seek.ts'

/** What pumps share. */
export interface PumpWorld {
  readonly log: Log
  readonly clickHouse: ClickHouse
  /** Bounds the INSERTs under way. */
  readonly turnstile: Turnstile
  /** Used only between two awaits. */
  readonly frame: Frame
  readonly safety: Safety
  readonly deduplication: { readonly on: ClickHouseSettings; readonly off: ClickHouseSettings }
  readonly maxRows: number
  readonly signal: AbortSignal
  readonly onRetry: (error: SinkError, tries: number) => void
  readonly observer: SinkObserver | null
}

/** One fetch: some 10,000 records, a few ms of work between two awaits. */
const FETCH_BYTES = 1 << 20
/** How long a fetch waits for something new; also how long a stop may take. */
const WAIT_MS = 250
/** Blocks cut and not inserted beyond which reading pauses; more would only hold memory. */
const MOST_WAITING = 2

export interface Lag {
  readonly topic: string
  readonly partition: number
  readonly table: string
  /** Rows that ClickHouse has of this task. */
  readonly insertedRows: number
  /** Records read and not yet cut into a block: the next mark cuts them. */
  readonly openRows: number
  /** Records of the log not yet read. */
  readonly behind: number
  readonly blocks: number
  readonly retries: number
  /** Records with a number that was there already. */
  readonly dropped: number
}

export class Pump {
  readonly at: TopicPartition
  readonly feed: Feed
  private readonly world: PumpWorld
  private readonly topicId: string
  private reader: BlockReader | null = null
  private readonly queue: Block[] = []
  private inserting: Promise<void> = Promise.resolve()
  private lookAfter = true
  private insertedRows = 0
  private endOffset = 0
  private blocks = 0
  private retries = 0
  private wake: () => void = () => {}
  private active = false
  private failure: unknown = null

  constructor(world: PumpWorld, feed: Feed, at: TopicPartition, topicId: string) {
    this.world = world
    this.feed = feed
    this.at = at
    this.topicId = topicId
    world.signal.addEventListener('abort', () => this.wake())
  }

  /** Runs until the signal is aborted. Errors: whatever is not to be tried again. */
  async run(): Promise<void> {
    const { log, frame, signal, maxRows, clickHouse } = this.world
    const high = await this.retried(() => this.feed.highest(clickHouse, this.at.partition))
    this.insertedRows = high + 1
    const offset = await seekSeq(log, this.at, high + 1, frame)
    const reader = new BlockReader(this.at, this.feed, maxRows, high + 1, offset)
    this.reader = reader
    while (!signal.aborted) {
      const fetched = await log.read(this.at, reader.offset, FETCH_BYTES, WAIT_MS)
      this.endOffset = fetched.endOffset
      const fault = this.take(reader, fetched)
      if (this.queue.length > 0) this.startInserting()
      if (fault !== null) {
        // What is before the fault is good, and goes in.
        await this.inserting
        throw fault
      }
      while (this.queue.length >= MOST_WAITING && !signal.aborted) {
        await new Promise<void>((resolve) => (this.wake = resolve))
      }
      if (this.failure !== null) throw this.failure
    }
    await this.inserting
    if (this.failure !== null) throw this.failure
  }

  /** Cuts what was fetched into blocks; returns the fault that it met. */
  private take(reader: BlockReader, fetched: Fetched): Error | null {
    try {
      if (fetched.bytes.length > 0) reader.take(fetched, this.world.frame, (block) => this.queue.push(block))
      return null
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  /** True when everything before the offset is read and every block cut from it is in ClickHouse. */
  isThrough(end: number): boolean {
    return this.reader !== null && this.reader.offset >= end && this.queue.length === 0
  }

  lag(): Lag {
    return {
      topic: this.at.topic,
      partition: this.at.partition,
      table: this.feed.topic.table,
      insertedRows: this.insertedRows,
      openRows: this.reader?.openRows ?? 0,
      behind: Math.max(0, this.endOffset - (this.reader?.offset ?? 0)),
      blocks: this.blocks,
      retries: this.retries,
      dropped: this.reader?.dropped ?? 0,
    }
  }

  private startInserting(): void {
    if (this.active) return
    this.active = true
    this.inserting = this.insertAll().catch((error: unknown) => {
      this.failure = error
      this.queue.length = 0
      this.wake()
    })
  }

  private async insertAll(): Promise<void> {
    while (this.queue.length > 0 && !this.world.signal.aborted) {
      await this.insert(this.queue[0])
      this.queue.shift()
      this.wake()
    }
    // In the same turn as the test of the queue, so that no block comes between and is left lying.
    this.active = false
  }

  private async insert(block: Block): Promise<void> {
    const { turnstile, clickHouse, safety, deduplication, observer } = this.world
    const began = performance.now()
    const send = (how: Safety, settings: ClickHouseSettings): Promise<void> =>
      this.retried(() =>
        turnstile.pass(() => this.feed.insert(clickHouse, this.topicId, this.at.partition, block, how, settings)),
      )
    await send(safety, safety.token ? deduplication.on : deduplication.off)
    if (this.lookAfter) {
      this.lookAfter = false
      const high = await this.retried(() => this.feed.highest(clickHouse, this.at.partition))
      if (high < block.lastSeq) {
        // The guard still keeps a copy out that arrives meanwhile.
        await send({ token: false, guard: true }, deduplication.off)
      }
    }
    this.insertedRows = block.lastSeq + 1
    this.blocks++
    const { rows, body } = block
    const { table } = this.feed.topic
    observer?.inserted(this.at, { table, rows, bytes: body.length, ms: performance.now() - began })
  }

  private retried<T>(run: () => Promise<T>): Promise<T> {
    return untilDone(run, {
      signal: this.world.signal,
      onRetry: (error, tries) => {
        this.retries++
        this.lookAfter = true
        this.world.onRetry(error, tries)
        this.world.observer?.retried(this.at, this.feed.topic.table, error, tries)
      },
    })
  }
}
