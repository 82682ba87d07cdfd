/**
 * Distinct values per key: one list of the 64 most recently seen values for all windows.
 * Block per key (int32): number of values, room, then pairs (murmur2 of the value, last-seen second).
 */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'
import { murmur2 } from '../hash.ts'
import { type Aggregate, type KeyLines, numberColumn, type PaneWindow } from './aggregate.ts'
import { Slab } from './slab.ts'

/** Beyond this the list forgets the smallest (second, hash): a count of 64 means "64 or more". Bounds state per key. */
const LIST = 64
/** Words in front of the pairs. */
const HEAD = 2
/** A first block has 64 bytes: seven pairs. */
const FIRST = 16
const FIRST_PAIRS = (FIRST - HEAD) / 2
/** Differences of seconds below this, less a window's length, are exact in 32 bits: 63 years. */
const WRAP = 2_000_000_000
/** Rows whose blocks are touched ahead of their update. */
const AHEAD = 256

export class DistinctList implements Aggregate {
  readonly features
  private readonly of: string
  private readonly time: string
  /** Seconds of each window, filled up with empty ones to a multiple of four. */
  private readonly limits: Int32Array
  private readonly slab = new Slab((words) => new Int32Array(words))
  /** Start of each key's block, at id * stride + at; 0: it has none. */
  private places = new Int32Array(0)
  private stride = 1
  private at = 0
  /** Of all seconds in the lists, and of the rows that looked into them. */
  private earliest = Infinity
  private latest = -Infinity
  /** Keeps the look-ahead pass from being optimised away. */
  touched = 0

  constructor(name: string, of: string, time: string, windows: readonly PaneWindow[]) {
    this.of = of
    this.time = time
    this.features = windows.map((w) => ({ name: name + w.name, windowMs: w.paneMs * w.panes }))
    this.limits = new Int32Array(Math.ceil(windows.length / 4) * 4)
    windows.forEach(({ paneMs, panes }, w) => (this.limits[w] = Math.ceil((paneMs * panes) / 1000)))
  }

  grow(_capacity: number, lines: KeyLines, at: number): void {
    this.places = lines.words
    this.stride = lines.stride
    this.at = at
  }

  private place(id: number): number {
    return this.places[id * this.stride + this.at]
  }

  feed(batch: Batch, ids: Int32Array): void {
    const out = this.features.map((f) => numberColumn(batch, f.name))
    for (let from = 0; from < batch.count; from += AHEAD) {
      const to = Math.min(batch.count, from + AHEAD)
      this.lookAhead(batch.selection, ids, from, to)
      this.feedRows(batch, from, to, ids, out)
    }
  }

  /** Touches the rows' blocks, so that cache misses of different rows overlap: the first lines, then those behind them. */
  private lookAhead(selection: Int32Array, ids: Int32Array, from: number, to: number): void {
    const { places, slab, stride, at: own } = this
    let touched = 0
    for (let i = from; i < to; i++) if (places[ids[selection[i]] * stride + own] === 0) this.begin(ids[selection[i]])
    const { words } = slab
    for (let i = from; i < to; i++) touched += words[places[ids[selection[i]] * stride + own]]
    for (let i = from; i < to; i++) {
      const base = places[ids[selection[i]] * stride + own]
      if (words[base] > FIRST_PAIRS) touched += words[base + FIRST]
    }
    this.touched = touched
  }

  private feedRows(batch: Batch, from: number, to: number, ids: Int32Array, out: readonly Float64Array[]): void {
    const { places, stride, at: own } = this
    const { selection } = batch
    const { bytes, offsets, lengths } = batch.text(this.of)
    const time = batch.number(this.time)
    for (let i = from; i < to; i++) {
      const row = selection[i]
      const second = Math.floor(time[row] / 1000)
      if (second < this.earliest) this.earliest = second
      if (second > this.latest) this.latest = second
      if (lengths[row] >= 0) this.see(ids[row], murmur2(bytes, offsets[row], lengths[row]), second)
      if (this.latest - this.earliest < WRAP) this.count(places[ids[row] * stride + own], second, row, out)
      else this.countWide(places[ids[row] * stride + own], second, row, out)
    }
  }

  /** Values per window, four windows at a time and without a branch: which values a window holds is never foreseen. */
  private count(base: number, second: number, row: number, out: readonly Float64Array[]): void {
    const { words } = this.slab
    const { limits } = this
    const end = base + HEAD + words[base] * 2
    for (let w = 0; w < out.length; w += 4) {
      const [s0, s1, s2, s3] = [limits[w], limits[w + 1], limits[w + 2], limits[w + 3]]
      let [c0, c1, c2, c3] = [0, 0, 0, 0]
      for (let at = base + HEAD + 1; at < end; at += 2) {
        const age = (second - words[at]) | 0
        c0 += (age - s0) >>> 31
        c1 += (age - s1) >>> 31
        c2 += (age - s2) >>> 31
        c3 += (age - s3) >>> 31
      }
      out[w][row] = c0
      if (w + 1 < out.length) out[w + 1][row] = c1
      if (w + 2 < out.length) out[w + 2][row] = c2
      if (w + 3 < out.length) out[w + 3][row] = c3
    }
  }

  /** The same for times so far apart that their difference in seconds does not fit 32 bits. */
  private countWide(base: number, second: number, row: number, out: readonly Float64Array[]): void {
    const { words } = this.slab
    const end = base + HEAD + words[base] * 2
    for (let w = 0; w < out.length; w++) {
      let count = 0
      for (let at = base + HEAD + 1; at < end; at += 2) if (second - (words[at] >>> 0) < this.limits[w]) count++
      out[w][row] = count
    }
  }

  private see(id: number, hash: number, second: number): void {
    let { words } = this.slab
    let base = this.place(id)
    const size = words[base]
    const end = base + HEAD + size * 2
    for (let at = base + HEAD; at < end; at += 2) {
      if (words[at] !== hash) continue
      if (second > words[at + 1] >>> 0) words[at + 1] = second
      return
    }
    if (size < LIST) {
      if (size === words[base + 1]) {
        this.widen(id)
        words = this.slab.words
        base = this.place(id)
      }
      words[base + HEAD + size * 2] = hash
      words[base + HEAD + size * 2 + 1] = second
      words[base] = size + 1
      return
    }
    let smallest = base + HEAD
    for (let at = smallest + 2; at < end; at += 2) if (before(words, at, smallest)) smallest = at
    const oldest = words[smallest + 1] >>> 0
    if (second < oldest || (second === oldest && hash < words[smallest])) return
    words[smallest] = hash
    words[smallest + 1] = second
  }

  private begin(id: number): void {
    const base = this.slab.take(FIRST)
    this.slab.words[base + 1] = FIRST_PAIRS
    this.places[id * this.stride + this.at] = base
  }

  /** Doubles the block of a key. */
  private widen(id: number): void {
    const from = this.place(id)
    const size = HEAD + this.slab.words[from + 1] * 2
    // 7, 15, 31 pairs, then the whole list.
    const larger = size < 64 ? size * 2 : this.slab.sizeFor(HEAD + LIST * 2)
    const to = this.slab.take(larger)
    const { words } = this.slab
    words.copyWithin(to, from, from + size)
    words[to + 1] = (larger - HEAD) / 2
    this.places[id * this.stride + this.at] = to
    this.slab.give(from, size)
  }

  encode(id: number, writer: ByteWriter): void {
    const { words } = this.slab
    const base = this.place(id)
    const size = base === 0 ? 0 : words[base]
    writer.varint(size)
    for (let k = 0; k < size; k++) {
      writer.int32(words[base + HEAD + k * 2])
      writer.int32(words[base + HEAD + k * 2 + 1])
    }
  }

  decode(id: number, reader: ByteReader): void {
    if (this.place(id) === 0) this.begin(id)
    const size = reader.varint()
    while (size > this.slab.words[this.place(id) + 1]) this.widen(id)
    const { words } = this.slab
    const base = this.place(id)
    words[base] = size
    for (let k = 0; k < size; k++) {
      words[base + HEAD + k * 2] = reader.int32()
      const second = (words[base + HEAD + k * 2 + 1] = reader.int32()) >>> 0
      if (second < this.earliest) this.earliest = second
      if (second > this.latest) this.latest = second
    }
  }
}

const before = (words: Int32Array, a: number, b: number): boolean => {
  const left = words[a + 1] >>> 0
  const right = words[b + 1] >>> 0
  return left < right || (left === right && words[a] < words[b])
}
