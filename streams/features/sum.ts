/**
 * Sums per key over windows of panes, stopping at 2^53. Record per key (float64): newest pane per window, total per
 * window, panes. A total that has passed 2^53 is NaN: it is added up anew from the panes until it is exact again.
 */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'
import { type Aggregate, codeColumn, numberColumn, type PaneNumbers, type PaneWindow } from './aggregate.ts'

const LIMIT = 2 ** 53

export class SumPanes implements Aggregate {
  readonly features
  private readonly windows: readonly PaneWindow[]
  private readonly of: string
  private readonly saturated: string
  private readonly stride: number
  private readonly starts: number[] = []
  private records = new Float64Array(0)

  /** Sums the number column `of`; the code column `saturated` says whether one of the windows reached 2^53. */
  constructor(name: string, of: string, saturated: string, windows: readonly PaneWindow[]) {
    this.windows = windows
    this.of = of
    this.saturated = saturated
    this.features = windows.map((w) => ({ name: name + w.name, windowMs: w.paneMs * w.panes }))
    let at = windows.length * 2
    for (const { panes } of windows) {
      this.starts.push(at)
      at += panes
    }
    this.stride = at
  }

  grow(capacity: number): void {
    const records = new Float64Array(capacity * this.stride)
    records.set(this.records)
    this.records = records
  }

  feed(batch: Batch, ids: Int32Array, panes: PaneNumbers): void {
    const saturated = codeColumn(batch, this.saturated)
    for (let i = 0; i < batch.count; i++) saturated[batch.selection[i]] = 0
    for (let w = 0; w < this.windows.length; w++) this.feedWindow(batch, ids, panes, w, saturated)
  }

  private feedWindow(batch: Batch, ids: Int32Array, numbers: PaneNumbers, w: number, saturated: Uint8Array): void {
    const { records, stride } = this
    const { selection, count } = batch
    const { panes } = this.windows[w]
    const totalAt = this.windows.length + w
    const start = this.starts[w]
    const index = numbers.index[w]
    const slots = numbers.slot[w]
    const amounts = batch.number(this.of)
    const out = numberColumn(batch, this.features[w].name)
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const base = ids[row] * stride
      const pane = index[row]
      let newest = records[base + w]
      if (pane > newest) {
        if (newest !== 0) this.advance(base, w, newest, pane, slots[row])
        newest = pane
        records[base + w] = pane
      }
      if (pane > newest - panes) {
        const at = base + start + slots[row]
        const sum = records[at] + amounts[row]
        records[at] = sum < LIMIT ? sum : LIMIT
        const total = records[base + totalAt] + amounts[row]
        records[base + totalAt] = total < LIMIT ? total : NaN
      }
      let value = records[base + totalAt]
      if (pane !== newest) value = this.held(base, w, newest, pane)
      else if (value !== value) {
        value = this.held(base, w, newest, pane)
        if (value < LIMIT) records[base + totalAt] = value
      }
      if (value >= LIMIT) saturated[row] = 1
      out[row] = value
    }
  }

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

  private held(base: number, w: number, newest: number, pane: number): number {
    const { panes } = this.windows[w]
    let sum = 0
    for (let k = Math.max(newest - panes, pane - panes) + 1; k <= pane; k++) {
      sum += this.records[base + this.starts[w] + (k % panes)]
      if (sum >= LIMIT) return LIMIT
    }
    return sum
  }

  encode(id: number, writer: ByteWriter): void {
    const base = id * this.stride
    for (let w = 0; w < this.windows.length; w++) {
      const start = base + this.starts[w]
      const { panes } = this.windows[w]
      writer.varint(this.records[base + w])
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
      this.records[base + this.windows.length + w] = total < LIMIT ? total : NaN
    }
  }
}
