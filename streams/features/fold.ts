/** A fold per key: a few numbers that a pure step reads and writes, answering with one feature. */

import type { Batch } from '../batch.ts'
import type { ByteReader, ByteWriter } from '../bytes.ts'
import { compiledOnce } from '../compiled.ts'
import { type Aggregate, numberColumn } from './aggregate.ts'

/** Rows whose state is touched ahead of their update, so that cache misses of different rows overlap. */
const AHEAD = 256

/**
 * `step` gets the values of the `needs` columns of a row as numbers (codes as their index, 255 = absent) and the key's
 * state, which it changes in place; it returns the feature, NaN when absent. All state starts at 0.
 */
export interface Fold {
  readonly name: string
  readonly needs: readonly string[]
  /** Length of the shortest time it is meaningful for, ms: absent for coarser precision; -1 when it always is. */
  readonly windowMs: number
  readonly slots: number
  readonly step: (state: Float64Array, at: number, ...values: number[]) => number
}

type FoldLoop = (
  step: Fold['step'],
  selection: Int32Array,
  count: number,
  ids: Int32Array,
  records: Float64Array,
  out: Float64Array,
  columns: readonly (Float64Array | Uint8Array)[],
) => number

export class FoldCell implements Aggregate {
  readonly features
  private readonly fold: Fold
  private readonly loop: FoldLoop
  private records = new Float64Array(0)
  /** Keeps the look-ahead pass from being optimised away. */
  touched = 0

  constructor(fold: Fold) {
    this.fold = fold
    this.features = [{ name: fold.name, windowMs: fold.windowMs }]
    // One loop per fold: a loop shared by several steps would call them megamorphically.
    const columns = fold.needs.map((_, i) => `const c${i} = columns[${i}]`).join('\n')
    const values = fold.needs.map((_, i) => `c${i}[row]`).join(', ')
    const text = `${columns}
      let touched = 0
      for (let from = 0; from < count; from += ${AHEAD}) {
        const to = from + ${AHEAD} < count ? from + ${AHEAD} : count
        for (let i = from; i < to; i++) touched += records[ids[selection[i]] * ${fold.slots}]
        for (let i = from; i < to; i++) {
          const row = selection[i]
          out[row] = step(records, ids[row] * ${fold.slots}, ${values})
        }
      }
      return touched
//# sourceURL=compiled/fold`
    this.loop = compiledOnce(
      fold.step,
      text,
      // oxlint-disable-next-line typescript/no-implied-eval -- from our own specification only
      () => new Function('step, selection, count, ids, records, out, columns', text) as FoldLoop,
    )
  }

  grow(capacity: number): void {
    const records = new Float64Array(capacity * this.fold.slots)
    records.set(this.records)
    this.records = records
  }

  feed(batch: Batch, ids: Int32Array): void {
    const columns = this.fold.needs.map((name) => {
      const column = batch.frame.columns.get(name)
      if (column?.kind !== 'number' && column?.kind !== 'code') throw new Error(`no number or code column '${name}'`)
      return column.values
    })
    const out = numberColumn(batch, this.fold.name)
    this.touched = this.loop(this.fold.step, batch.selection, batch.count, ids, this.records, out, columns)
  }

  encode(id: number, writer: ByteWriter): void {
    for (let k = 0; k < this.fold.slots; k++) writer.double(this.records[id * this.fold.slots + k])
  }

  decode(id: number, reader: ByteReader): void {
    for (let k = 0; k < this.fold.slots; k++) this.records[id * this.fold.slots + k] = reader.double()
  }
}
