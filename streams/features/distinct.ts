/**
 * Distinct values per key: one list of the 64 most recently seen values for all windows.
 * Record per key (int32): number of values, then pairs (murmur2 of the value, last-seen second).
 */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'
import { murmur2 } from '../hash.ts'
import { type Aggregate, numberColumn, type PaneWindow } from './aggregate.ts'

/** Beyond this the list forgets the smallest (second, hash): a count of 64 means "64 or more". Bounds state per key. */
const LIST = 64
const STRIDE = 1 + LIST * 2

export class DistinctList implements Aggregate {
  readonly features
  private readonly of: string
  private readonly time: string
  private readonly seconds: Float64Array
  private readonly counts: Int32Array
  private records = new Int32Array(0)

  constructor(name: string, of: string, time: string, windows: readonly PaneWindow[]) {
    this.of = of
    this.time = time
    this.features = windows.map((w) => ({ name: name + w.name, windowMs: w.paneMs * w.panes }))
    this.seconds = Float64Array.from(windows, (w) => (w.paneMs * w.panes) / 1000)
    this.counts = new Int32Array(windows.length)
  }

  grow(capacity: number): void {
    const records = new Int32Array(capacity * STRIDE)
    records.set(this.records)
    this.records = records
  }

  feed(batch: Batch, ids: Int32Array): void {
    const { records, counts, seconds } = this
    const { selection, count } = batch
    const { bytes, offsets, lengths } = batch.text(this.of)
    const time = batch.number(this.time)
    const out = this.features.map((f) => numberColumn(batch, f.name))
    const windows = out.length
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const base = ids[row] * STRIDE
      const second = Math.floor(time[row] / 1000)
      if (lengths[row] >= 0) this.see(base, murmur2(bytes, offsets[row], lengths[row]), second)
      counts.fill(0)
      const end = base + 1 + records[base] * 2
      for (let at = base + 2; at < end; at += 2) {
        const age = second - (records[at] >>> 0)
        for (let w = 0; w < windows; w++) if (age < seconds[w]) counts[w]++
      }
      for (let w = 0; w < windows; w++) out[w][row] = counts[w]
    }
  }

  private see(base: number, hash: number, second: number): void {
    const { records } = this
    const size = records[base]
    const end = base + 1 + size * 2
    for (let at = base + 1; at < end; at += 2) {
      if (records[at] !== hash) continue
      if (second > records[at + 1] >>> 0) records[at + 1] = second
      return
    }
    if (size < LIST) {
      records[end] = hash
      records[end + 1] = second
      records[base] = size + 1
      return
    }
    let smallest = base + 1
    for (let at = base + 3; at < end; at += 2) if (before(records, at, smallest)) smallest = at
    const oldest = records[smallest + 1] >>> 0
    if (second < oldest || (second === oldest && hash < records[smallest])) return
    records[smallest] = hash
    records[smallest + 1] = second
  }

  encode(id: number, writer: ByteWriter): void {
    const base = id * STRIDE
    writer.varint(this.records[base])
    for (let k = 0; k < this.records[base]; k++) {
      writer.int32(this.records[base + 1 + k * 2])
      writer.int32(this.records[base + 2 + k * 2])
    }
  }

  decode(id: number, reader: ByteReader): void {
    const base = id * STRIDE
    this.records[base] = reader.varint()
    for (let k = 0; k < this.records[base]; k++) {
      this.records[base + 1 + k * 2] = reader.int32()
      this.records[base + 2 + k * 2] = reader.int32()
    }
  }
}

const before = (records: Int32Array, a: number, b: number): boolean => {
  const left = records[a + 1] >>> 0
  const right = records[b + 1] >>> 0
  return left < right || (left === right && records[a] < records[b])
}
