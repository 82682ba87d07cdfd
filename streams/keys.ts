/** An index from key bytes to small dense ids: open addressing over 32-bit hashes, exact on the bytes. */

import type { ByteWriter } from './bytes.ts'
import { hash32, viewOf } from './hash.ts'

const SEED = 0x9747b28c | 0
/** Rows that are looked ahead: their lines fit a core's own cache. */
const AHEAD = 256
/** Bytes of an entry in front of its key: id, length. */
const HEAD = 8

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
  /** Pairs: hash, start of the entry in words (0 = free). So a probe touches two lines: the slot's and the entry's. */
  private slots: Int32Array
  /** Entries: id, length, key; whole words. The first word stands for none. */
  private bytes: Uint8Array
  private words: Int32Array
  private view: DataView
  private used = 1
  /** Start of each id's entry, in words. */
  private starts: Int32Array
  private hashes = new Int32Array(AHEAD)
  /** Keeps the look-ahead pass from being optimised away. */
  touched = 0

  constructor(capacity = 1024) {
    let slots = 2
    while (slots < capacity * 2) slots *= 2
    this.mask = slots - 1
    this.slots = new Int32Array(slots * 2)
    this.starts = new Int32Array(capacity)
    this.words = new Int32Array(capacity * 8)
    this.bytes = new Uint8Array(this.words.buffer)
    this.view = new DataView(this.words.buffer)
  }

  /**
   * Finds the ids of the selected rows' keys into `ids[row]`, -1 where the key is not known. Slots and entries are touched
   * in passes of their own first, so that cache misses of different rows overlap.
   */
  findAll(keys: KeySlices, selection: Int32Array, count: number, ids: Int32Array): void {
    for (let from = 0; from < count; from += AHEAD)
      this.findSome(keys, selection, from, Math.min(count, from + AHEAD), ids)
  }

  private findSome(keys: KeySlices, selection: Int32Array, from: number, to: number, ids: Int32Array): void {
    const { hashes, slots, mask, words } = this
    const { bytes, offsets, lengths } = keys
    let touched = 0
    for (let i = from; i < to; i++) {
      const row = selection[i]
      hashes[i - from] = hash32(bytes, offsets[row], lengths[row], SEED)
    }
    const some = to - from
    for (let i = 0; i < some; i++) touched ^= slots[((hashes[i] & mask) << 1) | 1]
    for (let i = 0; i < some; i++) touched ^= words[slots[((hashes[i] & mask) << 1) | 1]]
    this.touched = touched
    for (let i = from; i < to; i++) {
      const row = selection[i]
      ids[row] = this.probe(bytes, offsets[row], lengths[row], hashes[i - from])
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
    const start = this.starts[id]
    return this.bytes.subarray(start * 4 + HEAD, start * 4 + HEAD + this.words[start + 1])
  }

  /** Writes the key's bytes. */
  writeKey(id: number, writer: ByteWriter): void {
    const start = this.starts[id]
    writer.raw(this.bytes, start * 4 + HEAD, this.words[start + 1])
  }

  private probe(bytes: Uint8Array, offset: number, length: number, hash: number): number {
    const { slots, mask, words } = this
    let slot = hash & mask
    for (;;) {
      const start = slots[(slot << 1) | 1]
      if (start === 0) return -1
      if (slots[slot << 1] === hash && words[start + 1] === length && this.isKey(start, bytes, offset, length)) {
        return words[start]
      }
      slot = (slot + 1) & mask
    }
  }

  private isKey(start: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const view = viewOf(bytes)
    let own = start * 4 + HEAD
    let at = offset
    for (const end = offset + (length & ~3); at < end; at += 4, own += 4) {
      if (this.view.getInt32(own) !== view.getInt32(at)) return false
    }
    while (at < offset + length) if (this.bytes[own++] !== bytes[at++]) return false
    return true
  }

  private add(bytes: Uint8Array, offset: number, length: number, hash: number): number {
    if (this.size === this.starts.length) this.grow()
    const size = 2 + ((length + 3) >> 2)
    if (this.used + size > this.words.length) {
      const words = new Int32Array(Math.max(this.words.length * 2, this.used + size))
      words.set(this.words)
      this.words = words
      this.bytes = new Uint8Array(words.buffer)
      this.view = new DataView(words.buffer)
    }
    const id = this.size++
    const start = this.used
    this.words[start] = id
    this.words[start + 1] = length
    this.bytes.set(bytes.subarray(offset, offset + length), start * 4 + HEAD)
    this.starts[id] = start
    this.used += size
    this.place(hash, start)
    return id
  }

  private place(hash: number, start: number): void {
    const { slots, mask } = this
    let slot = hash & mask
    while (slots[(slot << 1) | 1] !== 0) slot = (slot + 1) & mask
    slots[slot << 1] = hash
    slots[(slot << 1) | 1] = start
  }

  private grow(): void {
    const starts = new Int32Array(this.starts.length * 2)
    starts.set(this.starts)
    this.starts = starts
    const old = this.slots
    this.slots = new Int32Array(old.length * 2)
    this.mask = this.slots.length / 2 - 1
    for (let slot = 0; slot < old.length; slot += 2) if (old[slot + 1] !== 0) this.place(old[slot], old[slot + 1])
  }
}
