/** An index from key bytes to small dense ids: open addressing over 32-bit hashes, exact on the bytes. */

import { hash32 } from './hash.ts'

const SEED = 0x9747b28c | 0
/** Keys of a batch before their ids are known: slices of `bytes`. */
export interface KeySlices {
  readonly bytes: Uint8Array
  readonly offsets: Int32Array
  readonly lengths: Int32Array
}

export class KeyIndex {
  /** Ids are 0 to size - 1. */
  size = 0
  private mask: number
  /** Pairs: hash, id + 1 (0 = free). */
  private slots: Int32Array
  private starts: Int32Array
  private lengths: Int32Array
  private arena: Uint8Array
  private used = 0
  private hashes = new Int32Array(0)
  /** Keeps the look-ahead pass from being optimised away. */
  private sink = 0

  constructor(capacity = 1024) {
    let slots = 2
    while (slots < capacity * 2) slots *= 2
    this.mask = slots - 1
    this.slots = new Int32Array(slots * 2)
    this.starts = new Int32Array(capacity)
    this.lengths = new Int32Array(capacity)
    this.arena = new Uint8Array(capacity * 24)
  }

  /**
   * Finds the ids of the selected rows' keys into `ids[row]`, -1 where the key is not known. Slots are touched in a pass
   * of their own first, so that cache misses of different rows overlap.
   */
  findAll(keys: KeySlices, selection: Int32Array, count: number, ids: Int32Array): void {
    if (this.hashes.length < ids.length) this.hashes = new Int32Array(ids.length)
    const { hashes, slots, mask, starts, arena } = this
    const { bytes, offsets, lengths } = keys
    let touched = 0
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      hashes[row] = hash32(bytes, offsets[row], lengths[row], SEED)
    }
    for (let i = 0; i < count; i++) touched ^= slots[((hashes[selection[i]] & mask) << 1) | 1]
    for (let i = 0; i < count; i++) {
      const id = slots[((hashes[selection[i]] & mask) << 1) | 1]
      if (id !== 0) touched ^= arena[starts[id - 1]]
    }
    this.sink = touched
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      ids[row] = this.probe(bytes, offsets[row], lengths[row], hashes[row])
    }
  }

  find(bytes: Uint8Array, offset: number, length: number): number {
    return this.probe(bytes, offset, length, hash32(bytes, offset, length, SEED))
  }

  /** Finds the key or adds it. */
  intern(bytes: Uint8Array, offset: number, length: number): number {
    const hash = hash32(bytes, offset, length, SEED)
    const found = this.probe(bytes, offset, length, hash)
    return found >= 0 ? found : this.add(bytes, offset, length, hash)
  }

  /** The key's bytes, valid until the next intern. */
  key(id: number): Uint8Array {
    return this.arena.subarray(this.starts[id], this.starts[id] + this.lengths[id])
  }

  private probe(bytes: Uint8Array, offset: number, length: number, hash: number): number {
    const { slots, mask, starts, lengths, arena } = this
    let slot = hash & mask
    for (;;) {
      const id = slots[(slot << 1) | 1]
      if (id === 0) return -1
      if (slots[slot << 1] === hash && lengths[id - 1] === length) {
        const start = starts[id - 1]
        let i = 0
        while (i < length && arena[start + i] === bytes[offset + i]) i++
        if (i === length) return id - 1
      }
      slot = (slot + 1) & mask
    }
  }

  private add(bytes: Uint8Array, offset: number, length: number, hash: number): number {
    if (this.size === this.starts.length) this.grow()
    if (this.used + length > this.arena.length) {
      const arena = new Uint8Array(Math.max(this.arena.length * 2, this.used + length))
      arena.set(this.arena)
      this.arena = arena
    }
    const id = this.size++
    this.arena.set(bytes.subarray(offset, offset + length), this.used)
    this.starts[id] = this.used
    this.lengths[id] = length
    this.used += length
    this.place(hash, id)
    return id
  }

  private place(hash: number, id: number): void {
    const { slots, mask } = this
    let slot = hash & mask
    while (slots[(slot << 1) | 1] !== 0) slot = (slot + 1) & mask
    slots[slot << 1] = hash
    slots[(slot << 1) | 1] = id + 1
  }

  private grow(): void {
    const starts = new Int32Array(this.starts.length * 2)
    starts.set(this.starts)
    this.starts = starts
    const lengths = new Int32Array(this.lengths.length * 2)
    lengths.set(this.lengths)
    this.lengths = lengths
    const old = this.slots
    this.slots = new Int32Array(old.length * 2)
    this.mask = this.slots.length / 2 - 1
    for (let slot = 0; slot < old.length; slot += 2) if (old[slot + 1] !== 0) this.place(old[slot], old[slot + 1] - 1)
  }
}
