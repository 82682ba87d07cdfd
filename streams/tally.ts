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

/** A page holds the groups of one first code: 256 second codes, three numbers each. */
const PAGE = 256 * 3
const COUNT = 0
const HIGH = 1
const LOW = 2

export class TallyStore implements Store {
  readonly name: string
  dirtyEntries = 0
  private readonly width: number
  /** By first code; made when it is met, for most of the 65,536 pairs never are. */
  private readonly pages: (Float64Array | undefined)[] = Array.from({ length: 256 })

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
    const { pages } = this
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const page = pages[first[row]] ?? this.pageOf(first[row])
      const group = second === null ? 0 : second[row] * 3
      const amount = amounts[row]
      const upper = Math.floor(amount / SPLIT)
      page[group + COUNT]++
      page[group + HIGH] += upper
      page[group + LOW] += amount - upper * SPLIT
      if (page[group + LOW] >= CARRY) {
        page[group + HIGH] += Math.floor(page[group + LOW] / SPLIT)
        page[group + LOW] %= SPLIT
      }
    }
    this.dirtyEntries = 1
  }

  private pageOf(code: number): Float64Array {
    return (this.pages[code] ??= new Float64Array(PAGE))
  }

  groups(): TallyGroup[] {
    const groups: TallyGroup[] = []
    // Plain loops: the balance sheet of a line that runs is read every second, and a callback per group costs ten times.
    for (let first = 0; first < this.pages.length; first++) {
      const page = this.pages[first]
      if (page === undefined) continue
      for (let second = 0; second < 256; second++) {
        const group = second * 3
        const count = page[group + COUNT]
        if (count === 0) continue
        const sum = BigInt(page[group + HIGH]) * BigInt(SPLIT) + BigInt(page[group + LOW])
        groups.push({ codes: [first, second].slice(0, this.width), count, sum })
      }
    }
    return groups
  }

  async load(state: TaskState): Promise<void> {
    const [entry] = (await state.list(this.name)).entries
    if (entry !== undefined) this.restore(decodeTally(entry.value))
  }

  private restore(groups: readonly TallyGroup[]): void {
    for (const { codes, count, sum } of groups) {
      const page = this.pageOf(codes[0])
      const group = (codes[1] ?? 0) * 3
      page[group + COUNT] = count
      page[group + HIGH] = Number(sum / BigInt(SPLIT))
      page[group + LOW] = Number(sum % BigInt(SPLIT))
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
