/**
 * What a task has seen within a horizon of stream time: exact up to collisions of a keyed 128-bit hash of the identity.
 *
 * S1  An entry is known while streamTime - firstSeenAt <= horizon, whatever is still in memory.
 * S2  An entry is stored in the bucket of its firstSeenAt; a bucket is dropped when all in it are unknown by S1.
 * S3  A changed entry is appended again; on load the later copy wins. So blobs are append-only.
 */

import type { TaskState } from './backend.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { identityText } from './held.ts'
import type { DeltaBuilder, Store } from './store.ts'

/** Buckets per horizon: a bucket outlives its entries by at most a 24th of the horizon. */
const BUCKETS = 24
/** Forgotten entries are swept out when they are more than this many and more than half of what is alive. */
const SWEEP_FLOOR = 65_536
/** firstSeenAt of an entry whose identity has a later entry: forgotten, and not found any more. */
const LEFT = -Infinity

export class SeenStore implements Store {
  readonly name: string
  readonly horizonMs: number
  readonly numbers: readonly string[]
  readonly codes: readonly string[]
  size = 0
  /** Of the step's rows: the entry that a fresh row made, and the entry that a row refers to (-1: none known). */
  entryOfRow = new Int32Array(0)
  originalOfRow = new Int32Array(0)
  /** Four lanes per entry. */
  private identities: Int32Array
  /** Two lanes per entry. */
  private contents: Int32Array
  private firstSeen: Float64Array
  private numberValues: Float64Array
  private codeValues: Uint8Array
  private slots: Int32Array
  private mask: number
  /** 1 when the entry stands in `changed`. */
  private dirty: Uint8Array
  private changed: Int32Array = new Int32Array(1024)
  private changes = 0
  private streamTime = 0
  private sweptAt = 0
  /** Buckets that are stored. */
  private readonly buckets = new Set<number>()
  private touched = 0

  constructor(name: string, horizonMs: number, numbers: readonly string[], codes: readonly string[]) {
    this.name = name
    this.horizonMs = horizonMs
    this.numbers = numbers
    this.codes = codes
    const capacity = 4096
    this.mask = capacity * 2 - 1
    this.slots = new Int32Array(capacity * 2)
    this.identities = new Int32Array(capacity * 4)
    this.contents = new Int32Array(capacity * 2)
    this.firstSeen = new Float64Array(capacity)
    this.numberValues = new Float64Array(capacity * numbers.length)
    this.codeValues = new Uint8Array(capacity * codes.length)
    this.dirty = new Uint8Array(capacity)
  }

  /** Before the rows of a step: room for their entry numbers, all -1. */
  beginRows(capacity: number): void {
    if (this.entryOfRow.length < capacity) {
      this.entryOfRow = new Int32Array(capacity)
      this.originalOfRow = new Int32Array(capacity)
    }
    this.entryOfRow.fill(-1)
    this.originalOfRow.fill(-1)
  }

  /** Touches the slots of `count` identities so that the probes after it find them in the cache. */
  lookAhead(lanes: Int32Array, selection: Int32Array, count: number): void {
    const { slots, mask, identities } = this
    let touched = 0
    for (let i = 0; i < count; i++) touched ^= slots[lanes[selection[i] * 4] & mask]
    for (let i = 0; i < count; i++) {
      const entry = slots[lanes[selection[i] * 4] & mask]
      if (entry !== 0) touched ^= identities[(entry - 1) * 4]
    }
    this.touched = touched
  }

  /** The entry of an identity (lanes[at .. at + 3]) that is known at this stream time, or -1. */
  find(lanes: Int32Array, at: number, streamTime: number): number {
    const entry = this.locate(lanes, at)
    return entry >= 0 && streamTime - this.firstSeen[entry] <= this.horizonMs ? entry : -1
  }

  /** The entry of an identity given as text (32 hex digits) that is known at this stream time, or -1. */
  findText(identity: string, streamTime: number): number {
    const lanes = Int32Array.from([0, 8, 16, 24], (at) => Number.parseInt(identity.slice(at, at + 8), 16) | 0)
    return this.find(lanes, 0, streamTime)
  }

  /** The identity of an entry as 32 hex digits; '' for -1. */
  identityOf(entry: number): string {
    return entry < 0 ? '' : identityText(this.identities, entry * 4)
  }

  contentOf(entry: number, lane: number): number {
    return this.contents[entry * 2 + lane]
  }

  /**
   * Adds an identity first seen now. Numbers and codes start at 0. An entry of the same identity that is no longer known
   * is left behind as it was: an earlier row of the step may have found it while it was known.
   */
  add(lanes: Int32Array, at: number, content0: number, content1: number, streamTime: number): number {
    const before = this.locate(lanes, at)
    if (before >= 0) this.firstSeen[before] = LEFT
    if (this.size === this.firstSeen.length) this.grow()
    const entry = this.size++
    this.identities[entry * 4] = lanes[at]
    this.identities[entry * 4 + 1] = lanes[at + 1]
    this.identities[entry * 4 + 2] = lanes[at + 2]
    this.identities[entry * 4 + 3] = lanes[at + 3]
    this.place(entry)
    this.fill(entry, content0, content1, streamTime)
    return entry
  }

  private fill(entry: number, content0: number, content1: number, streamTime: number): void {
    this.contents[entry * 2] = content0
    this.contents[entry * 2 + 1] = content1
    this.firstSeen[entry] = streamTime
    const numbers = this.numbers.length
    const codes = this.codes.length
    for (let k = 0; k < numbers; k++) this.numberValues[entry * numbers + k] = 0
    for (let k = 0; k < codes; k++) this.codeValues[entry * codes + k] = 0
    this.touch(entry)
  }

  sameContent(entry: number, content0: number, content1: number): boolean {
    return this.contents[entry * 2] === content0 && this.contents[entry * 2 + 1] === content1
  }

  firstSeenAt(entry: number): number {
    return this.firstSeen[entry]
  }

  number(entry: number, index: number): number {
    return this.numberValues[entry * this.numbers.length + index]
  }

  code(entry: number, index: number): number {
    return this.codeValues[entry * this.codes.length + index]
  }

  setNumber(entry: number, index: number, value: number): void {
    this.numberValues[entry * this.numbers.length + index] = value
    this.touch(entry)
  }

  setCode(entry: number, index: number, value: number): void {
    this.codeValues[entry * this.codes.length + index] = value
    this.touch(entry)
  }

  /** To be called between steps only. */
  advance(streamTime: number): void {
    this.streamTime = streamTime
  }

  /** Entry numbers change when forgotten entries are swept out: between steps, and when no number stands in `changed`. */
  private sweepWhenDue(): void {
    if (this.streamTime - this.sweptAt < this.horizonMs / BUCKETS) return
    this.sweptAt = this.streamTime
    let forgotten = 0
    for (let entry = 0; entry < this.size; entry++) if (this.isForgotten(entry)) forgotten++
    if (forgotten > SWEEP_FLOOR && forgotten * 2 > this.size - forgotten) this.sweep()
  }

  get dirtyEntries(): number {
    return this.changes
  }

  save(delta: DeltaBuilder): void {
    const width = this.horizonMs / BUCKETS
    const perBucket = new Map<number, ByteWriter>()
    for (let i = 0; i < this.changes; i++) {
      const entry = this.changed[i]
      this.dirty[entry] = 0
      if (this.isForgotten(entry)) continue
      const bucket = Math.floor(this.firstSeen[entry] / width)
      let writer = perBucket.get(bucket)
      if (writer === undefined) perBucket.set(bucket, (writer = new ByteWriter(65_536)))
      this.encode(entry, writer)
    }
    this.changes = 0
    for (const [bucket, writer] of perBucket) {
      this.buckets.add(bucket)
      delta.put(this.kind(bucket), delta.positionKey, writer.take())
    }
    const firstKnown = Math.floor((this.streamTime - this.horizonMs) / width)
    for (const bucket of this.buckets) {
      if (bucket >= firstKnown) continue
      this.buckets.delete(bucket)
      delta.dropKind(this.kind(bucket))
    }
    this.sweepWhenDue()
  }

  async load(state: TaskState): Promise<void> {
    const kinds = (await state.kinds()).filter((kind) => kind.startsWith(`${this.name}/`)).sort()
    for (const kind of kinds) {
      this.buckets.add(Number(kind.slice(this.name.length + 1)))
      for (const { value } of (await state.list(kind)).entries) this.decode(value)
    }
    this.changes = 0
    this.dirty.fill(0)
  }

  private kind(bucket: number): string {
    return `${this.name}/${String(bucket).padStart(12, '0')}`
  }

  private isForgotten(entry: number): boolean {
    return this.streamTime - this.firstSeen[entry] > this.horizonMs
  }

  private encode(entry: number, writer: ByteWriter): void {
    for (let lane = 0; lane < 4; lane++) writer.int32(this.identities[entry * 4 + lane])
    writer.int32(this.contents[entry * 2])
    writer.int32(this.contents[entry * 2 + 1])
    writer.varint(this.firstSeen[entry])
    for (let k = 0; k < this.numbers.length; k++) writer.varint(this.number(entry, k))
    for (let k = 0; k < this.codes.length; k++) writer.varint(this.code(entry, k))
  }

  private decode(blob: Uint8Array): void {
    const reader = new ByteReader(blob)
    const lanes = new Int32Array(4)
    while (!reader.done) {
      for (let lane = 0; lane < 4; lane++) lanes[lane] = reader.int32()
      const content0 = reader.int32()
      const content1 = reader.int32()
      const firstSeenAt = reader.varint()
      const before = this.locate(lanes, 0)
      const entry = before < 0 ? this.add(lanes, 0, content0, content1, firstSeenAt) : before
      if (before >= 0) this.fill(before, content0, content1, firstSeenAt)
      for (let k = 0; k < this.numbers.length; k++) this.setNumber(entry, k, reader.varint())
      for (let k = 0; k < this.codes.length; k++) this.setCode(entry, k, reader.varint())
    }
  }

  private locate(lanes: Int32Array, at: number): number {
    const { slots, mask, identities } = this
    let slot = lanes[at] & mask
    for (;;) {
      const entry = slots[slot] - 1
      if (entry < 0) return -1
      const e = entry * 4
      if (
        identities[e] === lanes[at] &&
        this.firstSeen[entry] !== LEFT &&
        identities[e + 1] === lanes[at + 1] &&
        identities[e + 2] === lanes[at + 2] &&
        identities[e + 3] === lanes[at + 3]
      ) {
        return entry
      }
      slot = (slot + 1) & mask
    }
  }

  private place(entry: number): void {
    let slot = this.identities[entry * 4] & this.mask
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask
    this.slots[slot] = entry + 1
  }

  private touch(entry: number): void {
    if (this.dirty[entry] === 1) return
    this.dirty[entry] = 1
    if (this.changes === this.changed.length) {
      const larger = new Int32Array(this.changed.length * 2)
      larger.set(this.changed)
      this.changed = larger
    }
    this.changed[this.changes++] = entry
  }

  private grow(): void {
    this.resize(this.firstSeen.length * 2)
    this.index()
  }

  private resize(capacity: number): void {
    const copy = <T extends Int32Array | Float64Array | Uint8Array>(to: T, from: T): T => {
      to.set(from.subarray(0, to.length))
      return to
    }
    this.identities = copy(new Int32Array(capacity * 4), this.identities)
    this.contents = copy(new Int32Array(capacity * 2), this.contents)
    this.firstSeen = copy(new Float64Array(capacity), this.firstSeen)
    this.numberValues = copy(new Float64Array(capacity * this.numbers.length), this.numberValues)
    this.codeValues = copy(new Uint8Array(capacity * this.codes.length), this.codeValues)
    this.dirty = copy(new Uint8Array(capacity), this.dirty)
  }

  private index(): void {
    this.mask = this.firstSeen.length * 2 - 1
    this.slots = new Int32Array(this.firstSeen.length * 2)
    for (let entry = 0; entry < this.size; entry++) if (this.firstSeen[entry] !== LEFT) this.place(entry)
  }

  private sweep(): void {
    let to = 0
    for (let entry = 0; entry < this.size; entry++) {
      if (this.isForgotten(entry)) continue
      this.identities.copyWithin(to * 4, entry * 4, entry * 4 + 4)
      this.contents.copyWithin(to * 2, entry * 2, entry * 2 + 2)
      this.firstSeen[to] = this.firstSeen[entry]
      this.numberValues.copyWithin(
        to * this.numbers.length,
        entry * this.numbers.length,
        (entry + 1) * this.numbers.length,
      )
      this.codeValues.copyWithin(to * this.codes.length, entry * this.codes.length, (entry + 1) * this.codes.length)
      to++
    }
    this.size = to
    this.index()
  }
}
