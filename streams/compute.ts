/** compute: a number column by a formula over the numbers and codes of the same row. */

import type { Batch } from './batch.ts'
import { compiledOnce } from './compiled.ts'
import { valuesOf } from './decide.ts'
import { numberColumn } from './features/aggregate.ts'
import type { OperatorSpec } from './operator.ts'

export interface Compute {
  /** Name of the column that it adds. */
  readonly gives: string
  readonly needs: readonly string[]
  /** Pure: of the row's values in the order of `needs`; NaN is absent. */
  readonly of: (...values: number[]) => number
}

type ComputeLoop = (
  of: Compute['of'],
  selection: Int32Array,
  count: number,
  out: Float64Array,
  columns: readonly (Float64Array | Uint8Array)[],
) => void

export function compute(name: string, spec: Compute): OperatorSpec {
  return {
    word: 'compute',
    name,
    needs: spec.needs,
    adds: [spec.gives],
    stores: [],
    uses: [],
    ports: ['out'],
    emits: 'batch',
    create() {
      const text = `${spec.needs.map((_, i) => `const c${i} = columns[${i}]`).join('\n')}
        for (let i = 0; i < count; i++) {
          const row = selection[i]
          out[row] = of(${spec.needs.map((_, i) => `c${i}[row]`).join(', ')})
        }
//# sourceURL=compiled/formula`
      // One loop per formula, so that the call is inlined.
      const loop = compiledOnce(
        spec.of,
        text,
        // oxlint-disable-next-line typescript/no-implied-eval -- from our own specification only
        () => new Function('of, selection, count, out, columns', text) as ComputeLoop,
      )
      return {
        process(input, emit) {
          const batch = input as Batch
          const columns = spec.needs.map((column) => valuesOf(batch, column))
          loop(spec.of, batch.selection, batch.count, numberColumn(batch, spec.gives), columns)
          emit('out', batch)
        },
      }
    },
  }
}
