/** What a keyed table can hold per key: an aggregate that is fed row by row and answers with feature columns. */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'

/** A window as panes: it counts what lies in the last `panes` panes of `paneMs` each, the current one included. */
export interface PaneWindow {
  readonly name: string
  readonly paneMs: number
  readonly panes: number
}

/** Pane numbers of a batch's rows, worked out once per batch for all tables with the same windows. */
export interface PaneNumbers {
  /** Per window and row: floor(T / paneMs). */
  readonly index: readonly Float64Array[]
  /** Per window and row: index modulo panes. */
  readonly slot: readonly Int32Array[]
}

/**
 * What a table keeps of each key in one cache line: whether it has changed (word 0), and where each aggregate has its
 * block. In an array of its own each of these would be a line of its own.
 */
export class KeyLines {
  words = new Int32Array(0)
  readonly stride: number
  constructor(aggregates: number) {
    this.stride = aggregates + 1
  }

  grow(capacity: number): void {
    const words = new Int32Array(capacity * this.stride)
    words.set(this.words)
    this.words = words
  }
}

export interface Aggregate {
  /** Feature columns that `feed` fills: name and window, -1 for none. */
  readonly features: readonly { readonly name: string; readonly windowMs: number }[]
  /** Makes room for so many keys; word `at` of each key's line is this aggregate's. */
  grow(capacity: number, lines: KeyLines, at: number): void
  /** Feeds the selected rows in order; ids[row] is the row's key. */
  feed(batch: Batch, ids: Int32Array, panes: PaneNumbers): void
  encode(id: number, writer: ByteWriter): void
  decode(id: number, reader: ByteReader): void
}

/** Fills `numbers` for the selected rows. Exact: quotients of integers below 2^53 by at most 60 round to the right floor. */
export function numberPanes(
  batch: Batch,
  time: Float64Array,
  windows: readonly PaneWindow[],
  numbers: PaneNumbers,
): void {
  const { selection, count } = batch
  for (let w = 0; w < windows.length; w++) {
    const { paneMs, panes } = windows[w]
    const index = numbers.index[w]
    const slot = numbers.slot[w]
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const pane = Math.floor(time[row] / paneMs)
      index[row] = pane
      slot[row] = pane - Math.floor(pane / panes) * panes
    }
  }
}

export const numberColumn = (batch: Batch, name: string): Float64Array => {
  const { columns, streamTime } = batch.frame
  const column = columns.get(name)
  if (column?.kind === 'number' && column.values.length >= streamTime.length) return column.values
  const values = new Float64Array(streamTime.length)
  columns.set(name, { kind: 'number', values })
  return values
}

export const codeColumn = (batch: Batch, name: string): Uint8Array => {
  const { columns, streamTime } = batch.frame
  const column = columns.get(name)
  if (column?.kind === 'code' && column.values.length >= streamTime.length) return column.values
  const values = new Uint8Array(streamTime.length)
  columns.set(name, { kind: 'code', values })
  return values
}
