/**
 * The ticker: time as records, written into every partition of the input topic.
 *
 * Owns the writer `ticker`. It is the only part besides the doors that reads a clock.
 *
 * T1  A tick goes into every partition in one commit.
 * T2  Ticks never go back: while the clock is not past the last tick in the log nothing is written, and it is said.
 * T3  A ticker that would jump ahead of one that lives by more than maxSkew is refused, before it has fenced the other.
 * T4  A dead ticker stalls time, it never corrupts it: nobody else makes ticks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock, Log, Writer } from '../streams/backend.ts'
import { newFrame, RecordBatchWriter, walk } from '../streams/records.ts'
import type { SchemaIds } from '../streams/schema-ids.ts'
import { tickOf, tickValue, type TickClock } from './wire.ts'

export interface TickerOptions {
  readonly log: Log
  readonly topic: string
  readonly clock: Clock
  /** WALL, or SIMULATED for a clock that is not the wall's. */
  readonly kind: Exclude<TickClock, 'FILES'>
  /** Between two ticks, milliseconds of the machine. */
  readonly everyMs: number
  /** Between two ticks while nothing else came into the topic; the same as everyMs when absent. */
  readonly idleEveryMs?: number
  readonly maxSkewMs: number
  /** Ids of the log's wire prefixes; default: the pinned ones. */
  readonly schemas?: SchemaIds
  /**
   * How long to watch for another ticker before taking over, milliseconds; 0 where the backend is locked to this process
   * (embedded). At least two idle intervals, else a living ticker is missed.
   */
  readonly watchMs?: number
  /** Told when the clock is behind the last tick (milliseconds), and with 0 when it is past it again. */
  readonly onStall?: (behindMs: number) => void
}

/** The clock does not fit to the log's. Operator: set this machine's clock (NTP), then start again. */
export class TickerError extends Error {
  readonly code: 'SLUICE_TICKER_AHEAD' | 'SLUICE_TICKER_BEHIND'
  constructor(code: TickerError['code'], message: string) {
    super(message)
    this.name = 'TickerError'
    this.code = code
  }
}

/** Instant of the last tick in one partition, found backwards from its end; null when there is none. */
async function lastTickIn(
  log: Log,
  topic: string,
  partition: number,
  ids: SchemaIds | undefined,
): Promise<number | null> {
  const at = { topic, partition }
  const { start, end } = await log.bounds(at)
  const frame = newFrame(1024)
  // An import ticks every 1,000 rows and a ticker every second, so the first step usually finds one.
  for (let before = end, step = 2_000; before > start; step *= 4) {
    const from = Math.max(start, before - step)
    let last: number | null = null
    for (let offset = from; offset < before;) {
      const { bytes, nextOffset } = await log.read(at, offset, 1 << 20, 0)
      if (nextOffset <= offset) break
      walk(bytes, offset, frame, `${topic}/${partition}`)
      for (let row = 0; row < frame.rows; row++) {
        if (frame.valueEnds[row] < 0) continue
        const tick = tickOf(bytes.subarray(frame.valueOffsets[row], frame.valueEnds[row]), ids)
        if (tick !== null && (last === null || tick > last)) last = tick
      }
      offset = nextOffset
    }
    if (last !== null) return last
    before = from
  }
  return null
}

/** Instant of the last tick in the log, over all partitions; null when there is none. */
export async function lastTick(log: Log, topic: string, ids?: SchemaIds): Promise<number | null> {
  const partitions = await log.partitions(topic)
  let last: number | null = null
  for (let partition = 0; partition < partitions; partition++) {
    const tick = await lastTickIn(log, topic, partition, ids)
    if (tick !== null && (last === null || tick > last)) last = tick
  }
  return last
}

/**
 * Refuses a clock that is ahead of a ticker that lives, whose last tick was at `since`. `allowedMs`: how old that tick may
 * be beside the skew. Errors: TickerError.
 */
export function aheadOf(now: number, since: number, { maxSkewMs }: TickerOptions, allowedMs: number): void {
  const ahead = now - since
  if (ahead <= maxSkewMs + allowedMs) return
  throw new TickerError(
    'SLUICE_TICKER_AHEAD',
    `This machine's clock is ${ahead} ms ahead of the ticker that runs (allowed: ${maxSkewMs} ms). Set the clock, then start again.`,
  )
}

export class Ticker {
  /** Instant of the last tick in the log; null before the first. */
  last: number | null
  /** Milliseconds that the clock is behind the last tick; 0 when it is not. */
  behindMs = 0
  private readonly options: TickerOptions
  private readonly partitions: number
  private writer: Writer | null
  private lastWritten = Number.NEGATIVE_INFINITY
  private endAfterTick = -1
  private readonly stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()

  private constructor(options: TickerOptions, partitions: number, writer: Writer, last: number | null) {
    this.options = options
    this.partitions = partitions
    this.writer = writer
    this.last = last
  }

  /** Compares clocks, takes over from the ticker before, and reads the last tick. Writes nothing. */
  static async open(options: TickerOptions): Promise<Ticker> {
    const { log, topic, clock, maxSkewMs, watchMs = 0, schemas } = options
    const before = await lastTick(log, topic, schemas)
    if (watchMs > 0) {
      await sleep(watchMs)
      const since = await lastTick(log, topic, schemas)
      // A newer tick after the wait: another ticker lives, and its last one is at most an interval old.
      const interval = Math.max(options.everyMs, options.idleEveryMs ?? 0)
      if (since !== null && since !== before) aheadOf(clock.now(), since, options, interval)
    }
    const writer = await log.writer('ticker')
    const last = await lastTick(log, topic, schemas)
    const behind = last === null ? 0 : last - clock.now()
    if (behind > maxSkewMs) {
      await writer.close()
      throw new TickerError(
        'SLUICE_TICKER_BEHIND',
        `The log's last tick is ${behind} ms ahead of this clock (allowed: ${maxSkewMs} ms). Set the clock, or wait; a log that was filled in simulated time or from files dated later goes on only there.`,
      )
    }
    return new Ticker(options, await log.partitions(topic), writer, last)
  }

  /** Starts ticking. `failed` gets the error that ended it: after it the ticker is stopped, and time stands still. */
  start(failed: (error: Error) => void): void {
    this.loop = this.run().catch((error: unknown) => failed(error instanceof Error ? error : new Error(String(error))))
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      if (await this.due()) await this.tick()
      await sleep(this.options.everyMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** While nothing but our ticks came in, a tick is due only every idleEveryMs. */
  private async due(): Promise<boolean> {
    const { everyMs, idleEveryMs = everyMs } = this.options
    if (idleEveryMs <= everyMs || performance.now() - this.lastWritten >= idleEveryMs - everyMs / 2) return true
    return (await this.endOfAll()) !== this.endAfterTick
  }

  private async endOfAll(): Promise<number> {
    let sum = 0
    for (let partition = 0; partition < this.partitions; partition++)
      sum += (await this.options.log.bounds({ topic: this.options.topic, partition })).end
    return sum
  }

  /** Writes one tick into every partition, or nothing when the clock is not past the last one. True when it wrote. */
  async tick(): Promise<boolean> {
    const { clock, kind, topic, onStall, schemas } = this.options
    if (this.writer === null) throw new Error('The ticker is closed.')
    const at = clock.now()
    const behindMs = this.last === null ? 0 : Math.max(0, this.last - at)
    // A step back of less than an interval is healed by the next tick: not worth a word.
    const stalled = behindMs > this.options.everyMs
    if (stalled !== this.behindMs > 0) onStall?.(stalled ? behindMs : 0)
    this.behindMs = stalled ? behindMs : 0
    if (this.last !== null && at <= this.last) return false
    const batch = new RecordBatchWriter(256)
    batch.begin(at)
    batch.append(at, null, 0, 0, tickValue(at, kind, schemas))
    const batches = batch.finish()
    // A copy for each partition: the log sets the base offset in place.
    const appends = Array.from({ length: this.partitions }, (_, partition) => ({
      topic,
      partition,
      batches: batches.slice(),
    }))
    await this.writer.commit({ appends, position: -1, metadata: JSON.stringify({ at, kind }) })
    this.last = at
    this.lastWritten = performance.now()
    this.endAfterTick = await this.endOfAll()
    return true
  }

  /** Ends after the tick that is under way. */
  async close(): Promise<void> {
    this.stopping.abort()
    await this.loop
    await this.writer?.close()
    this.writer = null
  }
}
