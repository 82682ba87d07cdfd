/**
 * Distinct values per key: one list of the 64 most recently seen values for all windows.
 * Block per key (int32): number of values, room, then pairs (murmur2 of the value, last-seen second).
 */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'
import { murmur2 } from '../hash.ts'
import { type Aggregate, numberColumn, type PaneWindow } from './aggregate.ts'
import { Slab } from './slab.ts'

/** Beyond this the list forgets the smallest (second, hash): a count of 64 means "64 or more". Bounds state per key. */
const LIST = 64
/** Words in front of the pairs. */
const HEAD = 2
/** A first block has 64 bytes: seven pairs. */
const FIRST = 16
/** Rows whose blocks are touched ahead of their update. */
const AHEAD = 256

export class DistinctList implements Aggregate {
  readonly features
  private readonly of: string
  private readonly time: string
  private readonly seconds: Float64Array
  private readonly counts: Int32Array
  private readonly slab = new Slab((words) => new Int32Array(words))
  /** Start of each key's block; 0: it has none. */
  private places = new Int32Array(0)
  /** Keeps the look-ahead pass from being optimised away. */
  touched = 0

  constructor(name: string, of: string, time: string, windows: readonly PaneWindow[]) {
    this.of = of
    this.time = time
    this.features = windows.map((w) => ({ name: name + w.name, windowMs: w.paneMs * w.panes }))
    this.seconds = Float64Array.from(windows, (w) => (w.paneMs * w.panes) / 1000)
    this.counts = new Int32Array(windows.length)
    if (this.seconds.some((seconds, w) => w > 0 && seconds < this.seconds[w - 1])) {
      throw new Error(`'${name}': windows are listed from the shortest to the longest`)
    }
  }

  grow(capacity: number): void {
    const places = new Int32Array(capacity)
    places.set(this.places)
    this.places = places
  }

  feed(batch: Batch, ids: Int32Array): void {
    const out = this.features.map((f) => numberColumn(batch, f.name))
    for (let from = 0; from < batch.count; from += AHEAD) {
      const to = Math.min(batch.count, from + AHEAD)
      this.lookAhead(batch.selection, ids, from, to)
      this.feedRows(batch, from, to, ids, out)
    }
  }

  /** Touches the first two lines of the rows' blocks, so that cache misses of different rows overlap. */
  private lookAhead(selection: Int32Array, ids: Int32Array, from: number, to: number): void {
    const { places, slab } = this
    for (let i = from; i < to; i++) if (places[ids[selection[i]]] === 0) this.begin(ids[selection[i]])
    const { words } = slab
    let touched = 0
    for (let i = from; i < to; i++) touched += words[places[ids[selection[i]]]] + words[places[ids[selection[i]]] + 16]
    this.touched = touched
  }

  private feedRows(batch: Batch, from: number, to: number, ids: Int32Array, out: readonly Float64Array[]): void {
    const { counts, seconds, places } = this
    const { selection } = batch
    const { bytes, offsets, lengths } = batch.text(this.of)
    const time = batch.number(this.time)
    const windows = out.length
    for (let i = from; i < to; i++) {
      const row = selection[i]
      const second = Math.floor(time[row] / 1000)
      if (lengths[row] >= 0) this.see(ids[row], murmur2(bytes, offsets[row], lengths[row]), second)
      const { words } = this.slab
      const base = places[ids[row]]
      counts.fill(0)
      // Every value counts in the shortest window that holds it; the longer ones hold it too.
      const end = base + HEAD + words[base] * 2
      for (let at = base + HEAD + 1; at < end; at += 2) {
        const age = second - (words[at] >>> 0)
        for (let w = 0; w < windows; w++) {
          if (age >= seconds[w]) continue
          counts[w]++
          break
        }
      }
      let sum = 0
      for (let w = 0; w < windows; w++) out[w][row] = sum += counts[w]
    }
  }

  private see(id: number, hash: number, second: number): void {
    let { words } = this.slab
    let base = this.places[id]
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
        base = this.places[id]
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
    this.slab.words[base + 1] = (FIRST - HEAD) / 2
    this.places[id] = base
  }

  /** Doubles the block of a key. */
  private widen(id: number): void {
    const from = this.places[id]
    const size = HEAD + this.slab.words[from + 1] * 2
    // 7, 15, 31 pairs, then the whole list.
    const larger = size < 64 ? size * 2 : this.slab.sizeFor(HEAD + LIST * 2)
    const to = this.slab.take(larger)
    const { words } = this.slab
    words.copyWithin(to, from, from + size)
    words[to + 1] = (larger - HEAD) / 2
    this.places[id] = to
    this.slab.give(from, size)
  }

  encode(id: number, writer: ByteWriter): void {
    const { words } = this.slab
    const base = this.places[id]
    const size = base === 0 ? 0 : words[base]
    writer.varint(size)
    for (let k = 0; k < size; k++) {
      writer.int32(words[base + HEAD + k * 2])
      writer.int32(words[base + HEAD + k * 2 + 1])
    }
  }

  decode(id: number, reader: ByteReader): void {
    if (this.places[id] === 0) this.begin(id)
    const size = reader.varint()
    while (size > this.slab.words[this.places[id] + 1]) this.widen(id)
    const { words } = this.slab
    const base = this.places[id]
    words[base] = size
    for (let k = 0; k < size * 2; k++) words[base + HEAD + k] = reader.int32()
  }
}

const before = (words: Int32Array, a: number, b: number): boolean => {
  const left = words[a + 1] >>> 0
  const right = words[b + 1] >>> 0
  return left < right || (left === right && words[a] < words[b])
}
