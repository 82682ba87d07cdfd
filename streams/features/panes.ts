/**
 * Counts or sums per key over windows of panes, stopping at 2^53. Most panes of most keys are empty, so a key has a block
 * with a short ring of filled panes per window: some cache lines instead of a record with room for every pane (1.1 KB),
 * of which an event would touch a line per window.
 *
 * Block (float64): per window the total, then two int32 in one word (see HEAD and RING); then the rings of pairs
 * (pane number, value), panes ascending. A total that has passed 2^53 is NaN: it is added up anew from the panes until
 * it is exact again.
 */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'
import {
  type Aggregate,
  codeColumn,
  type KeyLines,
  numberColumn,
  type PaneNumbers,
  type PaneWindow,
} from './aggregate.ts'
import { Slab } from './slab.ts'

const LIMIT = 2 ** 53
/** Rows whose blocks are touched ahead of their update: some hundred kilobytes, less than a core's own cache. */
const AHEAD = 256
/** Pairs that a ring has room for at first. */
const FIRST = 2
/** First int32 of a window: index of the oldest pair, number of pairs * 2^8. */
const head = (word: number): number => word & 255
const size = (word: number): number => word >> 8
/** Second int32: capacity - 1, start of the ring in the block * 2^8. */
const mask = (word: number): number => word & 255
const ring = (word: number): number => word >> 8

export interface Summed {
  /** Number column that is added up; without it rows are counted. */
  readonly of: string
  /** Code column that says whether one of the windows reached 2^53. */
  readonly saturated: string
}

export class PaneLists implements Aggregate {
  readonly features
  private readonly windows: readonly PaneWindow[]
  private readonly summed: Summed | null
  private readonly slab = new Slab((words) => new Float64Array(words))
  private words = this.slab.words
  private ints = new Int32Array(this.words.buffer)
  /** Start of each key's block, at id * stride + at; 0: it has none. */
  private places = new Int32Array(0)
  private stride = 1
  private at = 0
  /** Scratch: the blocks of the rows that are looked ahead. */
  private readonly bases = new Int32Array(AHEAD)
  /** Scratch: the ring capacities of the block that is being made. */
  private readonly capacities: Int32Array
  /** Keeps the look-ahead pass from being optimised away. */
  touched = 0

  constructor(name: string, windows: readonly PaneWindow[], summed: Summed | null = null) {
    this.windows = windows
    this.summed = summed
    this.capacities = new Int32Array(windows.length)
    this.features = windows.map((w) => ({ name: name + w.name, windowMs: w.paneMs * w.panes }))
    if (windows.some(({ panes }) => panes > 256)) throw new Error(`'${name}': a window has at most 256 panes`)
  }

  grow(_capacity: number, lines: KeyLines, at: number): void {
    this.places = lines.words
    this.stride = lines.stride
    this.at = at
  }

  private place(id: number): number {
    return this.places[id * this.stride + this.at]
  }

  feed(batch: Batch, ids: Int32Array, panes: PaneNumbers): void {
    const { count, selection } = batch
    const amounts = this.summed === null ? null : batch.number(this.summed.of)
    const saturated = this.summed === null ? null : codeColumn(batch, this.summed.saturated)
    if (saturated !== null) for (let i = 0; i < count; i++) saturated[selection[i]] = 0
    for (let from = 0; from < count; from += AHEAD) {
      const to = Math.min(count, from + AHEAD)
      this.lookAhead(selection, ids, from, to)
      for (let w = 0; w < this.windows.length; w++) {
        this.feedWindow(batch, from, to, ids, panes.index[w], w, amounts, saturated)
      }
    }
  }

  /** Touches the header and the newest pairs of the rows' blocks, so that cache misses of different rows overlap. */
  private lookAhead(selection: Int32Array, ids: Int32Array, from: number, to: number): void {
    const { places, windows, stride, at: own, bases } = this
    for (let i = from; i < to; i++) if (places[ids[selection[i]] * stride + own] === 0) this.begin(ids[selection[i]])
    const { words, ints } = this
    let touched = 0
    for (let i = from; i < to; i++) {
      const base = places[ids[selection[i]] * stride + own]
      bases[i - from] = base
      touched += ints[(base + 1) * 2]
    }
    for (let w = 0; w < windows.length; w++) {
      for (let i = 0; i < to - from; i++) {
        const at = (bases[i] + w * 2 + 1) * 2
        const last = head(ints[at]) + size(ints[at]) - 1
        touched += words[bases[i] + ring(ints[at + 1]) + (last & mask(ints[at + 1])) * 2]
      }
    }
    this.touched = touched
  }

  private feedWindow(
    batch: Batch,
    from: number,
    to: number,
    ids: Int32Array,
    index: Float64Array,
    w: number,
    amounts: Float64Array | null,
    saturated: Uint8Array | null,
  ): void {
    const { places, stride, at: own } = this
    const { selection } = batch
    const { panes } = this.windows[w]
    const out = numberColumn(batch, this.features[w].name)
    let { words, ints } = this
    for (let i = from; i < to; i++) {
      const row = selection[i]
      const pane = index[row]
      const amount = amounts === null ? 1 : amounts[row]
      const total = places[ids[row] * stride + own] + w * 2
      const at = (total + 1) * 2
      let first = head(ints[at])
      let filled = size(ints[at])
      const last = mask(ints[at + 1])
      const start = total - w * 2 + ring(ints[at + 1])
      const newest = start + ((first + filled - 1) & last) * 2
      if (filled > 0 && pane < words[newest]) {
        out[row] = this.feedOlder(ids[row], w, pane, amount)
        words = this.words
        ints = this.ints
        if (saturated !== null && out[row] >= LIMIT) saturated[row] = 1
        continue
      }
      let sum = words[total]
      if (filled > 0 && pane === words[newest]) {
        const value = words[newest + 1] + amount
        words[newest + 1] = value < LIMIT ? value : LIMIT
      } else {
        while (filled > 0 && words[start + first * 2] <= pane - panes) {
          sum -= words[start + first * 2 + 1]
          first = (first + 1) & last
          filled--
        }
        ints[at] = first | (filled << 8)
        if (filled > last) {
          words[total] = sum
          this.insert(ids[row], w, filled, pane, amount)
          words = this.words
          ints = this.ints
          sum += amount
          words[places[ids[row] * stride + own] + w * 2] = sum < LIMIT ? sum : NaN
          out[row] = this.read(ids[row], w, saturated, row)
          continue
        }
        const to = start + ((first + filled) & last) * 2
        words[to] = pane
        words[to + 1] = amount < LIMIT ? amount : LIMIT
        ints[at] = first | ((filled + 1) << 8)
      }
      sum += amount
      if (sum < LIMIT) {
        words[total] = sum
        out[row] = sum
      } else {
        words[total] = NaN
        out[row] = this.read(ids[row], w, saturated, row)
      }
    }
  }

  /** The total at the newest pane; one that was lost beyond 2^53 is added up anew. */
  private read(id: number, w: number, saturated: Uint8Array | null, row: number): number {
    const { words } = this
    const total = this.place(id) + w * 2
    if (words[total] === words[total]) return words[total]
    const sum = this.held(id, w, Infinity)
    if (sum < LIMIT) words[total] = sum
    else if (saturated !== null) saturated[row] = 1
    return sum
  }

  /** A row of an older pane than the newest: it counts where it belongs, if that is held, and sees what lies before it. */
  private feedOlder(id: number, w: number, pane: number, amount: number): number {
    const { panes } = this.windows[w]
    const filled = this.filled(id, w)
    if (pane > this.words[this.pair(id, w, filled - 1)] - panes) {
      let i = filled
      while (i > 0 && this.words[this.pair(id, w, i - 1)] > pane) i--
      const at = i > 0 ? this.pair(id, w, i - 1) : -1
      if (at >= 0 && this.words[at] === pane) this.words[at + 1] = Math.min(this.words[at + 1] + amount, LIMIT)
      else this.insert(id, w, i, pane, amount)
      const total = this.place(id) + w * 2
      const sum = this.words[total] + amount
      this.words[total] = sum < LIMIT ? sum : NaN
    }
    return this.held(id, w, pane)
  }

  /** Sum of the held panes in (pane - panes, pane], at most 2^53; Infinity: of all that are held. */
  private held(id: number, w: number, pane: number): number {
    const { words } = this
    const { panes } = this.windows[w]
    const filled = this.filled(id, w)
    let sum = 0
    for (let i = 0; i < filled && sum < LIMIT; i++) {
      const at = this.pair(id, w, i)
      if (words[at] > pane) break
      if (pane === Infinity || words[at] > pane - panes) sum += words[at + 1]
    }
    return Math.min(sum, LIMIT)
  }

  private filled(id: number, w: number): number {
    return size(this.ints[(this.place(id) + w * 2 + 1) * 2])
  }

  /** Where pair `i` of a window stands, the oldest being 0. */
  private pair(id: number, w: number, i: number): number {
    const base = this.place(id)
    const at = (base + w * 2 + 1) * 2
    return base + ring(this.ints[at + 1]) + ((head(this.ints[at]) + i) & mask(this.ints[at + 1])) * 2
  }

  /** Puts a pair in front of pair `i`. */
  private insert(id: number, w: number, i: number, pane: number, value: number): void {
    const filled = this.filled(id, w)
    if (filled > mask(this.ints[(this.place(id) + w * 2 + 1) * 2 + 1])) this.widen(id, w)
    for (let k = filled; k > i; k--) {
      const [from, to] = [this.pair(id, w, k - 1), this.pair(id, w, k)]
      this.words[to] = this.words[from]
      this.words[to + 1] = this.words[from + 1]
    }
    const at = this.pair(id, w, i)
    this.words[at] = pane
    this.words[at + 1] = Math.min(value, LIMIT)
    this.ints[(this.place(id) + w * 2 + 1) * 2] += 1 << 8
  }

  private begin(id: number): void {
    this.capacities.fill(FIRST)
    this.places[id * this.stride + this.at] = this.takeBlock()
  }

  /** A block whose rings have `capacities` (powers of two). */
  private takeBlock(): number {
    const { capacities } = this
    const base = this.slab.take(this.blockSize())
    if (this.words !== this.slab.words) {
      this.words = this.slab.words
      this.ints = new Int32Array(this.words.buffer)
    }
    let start = capacities.length * 2
    for (let w = 0; w < capacities.length; w++) {
      this.ints[(base + w * 2 + 1) * 2 + 1] = (capacities[w] - 1) | (start << 8)
      start += capacities[w] * 2
    }
    return base
  }

  /** Words of a block with rings of `capacities`. */
  private blockSize(): number {
    const { capacities } = this
    let words = capacities.length * 2
    for (let w = 0; w < capacities.length; w++) words += capacities[w] * 2
    return this.slab.sizeFor(words)
  }

  /** Doubles the room of one window: the key moves into another block. */
  private widen(id: number, widened: number): void {
    const from = this.place(id)
    const { capacities } = this
    for (let w = 0; w < capacities.length; w++) capacities[w] = mask(this.ints[(from + w * 2 + 1) * 2 + 1]) + 1
    const given = this.blockSize()
    capacities[widened] *= 2
    const to = this.takeBlock()
    const { words, ints } = this
    for (let w = 0; w < capacities.length; w++) {
      const at = (from + w * 2 + 1) * 2
      const filled = size(ints[at])
      const last = mask(ints[at + 1])
      const pairs = from + ring(ints[at + 1])
      const written = to + ring(ints[(to + w * 2 + 1) * 2 + 1])
      words[to + w * 2] = words[from + w * 2]
      ints[(to + w * 2 + 1) * 2] = filled << 8
      for (let i = 0; i < filled; i++) {
        const pair = pairs + ((head(ints[at]) + i) & last) * 2
        words[written + i * 2] = words[pair]
        words[written + i * 2 + 1] = words[pair + 1]
      }
    }
    this.places[id * this.stride + this.at] = to
    this.slab.give(from, given)
  }

  /** Per window: newest pane, number of panes with a value, then of each its number modulo the window's and its value. */
  encode(id: number, writer: ByteWriter): void {
    const { words } = this
    for (let w = 0; w < this.windows.length; w++) {
      const { panes } = this.windows[w]
      const filled = this.place(id) === 0 ? 0 : this.filled(id, w)
      const newest = filled === 0 ? 0 : words[this.pair(id, w, filled - 1)]
      writer.varint(newest)
      let some = 0
      for (let i = 0; i < filled; i++) if (words[this.pair(id, w, i) + 1] !== 0) some++
      writer.varint(some)
      // Ascending numbers: those that began again at 0 last are the newest panes, and come first.
      // Not %: of doubles it is a call. Exact as in numberPanes.
      const turn = Math.floor(newest / panes) * panes
      let later = 0
      while (later < filled && words[this.pair(id, w, later)] < turn) later++
      for (let k = 0; k < filled; k++) {
        const at = this.pair(id, w, later + k < filled ? later + k : later + k - filled)
        if (words[at + 1] === 0) continue
        writer.varint(words[at] - (words[at] < turn ? turn - panes : turn))
        writer.varint(words[at + 1])
      }
    }
  }

  decode(id: number, reader: ByteReader): void {
    if (this.place(id) === 0) this.begin(id)
    for (let w = 0; w < this.windows.length; w++) {
      const { panes } = this.windows[w]
      const newest = reader.varint()
      const some = Array.from({ length: reader.varint() }, () => {
        const slot = reader.varint()
        // The last pane up to the newest that has this number.
        const pane = newest - ((((newest - slot) % panes) + panes) % panes)
        return [pane, reader.varint()]
      }).sort(([a], [b]) => a - b)
      if (newest > 0 && some.at(-1)?.[0] !== newest) some.push([newest, 0])
      let total = 0
      some.forEach(([pane, value], i) => {
        this.insert(id, w, i, pane, value)
        total += value
      })
      this.words[this.place(id) + w * 2] = total < LIMIT ? total : NaN
    }
  }
}
