/** totals: adds up fields of items by a key, exactly, for as long as the log lives; for balance sheets. */

import type { TaskState } from './backend.ts'
import type { Items, OperatorSpec } from './operator.ts'
import type { DeltaBuilder, Store } from './store.ts'

/** An item that is added up: its key and amounts. */
export interface Summand {
  readonly key: string
  readonly amounts: Readonly<Record<string, bigint>>
}

export function totals(name: string): OperatorSpec {
  return {
    word: 'totals',
    name,
    needs: [],
    adds: [],
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'items',
    create(context) {
      const store = new TotalsStore(name)
      context.stores.set(name, store)
      return {
        process(input, emit) {
          for (const { value } of input as Items<Summand>) store.add(value)
          emit('out', input)
        },
      }
    },
  }
}

export class TotalsStore implements Store {
  readonly name: string
  private readonly sums = new Map<string, Map<string, bigint>>()
  private readonly changed = new Set<string>()

  constructor(name: string) {
    this.name = name
  }

  add({ key, amounts }: Summand): void {
    let sums = this.sums.get(key)
    if (sums === undefined) this.sums.set(key, (sums = new Map()))
    for (const [field, amount] of Object.entries(amounts)) sums.set(field, (sums.get(field) ?? 0n) + amount)
    this.changed.add(key)
  }

  /** The sum of a field under a key, 0 when there is none. */
  sum(key: string, field: string): bigint {
    return this.sums.get(key)?.get(field) ?? 0n
  }

  keys(): string[] {
    return [...this.sums.keys()].sort()
  }

  get dirtyEntries(): number {
    return this.changed.size
  }

  save(delta: DeltaBuilder): void {
    for (const key of this.changed) {
      const sums = [...(this.sums.get(key) ?? [])].map(([field, amount]) => [field, amount.toString()])
      delta.put(this.name, new TextEncoder().encode(key), new TextEncoder().encode(JSON.stringify(sums)))
    }
    this.changed.clear()
  }

  async load(state: TaskState): Promise<void> {
    for (const { key, value } of (await state.list(this.name)).entries) {
      const sums = JSON.parse(new TextDecoder().decode(value)) as [string, string][]
      this.sums.set(new TextDecoder().decode(key), new Map(sums.map(([field, amount]) => [field, BigInt(amount)])))
    }
  }
}
