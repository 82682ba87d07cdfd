/** A keyed window of six panes: one record of 128 bytes per key, key bytes and counters on two cache lines. */

const PANES = 6
/** Words (int32) and doubles of a record, and where in it its parts stand. */
const INTS = 32
const DOUBLES = 16
const NEWEST = 3
const SUM = 4
const LARGEST = 5
const SUMS = 7
const COUNT = 12
const COUNTS = 26
/** Byte that holds the key's length; the key stands before it. */
const KEY_LENGTH = 23

export class KeyedWindow {
  /** Per row of the batch, after `add`: count, sum and largest amount of its key's window. */
  readonly counts: Int32Array
  readonly sums: Float64Array
  readonly largest: Float64Array
  private readonly capacity: number
  private readonly paneMs: number
  private readonly mask: number
  private readonly slots: Int32Array
  private readonly bytes: Uint8Array
  private readonly doubles: Float64Array
  private readonly ints: Int32Array
  private readonly view: DataView
  private readonly hashes: Int32Array
  private readonly ids: Int32Array
  private size = 0
  /** Keeps the look-ahead passes from being optimised away. */
  touched = 0

  constructor(capacity: number, widthMs: number, rows: number) {
    this.capacity = capacity
    this.paneMs = widthMs / PANES
    let slots = 1
    while (slots < capacity * 2) slots *= 2
    this.mask = slots - 1
    this.slots = new Int32Array(slots * 2)
    const buffer = new ArrayBuffer((capacity + 1) * INTS * 4)
    this.bytes = new Uint8Array(buffer)
    this.doubles = new Float64Array(buffer)
    this.ints = new Int32Array(buffer)
    this.view = new DataView(buffer)
    this.hashes = new Int32Array(rows)
    this.ids = new Int32Array(rows)
    this.counts = new Int32Array(rows)
    this.sums = new Float64Array(rows)
    this.largest = new Float64Array(rows)
  }

  /** Murmur3 over 32-bit words of every row's key. */
  hash(bytes: Uint8Array, view: DataView, offsets: Int32Array, lengths: Int32Array, rows: number): void {
    const { hashes } = this
    for (let row = 0; row < rows; row++) {
      const offset = offsets[row]
      const length = lengths[row]
      let hash = 0x9747b28c ^ length
      let at = offset
      for (const end = offset + (length & ~3); at < end; at += 4) {
        let word = Math.imul(view.getInt32(at, true), 0xcc9e2d51)
        word = (word << 15) | (word >>> 17)
        hash ^= Math.imul(word, 0x1b873593)
        hash = (hash << 13) | (hash >>> 19)
        hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
      }
      let rest = 0
      for (; at < offset + length; at++) rest = (rest << 8) | bytes[at]
      hash ^= Math.imul(rest, 0xcc9e2d51)
      hash ^= hash >>> 16
      hash = Math.imul(hash, 0x85ebca6b)
      hash ^= hash >>> 13
      hash = Math.imul(hash, 0xc2b2ae35)
      hashes[row] = hash ^ (hash >>> 16)
    }
  }

  /** Finds or makes every row's record; slots and key lines are touched first, so that cache misses overlap. */
  find(bytes: Uint8Array, view: DataView, offsets: Int32Array, lengths: Int32Array, rows: number): void {
    const { hashes, ids, mask, slots, ints } = this
    let touched = 0
    for (let row = 0; row < rows; row++) touched ^= slots[((hashes[row] & mask) << 1) | 1]
    for (let row = 0; row < rows; row++) {
      touched ^= ints[(slots[((hashes[row] & mask) << 1) | 1] << 5) | 5]
    }
    this.touched = touched
    for (let row = 0; row < rows; row++) ids[row] = this.findOne(bytes, view, offsets[row], lengths[row], hashes[row])
  }

  private findOne(bytes: Uint8Array, view: DataView, offset: number, length: number, hash: number): number {
    const { slots, mask } = this
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[2 * slot + 1]
      if (id === 0) return this.make(slot, bytes, offset, length, hash)
      if (slots[2 * slot] === hash && this.isKey(id << 7, bytes, view, offset, length)) return id
    }
  }

  private isKey(record: number, bytes: Uint8Array, view: DataView, offset: number, length: number): boolean {
    if (this.bytes[record + KEY_LENGTH] !== length) return false
    let k = 0
    for (; k + 4 <= length; k += 4) {
      if (this.view.getInt32(record + k, true) !== view.getInt32(offset + k, true)) return false
    }
    while (k < length && this.bytes[record + k] === bytes[offset + k]) k++
    return k === length
  }

  private make(slot: number, bytes: Uint8Array, offset: number, length: number, hash: number): number {
    const id = ++this.size
    if (id > this.capacity) throw new Error('more keys than the yardstick has room for')
    this.slots[2 * slot] = hash
    this.slots[2 * slot + 1] = id
    for (let k = 0; k < length; k++) this.bytes[(id << 7) + k] = bytes[offset + k]
    this.bytes[(id << 7) + KEY_LENGTH] = length
    return id
  }

  /** Adds every row's amount to its window; the second line of each record is touched first. */
  add(times: Float64Array, amounts: Float64Array, rows: number): void {
    const { doubles, ints, ids, counts, sums, largest, paneMs } = this
    let touched = 0
    for (let row = 0; row < rows; row++) touched ^= ints[ids[row] * INTS + 28]
    this.touched = touched
    for (let row = 0; row < rows; row++) {
      const d = ids[row] * DOUBLES
      const i = ids[row] * INTS
      const amount = amounts[row]
      const pane = Math.floor(times[row] / paneMs)
      let newest = doubles[d + NEWEST]
      if (newest === 0) newest = doubles[d + NEWEST] = pane
      if (pane > newest) {
        const steps = Math.min(pane - newest, PANES)
        for (let k = 1; k <= steps; k++) {
          const slot = (newest + k) % PANES
          ints[i + COUNT] -= ints[i + COUNTS + slot]
          doubles[d + SUM] -= doubles[d + SUMS + slot]
          ints[i + COUNTS + slot] = 0
          doubles[d + SUMS + slot] = 0
        }
        doubles[d + NEWEST] = pane
      }
      if (pane > newest - PANES) {
        const slot = pane % PANES
        ints[i + COUNTS + slot]++
        doubles[d + SUMS + slot] += amount
        ints[i + COUNT]++
        doubles[d + SUM] += amount
        if (amount > doubles[d + LARGEST]) doubles[d + LARGEST] = amount
      }
      counts[row] = ints[i + COUNT]
      sums[row] = doubles[d + SUM]
      largest[row] = doubles[d + LARGEST]
    }
  }
}
