/** From rows to plain objects, and from objects to objects: the cold side of a topology. */

import type { Batch } from './batch.ts'
import type { Item, Items, OperatorSpec, TaskContext } from './operator.ts'

/** rows: one object per row, or none (null). Cold: for alerts and the like. */
export function rows(
  name: string,
  needs: readonly string[],
  of: (batch: Batch, row: number, context: TaskContext) => object | null,
): OperatorSpec {
  return {
    word: 'rows',
    name,
    needs,
    adds: [],
    stores: [],
    uses: [],
    ports: ['out'],
    emits: 'items',
    create: (context) => ({
      process(input, emit) {
        const batch = input as Batch
        const items: Item[] = []
        for (let i = 0; i < batch.count; i++) {
          const row = batch.selection[i]
          const value = of(batch, row, context)
          if (value !== null) items.push({ row, value })
        }
        emit('out', items)
      },
    }),
  }
}

/** each: any number of objects for each object. */
export function each<In, Out>(name: string, of: (value: In, context: TaskContext) => readonly Out[]): OperatorSpec {
  return {
    word: 'each',
    name,
    needs: [],
    adds: [],
    stores: [],
    uses: [],
    ports: ['out'],
    emits: 'items',
    create: (context) => ({
      process(input, emit) {
        const items = (input as Items<In>).flatMap(({ row, value }) =>
          of(value, context).map((result): Item<Out> => ({ row, value: result })),
        )
        emit('out', items)
      },
    }),
  }
}

/** controls: objects for control records of a type; ordinary rows give none. */
export function controls(
  name: string,
  type: string,
  of: (value: Readonly<Record<string, unknown>>) => object,
): OperatorSpec {
  return {
    word: 'controls',
    name,
    needs: [],
    adds: [],
    stores: [],
    uses: [],
    ports: ['out'],
    emits: 'items',
    create: () => ({
      process: (_input, emit) => emit('out', []),
      control(control, emit) {
        if (control.type === type) emit('out', [{ row: control.row, value: of(control.value) }])
      },
    }),
  }
}
