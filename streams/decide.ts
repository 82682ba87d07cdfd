/** decide: a pure verdict per row, from numbers and codes; as two code columns, what and why. */

import type { Batch } from './batch.ts'
import { compiledOnce } from './compiled.ts'
import { codeColumn } from './features/aggregate.ts'
import type { OperatorSpec } from './operator.ts'

export interface Decide {
  readonly needs: readonly string[]
  /** outcome + 4 * because. */
  readonly verdict: (...values: number[]) => number
}

type DecideLoop = (
  verdict: Decide['verdict'],
  selection: Int32Array,
  count: number,
  outcome: Uint8Array,
  because: Uint8Array,
  columns: readonly (Float64Array | Uint8Array)[],
) => void

/** Adds `outcome` and `because`. */
export function decide(name: string, spec: Decide): OperatorSpec {
  return {
    word: 'decide',
    name,
    needs: spec.needs,
    adds: ['outcome', 'because'],
    stores: [],
    uses: [],
    ports: ['out'],
    emits: 'batch',
    create() {
      const text = `${spec.needs.map((_, i) => `const c${i} = columns[${i}]`).join('\n')}
        for (let i = 0; i < count; i++) {
          const row = selection[i]
          const code = verdict(${spec.needs.map((_, i) => `c${i}[row]`).join(', ')})
          outcome[row] = code & 3
          because[row] = code >> 2
        }
//# sourceURL=compiled/verdict`
      // One loop per verdict function, so that the call is inlined.
      const loop = compiledOnce(
        spec.verdict,
        text,
        // oxlint-disable-next-line typescript/no-implied-eval -- from our own specification only
        () => new Function('verdict, selection, count, outcome, because, columns', text) as DecideLoop,
      )
      return {
        process(input, emit) {
          const batch = input as Batch
          const columns = spec.needs.map((column) => valuesOf(batch, column))
          const { selection, count } = batch
          loop(spec.verdict, selection, count, codeColumn(batch, 'outcome'), codeColumn(batch, 'because'), columns)
          emit('out', batch)
        },
      }
    },
  }
}

/** Values of a number or code column. */
export function valuesOf(batch: Batch, name: string): Float64Array | Uint8Array {
  const column = batch.frame.columns.get(name)
  if (column?.kind !== 'number' && column?.kind !== 'code') throw new Error(`no number or code column '${name}'`)
  return column.values
}
