/** Counts per key over windows of panes. Record per key (int32): newest pane per window, total per window, panes. */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'
import { type Aggregate, numberColumn, type PaneNumbers, type PaneWindow } from './aggregate.ts'

export class CountPanes implements Aggregate {
  readonly features
  private readonly windows: readonly PaneWindow[]
  private readonly stride: number
  private readonly starts: number[] = []
  private records = new Int32Array(0)

  constructor(name: string, windows: readonly PaneWindow[]) {
    this.windows = windows
    this.features = windows.map((w) => ({ name: name + w.name, windowMs: w.paneMs * w.panes }))
    let at = windows.length * 2
    for (const { panes } of windows) {
      this.starts.push(at)
      at += panes
    }
    this.stride = at
  }

  grow(capacity: number): void {
    const records = new Int32Array(capacity * this.stride)
    records.set(this.records)
    this.records = records
  }

  feed(batch: Batch, ids: Int32Array, panes: PaneNumbers): void {
    for (let w = 0; w < this.windows.length; w++) this.feedWindow(batch, ids, panes, w)
  }

  private feedWindow(batch: Batch, ids: Int32Array, numbers: PaneNumbers, w: number): void {
    const { records, stride } = this
    const { selection, count } = batch
    const { panes } = this.windows[w]
    const totalAt = this.windows.length + w
    const start = this.starts[w]
    const index = numbers.index[w]
    const slots = numbers.slot[w]
    const out = numberColumn(batch, this.features[w].name)
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const base = ids[row] * stride
      const pane = index[row]
      let newest = records[base + w] >>> 0
      if (pane > newest) {
        if (newest !== 0) this.advance(base, w, newest, pane, slots[row])
        newest = pane
        records[base + w] = pane
      }
      if (pane > newest - panes) {
        records[base + start + slots[row]]++
        records[base + totalAt]++
      }
      out[row] = pane === newest ? records[base + totalAt] : this.held(base, w, newest, pane)
    }
  }

  /** Moves the newest pane on to `pane`, emptying the slots between. */
  private advance(base: number, w: number, newest: number, pane: number, slot: number): void {
    const { panes } = this.windows[w]
    const start = base + this.starts[w]
    const totalAt = base + this.windows.length + w
    const steps = Math.min(pane - newest, panes)
    for (let k = 0; k < steps; k++) {
      const at = start + (slot >= k ? slot - k : slot - k + panes)
      this.records[totalAt] -= this.records[at]
      this.records[at] = 0
    }
  }

  /** Sum of the held panes in (pane - panes, pane]: what a payment older than the newest one sees. */
  private held(base: number, w: number, newest: number, pane: number): number {
    const { panes } = this.windows[w]
    let sum = 0
    for (let k = Math.max(newest - panes, pane - panes) + 1; k <= pane; k++) {
      sum += this.records[base + this.starts[w] + (k % panes)]
    }
    return sum
  }

  encode(id: number, writer: ByteWriter): void {
    const base = id * this.stride
    for (let w = 0; w < this.windows.length; w++) {
      const start = base + this.starts[w]
      const { panes } = this.windows[w]
      writer.varint(this.records[base + w] >>> 0)
      let filled = 0
      for (let k = 0; k < panes; k++) if (this.records[start + k] !== 0) filled++
      writer.varint(filled)
      for (let k = 0; filled > 0; k++) {
        if (this.records[start + k] === 0) continue
        writer.varint(k)
        writer.varint(this.records[start + k])
        filled--
      }
    }
  }

  decode(id: number, reader: ByteReader): void {
    const base = id * this.stride
    for (let w = 0; w < this.windows.length; w++) {
      this.records[base + w] = reader.varint()
      let total = 0
      for (let filled = reader.varint(); filled > 0; filled--) {
        const slot = reader.varint()
        const value = reader.varint()
        this.records[base + this.starts[w] + slot] = value
        total += value
      }
      this.records[base + this.windows.length + w] = total
    }
  }
}
