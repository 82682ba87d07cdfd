/**
 * Which records are held: about 50 bytes for each, whatever the record itself takes. It tells where a record is stored, and
 * whether one is held at all without asking the store; what it finds is compared with the record.
 */

import { ByteReader, ByteWriter } from './bytes.ts'
import type { DeltaBuilder } from './store.ts'

/** So many ordinals are one stored entry: small enough to be written again for one of them. */
const CHUNK = 128
/** Slots of what is gone are given back when they are more than this many and more than half. */
const SWEEP_FLOOR = 1024

export interface OpenHold {
  readonly ordinal: number
  readonly heldAt: number
}

export class HeldIndex {
  /** Number of records held. */
  size = 0
  /** Slots in use, also by what is gone (heldAt NaN); ascending by ordinal. */
  private used = 0
  private ordinals = new Float64Array(0)
  private heldAt = new Float64Array(0)
  private readonly identity = new Tags()
  private readonly refersTo = new Tags()
  /** The first slot that is not gone, or one before it. */
  private first = 0
  private readonly changed = new Set<number>()

  /** Ordinals only grow. */
  add(ordinal: number, heldAt: number, identity: number, refersTo: number): void {
    if (this.used === this.ordinals.length) this.resize(Math.max(1024, this.size * 2))
    const slot = this.used++
    this.ordinals[slot] = ordinal
    this.heldAt[slot] = heldAt
    this.identity.set(slot, identity)
    this.refersTo.set(slot, refersTo)
    this.size++
    this.changed.add(Math.floor(ordinal / CHUNK))
  }

  remove(ordinal: number): void {
    const slot = this.slotFrom(ordinal)
    if (slot === this.used || this.ordinals[slot] !== ordinal || Number.isNaN(this.heldAt[slot])) return
    this.heldAt[slot] = NaN
    this.size--
    this.changed.add(Math.floor(ordinal / CHUNK))
    const gone = this.used - this.size
    if (gone > SWEEP_FLOOR && gone > this.size) this.resize(Math.max(1024, this.size * 2))
  }

  /** It waits for none any more. */
  waitsNoMore(ordinal: number): void {
    this.refersTo.clear(this.slotFrom(ordinal))
    this.changed.add(Math.floor(ordinal / CHUNK))
  }

  /** Ordinals that may be of this identity, and that may wait for it; ascending. */
  byIdentity(tag: number): number[] {
    return this.open(this.identity.find(tag))
  }

  byReference(tag: number): number[] {
    return this.open(this.refersTo.find(tag))
  }

  /** The oldest first: what is held later has a higher ordinal. */
  oldest(limit: number): OpenHold[] {
    const oldest: OpenHold[] = []
    while (this.first < this.used && Number.isNaN(this.heldAt[this.first])) this.first++
    for (let slot = this.first; slot < this.used && oldest.length < limit; slot++) {
      if (!Number.isNaN(this.heldAt[slot])) oldest.push({ ordinal: this.ordinals[slot], heldAt: this.heldAt[slot] })
    }
    return oldest
  }

  private open(slots: readonly number[]): number[] {
    return slots
      .filter((slot) => !Number.isNaN(this.heldAt[slot]))
      .map((slot) => this.ordinals[slot])
      .sort((a, b) => a - b)
  }

  save(delta: DeltaBuilder, kind: string): void {
    const writer = new ByteWriter()
    for (const chunk of this.changed) {
      const base = chunk * CHUNK
      for (let slot = this.slotFrom(base); slot < this.used && this.ordinals[slot] < base + CHUNK; slot++) {
        if (Number.isNaN(this.heldAt[slot])) continue
        writer.varint(this.ordinals[slot])
        writer.varint(this.heldAt[slot])
        writer.int32(this.identity.of(slot))
        writer.int32(this.refersTo.of(slot))
      }
      if (writer.length === 0) delta.remove(kind, ordinalKey(chunk))
      else delta.put(kind, ordinalKey(chunk), writer.take())
    }
    this.changed.clear()
  }

  /** Entries by ascending key, as the state lists them. */
  load(entries: readonly { readonly value: Uint8Array }[]): void {
    for (const { value } of entries) {
      const reader = new ByteReader(value)
      while (!reader.done) this.add(reader.varint(), reader.varint(), reader.int32(), reader.int32())
    }
    this.changed.clear()
  }

  /** The first slot whose ordinal is this one or a later one. */
  private slotFrom(ordinal: number): number {
    let [low, high] = [0, this.used]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.ordinals[middle] < ordinal) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Moves what is held to the front of arrays of this capacity. */
  private resize(capacity: number): void {
    const ordinals = new Float64Array(capacity)
    const heldAt = new Float64Array(capacity)
    const slots = new Int32Array(this.size)
    let to = 0
    for (let slot = 0; slot < this.used; slot++) {
      if (Number.isNaN(this.heldAt[slot])) continue
      ordinals[to] = this.ordinals[slot]
      heldAt[to] = this.heldAt[slot]
      slots[to++] = slot
    }
    this.identity.move(slots, capacity)
    this.refersTo.move(slots, capacity)
    this.ordinals = ordinals
    this.heldAt = heldAt
    this.used = to
    this.first = 0
  }
}

/** 32 bits of a hash per slot, and the slots of each. 0: none. */
class Tags {
  private tags = new Int32Array(0)
  private next = new Int32Array(0)
  /** Slot + 1 of the chain that a tag begins. */
  private heads = new Int32Array(1)

  of(slot: number): number {
    return this.tags[slot]
  }

  set(slot: number, tag: number): void {
    this.tags[slot] = tag
    if (tag === 0) return
    const head = tag & (this.heads.length - 1)
    this.next[slot] = this.heads[head]
    this.heads[head] = slot + 1
  }

  /** It stays in its chain, and is not found any more. */
  clear(slot: number): void {
    this.tags[slot] = 0
  }

  find(tag: number): number[] {
    const found: number[] = []
    for (let at = this.heads[tag & (this.heads.length - 1)]; at !== 0; at = this.next[at - 1]) {
      if (this.tags[at - 1] === tag) found.push(at - 1)
    }
    return found
  }

  move(slots: Int32Array, capacity: number): void {
    const { tags } = this
    this.tags = new Int32Array(capacity)
    this.next = new Int32Array(capacity)
    let heads = 1
    while (heads < capacity) heads *= 2
    this.heads = new Int32Array(heads)
    slots.forEach((slot, to) => this.set(to, tags[slot]))
  }
}

/** The tag of an identity hash (32 hex digits): 0 of '' only. */
export const tagOf = (identity: string): number =>
  identity === '' ? 0 : Number.parseInt(identity.slice(0, 8), 16) | 0 || 1

/** 8 bytes, big endian. */
export function ordinalKey(ordinal: number): Uint8Array {
  const key = new Uint8Array(8)
  new DataView(key.buffer).setBigUint64(0, BigInt(ordinal))
  return key
}
