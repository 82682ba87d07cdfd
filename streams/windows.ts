/**
 * windows: counts and sums per key over tumbling and hopping windows of event time, with Kafka Streams' boundaries.
 *
 * W1  Windows are [s, s + size), s a multiple of the advance and not below 0. One is open for a row while its end is past
 *     stream time - grace; stream time is moved by the row before it is judged.
 * W2  A row counts in every open window that holds its time, and sees the one that began first: of those it is in, the one
 *     that has seen most. In none: it does not count, and its column is NaN.
 * W3  A window is a run of panes as long as the advance. A row is added to its pane alone; a window that is open now was
 *     open when any row of its panes came, so the sum of its panes is what was counted in it.
 */

import type { TaskState } from './backend.ts'
import type { Batch, Frame } from './batch.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { numberColumn } from './features/aggregate.ts'
import { KeyedRows } from './keyed-rows.ts'
import type { OperatorSpec } from './operator.ts'
import type { DeltaBuilder, Missing, Store } from './store.ts'

export interface EventWindow {
  /** Column that says what the window holds, this row included. */
  readonly name: string
  readonly sizeMs: number
  /** Divides the size; equal to it: tumbling. */
  readonly advanceMs: number
  readonly graceMs: number
  /** Number column that is added up, stopping at 2^53; without it rows are counted. */
  readonly sum?: string
}

export interface Windows {
  /** Text column. */
  readonly key: string
  readonly time: string
  readonly windows: readonly EventWindow[]
}

const LIMIT = 2 ** 53
/** Rows whose panes are touched ahead of their update, so that cache misses of different rows overlap. */
const AHEAD = 256
/** Slots per key that a ring begins with at most: a kilobyte. */
const MAX_FIRST = 64
/** More panes per key than any window should need: what is asserted before a ring grows. */
const MAX_SLOTS = 4096

export function windows(name: string, spec: Windows): OperatorSpec {
  const sums = spec.windows.flatMap(({ sum }) => (sum === undefined ? [] : [sum]))
  for (const { name: column, sizeMs, advanceMs } of spec.windows) {
    if (sizeMs % advanceMs !== 0)
      throw new Error(`windows '${name}': ${column} is no whole number of its advances long`)
  }
  return {
    word: 'windows',
    name,
    needs: [spec.key, spec.time, ...sums],
    adds: spec.windows.map((window) => window.name),
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'batch',
    create(context) {
      const store = new WindowStore(name, spec)
      context.stores.set(name, store)
      return {
        process(input, emit) {
          store.feed(input as Batch)
          emit('out', input)
        },
      }
    },
  }
}

export class WindowStore implements Store {
  readonly name: string
  private readonly time: string
  private readonly rings: readonly Ring[]
  private readonly rows: KeyedRows
  private streamTime = 0

  constructor(name: string, spec: Windows) {
    this.name = name
    this.time = spec.time
    this.rings = spec.windows.map((window) => new Ring(window))
    const writer = new ByteWriter()
    this.rows = new KeyedRows(name, spec.key, {
      grow: (capacity) => this.rings.forEach((ring) => ring.grow(capacity)),
      encode: (id) => {
        for (const ring of this.rings) ring.encode(id, this.streamTime, writer)
        return writer.take()
      },
      decode: (id, value) => {
        const reader = new ByteReader(value)
        for (const ring of this.rings) ring.decode(id, reader, this.streamTime)
      },
    })
  }

  load(state: TaskState): Promise<void> {
    this.rows.load(state)
    return Promise.resolve()
  }

  missing(frame: Frame, from: number, to: number): Missing | null {
    return this.rows.missing(frame, from, to)
  }

  feed(batch: Batch): void {
    const { rows } = this
    const { selection, count } = batch
    const time = batch.number(this.time)
    for (let i = 0; i < count; i++) rows.mark(rows.ids[selection[i]])
    for (const ring of this.rings) ring.feed(batch, rows.ids, time)
  }

  advance(streamTime: number): void {
    this.streamTime = streamTime
  }

  save(delta: DeltaBuilder): void {
    this.rows.save(delta)
  }

  get dirtyEntries(): number {
    return this.rows.changes
  }
}

/**
 * The panes of every key for one window: per key a ring of pairs (pane number, value), at pane modulo the ring's size. A
 * pair whose pane no open window needs is free; where two that are needed meet, all rings become twice as long.
 */
class Ring {
  private readonly window: EventWindow
  private readonly panes: number
  private slots: number
  private capacity = 0
  private words = new Float64Array(0)
  /** Keeps the look-ahead pass from being optimised away. */
  touched = 0

  constructor(window: EventWindow) {
    this.window = window
    this.panes = window.sizeMs / window.advanceMs
    // What lies between the oldest open window and stream time; more than some is made only when it is needed.
    const needed = Math.min(MAX_FIRST, this.panes + Math.ceil(window.graceMs / window.advanceMs))
    this.slots = 1
    while (this.slots < needed) this.slots *= 2
  }

  grow(capacity: number): void {
    const words = new Float64Array(capacity * this.slots * 2)
    words.fill(-1, this.words.length)
    words.set(this.words)
    this.words = words
    this.capacity = capacity
  }

  feed(batch: Batch, ids: Int32Array, time: Float64Array): void {
    const out = numberColumn(batch, this.window.name)
    const amounts = this.window.sum === undefined ? null : batch.number(this.window.sum)
    const { selection, count } = batch
    const { streamTime } = batch.frame
    const { advanceMs } = this.window
    for (let from = 0; from < count; from += AHEAD) {
      const to = Math.min(count, from + AHEAD)
      const { words, slots } = this
      let touched = 0
      for (let i = from; i < to; i++) {
        const row = selection[i]
        touched += words[(ids[row] * slots + (Math.floor(time[row] / advanceMs) & (slots - 1))) * 2]
      }
      this.touched = touched
      for (let i = from; i < to; i++) {
        const row = selection[i]
        out[row] = this.one(ids[row], time[row], streamTime[row], amounts === null ? 1 : amounts[row])
      }
    }
  }

  /** Number of the first pane that an open window has at this stream time. */
  private firstOpen(streamTime: number): number {
    const { sizeMs, advanceMs, graceMs } = this.window
    return Math.max(0, Math.floor((streamTime - graceMs - sizeMs) / advanceMs) + 1)
  }

  private one(id: number, time: number, streamTime: number, amount: number): number {
    const { advanceMs } = this.window
    const pane = Math.floor(time / advanceMs)
    const open = this.firstOpen(streamTime)
    const first = Math.max(pane - this.panes + 1, open)
    if (first > pane) return NaN
    this.add(id, pane, amount, open)
    const { words, slots, panes } = this
    const base = id * slots
    let sum = 0
    for (let p = first; p < first + panes; p++) {
      const at = (base + (p & (slots - 1))) * 2
      if (words[at] === p) sum += words[at + 1]
    }
    return sum < LIMIT ? sum : LIMIT
  }

  private add(id: number, pane: number, amount: number, open: number): void {
    for (;;) {
      const at = (id * this.slots + (pane & (this.slots - 1))) * 2
      const found = this.words[at]
      if (found === pane) {
        const value = this.words[at + 1] + amount
        this.words[at + 1] = value < LIMIT ? value : LIMIT
        return
      }
      if (found < open) {
        this.words[at] = pane
        this.words[at + 1] = amount < LIMIT ? amount : LIMIT
        return
      }
      this.widen()
    }
  }

  /** Doubles every ring: two panes that are needed have met, as where rows come long before or after stream time. */
  private widen(): void {
    const { words, slots, capacity } = this
    if (slots >= MAX_SLOTS) throw new Error(`window '${this.window.name}': more than ${MAX_SLOTS} panes of one key`)
    this.slots *= 2
    this.words = new Float64Array(0)
    this.grow(capacity)
    for (let at = 0; at < words.length; at += 2) {
      const pane = words[at]
      if (pane < 0) continue
      const id = Math.floor(at / 2 / slots)
      const to = (id * this.slots + (pane & (this.slots - 1))) * 2
      this.words[to] = pane
      this.words[to + 1] = words[at + 1]
    }
  }

  /** Number of panes that are needed, then of each its number beyond the first that may be and its value. */
  encode(id: number, streamTime: number, writer: ByteWriter): void {
    const { words, slots } = this
    const open = this.firstOpen(streamTime)
    let needed = 0
    for (let at = id * slots * 2; at < (id + 1) * slots * 2; at += 2) if (words[at] >= open) needed++
    writer.varint(needed)
    if (needed === 0) return
    writer.varint(open)
    for (let at = id * slots * 2; at < (id + 1) * slots * 2; at += 2) {
      if (words[at] < open) continue
      writer.varint(words[at] - open)
      writer.varint(words[at + 1])
    }
  }

  decode(id: number, reader: ByteReader, streamTime: number): void {
    const written = reader.varint()
    const from = written === 0 ? 0 : reader.varint()
    const open = this.firstOpen(streamTime)
    for (let i = 0; i < written; i++) {
      const pane = from + reader.varint()
      const value = reader.varint()
      // Stream time has gone on since it was written: what no window needs any more would be in the way.
      if (pane >= open) this.add(id, pane, value, open)
    }
  }
}
