/** tally: counts rows and adds an amount by the values of code columns; what a balance sheet is added up from. */

import type { TaskState } from './backend.ts'
import type { Batch } from './batch.ts'
import type { OperatorSpec } from './operator.ts'
import type { DeltaBuilder, Store } from './store.ts'

export interface Tally {
  /** One or two code columns; a group per pair of codes. */
  readonly by: readonly string[]
  /** Number column that is added up, exactly. */
  readonly sum: string
}

/** A group: its codes, how many rows, and their sum. */
export interface TallyGroup {
  readonly codes: readonly number[]
  readonly count: number
  readonly sum: bigint
}

/** Sums are kept as high * 2^32 + low, so that adding integers up to 2^53 stays exact in doubles. */
const SPLIT = 2 ** 32
/** From here on the low part is carried over: far below 2^53, where doubles would round. */
const CARRY = 2 ** 52

export function tally(name: string, spec: Tally): OperatorSpec {
  return {
    word: 'tally',
    name,
    needs: [...spec.by, spec.sum],
    adds: [],
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'batch',
    create(context) {
      const store = new TallyStore(name, spec.by.length)
      context.stores.set(name, store)
      return {
        process(input, emit) {
          store.feed(input as Batch, spec)
          emit('out', input)
        },
      }
    },
  }
}

export class TallyStore implements Store {
  readonly name: string
  dirtyEntries = 0
  private readonly width: number
  /** Groups by codes[0] * 256 + codes[1]. */
  private readonly counts = new Float64Array(65_536)
  private readonly high = new Float64Array(65_536)
  private readonly low = new Float64Array(65_536)

  constructor(name: string, width: number) {
    this.name = name
    this.width = width
  }

  feed(batch: Batch, spec: Tally): void {
    const { selection, count } = batch
    if (count === 0) return
    const first = batch.code(spec.by[0])
    const second = spec.by.length > 1 ? batch.code(spec.by[1]) : null
    const amounts = batch.number(spec.sum)
    const { counts, high, low } = this
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const group = second === null ? first[row] << 8 : (first[row] << 8) | second[row]
      const amount = amounts[row]
      const upper = Math.floor(amount / SPLIT)
      counts[group]++
      high[group] += upper
      low[group] += amount - upper * SPLIT
      if (low[group] >= CARRY) {
        high[group] += Math.floor(low[group] / SPLIT)
        low[group] %= SPLIT
      }
    }
    this.dirtyEntries = 1
  }

  groups(): TallyGroup[] {
    const groups: TallyGroup[] = []
    // A plain loop: the balance sheet of a line that runs is read every second, and a callback per group costs ten times.
    for (let group = 0; group < this.counts.length; group++) {
      const count = this.counts[group]
      if (count === 0) continue
      const codes = [group >> 8, group & 255].slice(0, this.width)
      groups.push({ codes, count, sum: BigInt(this.high[group]) * BigInt(SPLIT) + BigInt(this.low[group]) })
    }
    return groups
  }

  async load(state: TaskState): Promise<void> {
    const [entry] = (await state.list(this.name)).entries
    if (entry !== undefined) this.restore(decodeTally(entry.value))
  }

  private restore(groups: readonly TallyGroup[]): void {
    for (const { codes, count, sum } of groups) {
      const group = (codes[0] << 8) | (codes[1] ?? 0)
      this.counts[group] = count
      this.high[group] = Number(sum / BigInt(SPLIT))
      this.low[group] = Number(sum % BigInt(SPLIT))
    }
  }

  save(delta: DeltaBuilder): void {
    if (this.dirtyEntries === 0) return
    const text = JSON.stringify(this.groups().map(({ codes, count, sum }) => [codes, count, sum.toString()]))
    delta.put(this.name, new TextEncoder().encode('groups'), new TextEncoder().encode(text))
    this.dirtyEntries = 0
  }
}

/** Groups as a tally stored them. */
export function decodeTally(value: Uint8Array): TallyGroup[] {
  const rows = JSON.parse(new TextDecoder().decode(value)) as [number[], number, string][]
  return rows.map(([codes, count, sum]) => ({ codes, count, sum: BigInt(sum) }))
}
