/**
 * against: resolves records that refer to an earlier one (returns against their payments), in row order, after the
 * decisions of the step; and writes every decision into the entry of its record. Nothing feeds back into features.
 */

import type { Batch } from './batch.ts'
import type { OperatorSpec } from './operator.ts'
import type { SeenStore } from './seen.ts'

/** What a verdict on a referring record may look at. */
export interface Referred {
  readonly kind: number
  readonly currencyCode: number
  readonly amountMinor: number
  readonly returned: number
  readonly outcome: number
}

export interface Against {
  /** Store of deduplicate, which remembers amountMinor, returned, currencyCode, kind and outcome. */
  readonly store: string
  /** outcome + 4 * because. */
  readonly verdict: (amountMinor: number, currencyCode: number, original: Referred | null) => number
}

/** Outcome code of decide for rows that are resolved here. */
const REFERS = 3
const APPROVED = 0

/** Reads and writes an entry by the names of its numbers and codes. */
export class Entries {
  readonly store: SeenStore
  private readonly amount: number
  private readonly drawn: number
  private readonly currency: number
  private readonly kind: number
  private readonly outcome: number

  constructor(store: SeenStore) {
    this.store = store
    this.amount = store.numbers.indexOf('amountMinor')
    this.drawn = store.numbers.indexOf('returned')
    this.currency = store.codes.indexOf('currencyCode')
    this.kind = store.codes.indexOf('kind')
    this.outcome = store.codes.indexOf('outcome')
  }

  referred(entry: number): Referred | null {
    const { store } = this
    if (entry < 0) return null
    return {
      kind: store.code(entry, this.kind),
      currencyCode: store.code(entry, this.currency),
      amountMinor: store.number(entry, this.amount),
      returned: store.number(entry, this.drawn),
      outcome: store.code(entry, this.outcome),
    }
  }

  setOutcome(entry: number, outcome: number): void {
    if (entry >= 0) this.store.setCode(entry, this.outcome, outcome)
  }

  addReturned(entry: number, amountMinor: number): void {
    if (entry >= 0) this.store.setNumber(entry, this.drawn, drawn(this.store.number(entry, this.drawn), amountMinor))
  }
}

/** What was drawn in all. It stops at 2^53, the largest amount there is: nothing can be drawn from there on. */
export const drawn = (before: number, amountMinor: number): number => Math.min(before + amountMinor, 2 ** 53)

export function against(name: string, spec: Against): OperatorSpec {
  return {
    word: 'against',
    name,
    needs: ['outcome', 'because', 'amountMinor', 'currencyCode'],
    adds: [],
    stores: [],
    uses: [spec.store],
    ports: ['out'],
    emits: 'batch',
    create(context) {
      const entries = new Entries(context.stores.get(spec.store) as SeenStore)
      return {
        process(input, emit) {
          resolve(input as Batch, entries, spec)
          emit('out', input)
        },
      }
    },
  }
}

function resolve(batch: Batch, entries: Entries, spec: Against): void {
  const { selection, count } = batch
  const outcome = batch.code('outcome')
  const because = batch.code('because')
  const amount = batch.number('amountMinor')
  const currency = batch.code('currencyCode')
  const { entryOfRow, originalOfRow } = entries.store
  let some = false
  for (let i = 0; i < count; i++) {
    const row = selection[i]
    if (outcome[row] === REFERS) some = true
    else if (outcome[row] !== APPROVED) entries.setOutcome(entryOfRow[row], outcome[row])
  }
  if (!some) return
  for (let i = 0; i < count; i++) {
    const row = selection[i]
    if (outcome[row] !== REFERS) continue
    const original = originalOfRow[row]
    const verdict = spec.verdict(amount[row], currency[row], entries.referred(original))
    outcome[row] = verdict & 3
    because[row] = verdict >> 2
    if (outcome[row] === APPROVED) entries.addReturned(original, amount[row])
    else entries.setOutcome(entryOfRow[row], outcome[row])
  }
}
