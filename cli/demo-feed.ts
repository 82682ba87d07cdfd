/** Payments for the demo: generated, in simulated time, with a simulated ticker; paced or as fast as the line takes them. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Generated } from '../intake/generator.ts'
import { transactionValue } from '../intake/wire.ts'
import { records, topics } from '../schemas/topics.ts'
import { objectCodec, wire } from '../streams/avro/object.ts'
import type { Append, Writer } from '../streams/backend.ts'
import { partitionOf } from '../streams/hash.ts'
import { RecordBatchWriter } from '../streams/records.ts'
import { pinnedIds } from '../streams/schema-ids.ts'
import type { Engine } from './engine.ts'

/** Simulated time between two ticks: when one watches, and when nobody does. */
const TICK_MS = 5_000
const UNPACED_TICK_MS = 60_000
/** Records of one commit when nothing paces it. */
const CHUNK = 4_000
/** Machine time between two commits of a paced demo: smooth to the eye. */
const FRAME_MS = 50

interface TickValue {
  readonly at: number
  readonly clock: 'SIMULATED'
  readonly closeThrough: number | null
}

export class DemoFeed {
  /** Simulated now, ms. */
  now: number
  payments = 0
  private readonly engine: Engine
  private readonly items: Iterator<Generated, void>
  private readonly start: number
  private readonly writers: RecordBatchWriter[]
  private readonly tickCodec = objectCodec<TickValue>(records.tick.schema)
  private readonly utf8 = new TextEncoder()
  private nextTick: number
  private tickMs = TICK_MS
  private maxTime = 0
  private chunk = 0
  private pending: Generated | null = null

  constructor(engine: Engine, items: Iterator<Generated, void>, start: number) {
    this.engine = engine
    this.items = items
    this.start = start
    this.now = start
    this.nextTick = start
    this.writers = Array.from({ length: engine.line.settings.partitions }, () => new RecordBatchWriter())
  }

  /** Feeds until the payments end or `stopped`; `speed` null: unpaced. Closes the last cycle when they end. */
  async run(speed: number | null, stopped: () => boolean): Promise<void> {
    if (speed === null) this.tickMs = UNPACED_TICK_MS
    const writer = await this.engine.line.backend.log.writer('demo')
    try {
      const began = performance.now()
      for (;;) {
        if (stopped()) return
        this.engine.raise()
        const until = speed === null ? Number.POSITIVE_INFINITY : this.start + (performance.now() - began) * speed
        const more = this.take(until)
        await this.commit(writer)
        if (!more) break
        if (speed === null) await this.engine.pace()
        else await sleep(FRAME_MS)
      }
      await this.close(writer, speed, stopped)
    } finally {
      await writer.close()
    }
  }

  /** Takes what has arrived by then, with the ticks between; false when there is nothing more to come. */
  private take(until: number): boolean {
    for (this.chunk = 0; this.chunk < CHUNK; this.chunk++) {
      this.pending ??= this.items.next().value ?? null
      const item = this.pending
      if (item === null) return false
      if (item.arrivedAt > until) {
        this.tickTo(until)
        return true
      }
      this.tickTo(item.arrivedAt)
      this.append(item)
      this.pending = null
    }
    return true
  }

  private append({ transaction, arrivedAt, made }: Generated): void {
    const { partitions } = this.engine.line.settings
    const key = this.utf8.encode(transaction.payerAccount)
    const batch = this.batch(partitionOf(key, 0, key.length, partitions), arrivedAt)
    batch.append(arrivedAt, key, 0, key.length, transactionValue(transaction, this.engine.line.schemas))
    if (made === 'payment') this.payments++
    this.maxTime = Math.max(this.maxTime, transaction.occurredAt)
  }

  private tickTo(time: number): void {
    this.now = Math.max(this.now, time)
    for (; this.nextTick <= time; this.nextTick += this.tickMs) this.tick(this.nextTick, null)
  }

  private tick(at: number, closeThrough: number | null): void {
    const value = wire(
      (this.engine.line.schemas ?? pinnedIds).idOf(records.tick),
      this.tickCodec.encode({ at, clock: 'SIMULATED', closeThrough }),
    )
    this.writers.forEach((_, partition) => this.batch(partition, at).append(at, null, 0, 0, value))
  }

  private batch(partition: number, time: number): RecordBatchWriter {
    const writer = this.writers[partition]
    if (writer.count === 0) writer.begin(time)
    return writer
  }

  private async commit(writer: Writer): Promise<void> {
    const appends: Append[] = []
    this.writers.forEach((batch, partition) => {
      if (batch.count === 0) return
      appends.push({ topic: topics.transactions.name, partition, batches: batch.finish() })
      batch.begin(0)
    })
    if (appends.length > 0) await writer.commit({ appends, position: 0, metadata: '' })
  }

  /** Lets the last cycle end in simulated time, then closes it. */
  private async close(writer: Writer, speed: number | null, stopped: () => boolean): Promise<void> {
    const { cycleMs } = this.engine.line.settings
    const end = Math.floor(this.maxTime / cycleMs) * cycleMs + cycleMs
    while (speed !== null && this.now < end && !stopped()) {
      await sleep(FRAME_MS)
      this.tickTo(Math.min(end, this.now + FRAME_MS * speed))
      await this.commit(writer)
    }
    if (stopped()) return
    this.tick(Math.max(end, this.now), end)
    await this.commit(writer)
  }
}
