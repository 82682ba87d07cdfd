/**
 * complete: merges the partials of all source tasks and gives a cycle when every one of them has closed it. Completeness
 * is counted, never estimated; merging is commutative on exact integers, so the interleaving of sources cannot matter.
 *
 * C1  A cycle is given when closedThrough of all N sources is at or past its end; cycles are given ascending.
 * C2  Per source the numbers (seq) are contiguous: a lower one is dropped and counted, a gap halts.
 * C3  What a source says about a cycle (its member list) is what it had said before its first closedThrough past it.
 */

import type { TaskState } from './backend.ts'
import { CodedError } from './errors.ts'
import type { Item, Items, OperatorSpec, TaskContext } from './operator.ts'
import type { DeltaBuilder, Store } from './store.ts'

/** Obligations of one cycle, added up over all sources; sorted by unit, debtor, creditor (UTF-8 bytes). */
export interface CompleteCycle<Said = unknown> {
  readonly cycleStart: number
  readonly cycleEnd: number
  readonly obligations: readonly {
    readonly payerBank: string
    readonly payeeBank: string
    readonly currency: string
    readonly count: bigint
    readonly amount: bigint
  }[]
  /** What each source task contributed, per unit. */
  readonly sources: readonly {
    readonly task: number
    readonly currency: string
    readonly count: bigint
    readonly amount: bigint
  }[]
  /** Sinks are to be cut after this cycle; a cut between cycles comes as a cycle without obligations. */
  readonly cut: boolean
  /** What source 0 had said last before it closed the cycle; null when nothing. */
  readonly said: Said | null
}

/** Record types by what they are to complete. */
export interface Complete {
  readonly partial: string
  readonly closed: string
  /** A record of a source that holds for the cycles that it closes afterwards. */
  readonly said: string
  readonly cycleMs: number
}

interface SourceRecord {
  readonly task: number
  readonly seq: number
}
interface Partial extends SourceRecord {
  readonly cycleStart: number
  readonly obligations: readonly {
    payerBank: string
    payeeBank: string
    currency: string
    count: number
    amount: bigint
  }[]
}

/**
 * While nobody waits (an import in the middle) sinks are cut after so many cycles: a block per cycle costs the table a
 * part each, 40 ms of a core, which is more than the payments of the cycle cost. A month of cycles stays one block per
 * five hours.
 */
const CYCLES_PER_CUT = 64

interface Closed {
  readonly closedThrough: number
  readonly cut: boolean
}

interface CompleteState {
  /** Per source: next seq, closedThrough. */
  next: number[]
  closedThrough: number[]
  /** Latest word of source 0, and which word holds up to which cycle end. */
  word: unknown
  words: { upTo: number; word: unknown }[]
  cuts: number[]
  sinceCut: number
  dropped: number
  /** Cycle start -> [unit, debtor, creditor] as JSON -> count, amount as decimal text. */
  cycles: [number, [string, string, string][], [string, string, string][]][]
}

interface Sum {
  count: bigint
  amount: bigint
}
interface Cycle {
  /** By [unit, debtor, creditor] and by [task, unit], as JSON. */
  readonly cells: Map<string, Sum>
  readonly sources: Map<string, Sum>
}

const addTo = (sums: Map<string, Sum>, key: string, count: bigint, amount: bigint): void => {
  const sum = sums.get(key) ?? { count: 0n, amount: 0n }
  sums.set(key, { count: sum.count + count, amount: sum.amount + amount })
}

export function complete(name: string, spec: Complete): OperatorSpec {
  return {
    word: 'complete',
    name,
    needs: [],
    adds: [],
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'items',
    create(context) {
      const merger = new CycleMerger(name, spec, context)
      context.stores.set(name, merger)
      return { process: (input, emit) => emit('out', merger.feed(input as Items<SourceRecord & { type: string }>)) }
    },
  }
}

export class CycleMerger implements Store {
  readonly name: string
  dirtyEntries = 0
  private readonly spec: Complete
  private readonly next: number[]
  private readonly closed: number[]
  private readonly cycles = new Map<number, Cycle>()
  private word: unknown = null
  private words: { upTo: number; word: unknown }[] = []
  /** Ends at which source 0 asked for a cut, ascending, not reached by all yet; cycles given since the last cut. */
  private cuts: number[] = []
  private sinceCut = 0
  /** Copies that were dropped (C2). */
  dropped = 0

  constructor(name: string, spec: Complete, context: TaskContext) {
    this.name = name
    this.spec = spec
    this.next = Array.from({ length: context.partitions }, () => 0)
    this.closed = Array.from({ length: context.partitions }, () => 0)
  }

  /** End up to which every source has closed its cycles. */
  get closedThrough(): number {
    return Math.min(...this.closed)
  }

  feed(items: Items<SourceRecord & { type: string }>): Items<CompleteCycle> {
    const out: Item<CompleteCycle>[] = []
    for (const { row, value } of items) {
      if (!this.inOrder(value)) continue
      this.dirtyEntries = 1
      if (value.type === this.spec.partial) this.add(value as unknown as Partial)
      else if (value.type === this.spec.closed) {
        this.raise(value.task, value as unknown as Closed)
        this.give(row, out)
      } else if (value.type === this.spec.said && value.task === 0) this.word = value
    }
    return out
  }

  private inOrder({ task, seq }: SourceRecord): boolean {
    if (task < 0 || task >= this.next.length)
      throw new CodedError('SLUICE_SEQUENCE_GAP', `source task ${task} is unknown`)
    if (seq < this.next[task]) {
      this.dropped++
      return false
    }
    if (seq > this.next[task]) {
      throw new CodedError('SLUICE_SEQUENCE_GAP', `source task ${task}: expected ${this.next[task]}, found ${seq}`)
    }
    this.next[task]++
    return true
  }

  private add({ task, cycleStart, obligations }: Partial): void {
    let cycle = this.cycles.get(cycleStart)
    if (cycle === undefined) this.cycles.set(cycleStart, (cycle = { cells: new Map(), sources: new Map() }))
    for (const { payerBank, payeeBank, currency, count, amount } of obligations) {
      addTo(cycle.cells, JSON.stringify([currency, payerBank, payeeBank]), BigInt(count), amount)
      addTo(cycle.sources, JSON.stringify([task, currency]), BigInt(count), amount)
    }
  }

  private raise(task: number, { closedThrough, cut }: Closed): void {
    if (closedThrough <= this.closed[task]) return
    this.closed[task] = closedThrough
    if (task !== 0) return
    this.words.push({ upTo: closedThrough, word: this.word })
    if (cut) this.cuts.push(closedThrough)
  }

  private give(row: number, out: Item<CompleteCycle>[]): void {
    const through = this.closedThrough
    const ready = [...this.cycles.keys()].filter((start) => start + this.spec.cycleMs <= through)
    for (const cycleStart of ready.sort((a, b) => a - b)) {
      const cycleEnd = cycleStart + this.spec.cycleMs
      const { cells, sources: bySource } = this.cycles.get(cycleStart) as Cycle
      const obligations = [...cells]
        .map(([key, { count, amount }]) => {
          const [currency, payerBank, payeeBank] = JSON.parse(key) as [string, string, string]
          return { payerBank, payeeBank, currency, count, amount }
        })
        .sort(
          (a, b) => bytes(a.currency, b.currency) || bytes(a.payerBank, b.payerBank) || bytes(a.payeeBank, b.payeeBank),
        )
      const sources = sourcesOf(bySource)
      const said = this.words.find(({ upTo }) => upTo >= cycleEnd)?.word ?? null
      this.cutUpTo(cycleEnd - 1, row, out)
      const cut = ++this.sinceCut >= CYCLES_PER_CUT
      if (cut) this.sinceCut = 0
      out.push({ row, value: { cycleStart, cycleEnd, obligations, sources, said, cut } })
      this.cycles.delete(cycleStart)
    }
    this.cutUpTo(through, row, out)
    // Words for cycles that are given are not asked for again; the latest closed one stays, for cycles behind it.
    while (this.words.length > 1 && this.words[0].upTo <= through) this.words.shift()
  }

  /** Cuts that were asked for at ends up to `through`; several in a row are one. */
  private cutUpTo(through: number, row: number, out: Item<CompleteCycle>[]): void {
    let end = -1
    while (this.cuts.length > 0 && this.cuts[0] <= through) end = this.cuts.shift() as number
    if (end < 0 || this.sinceCut === 0) return
    this.sinceCut = 0
    out.push({ row, value: { cycleStart: end, cycleEnd: end, obligations: [], sources: [], said: null, cut: true } })
  }

  /** What waits for other sources, per source task and unit. */
  waiting(): CompleteCycle['sources'] {
    return [...this.cycles.values()].flatMap(({ sources }) => sourcesOf(sources))
  }

  /** Records of a source that were merged: what it has written beyond that is on its way. */
  merged(task: number): number {
    return this.next[task]
  }

  /** Cycles that some sources have closed and others not, with what the former gave. For display. */
  waitingCycles(): { readonly cycleStart: number; readonly sources: CompleteCycle['sources'] }[] {
    return [...this.cycles].map(([cycleStart, { sources }]) => ({ cycleStart, sources: sourcesOf(sources) }))
  }

  save(delta: DeltaBuilder): void {
    if (this.dirtyEntries === 0) return
    const state: CompleteState = {
      next: this.next,
      closedThrough: this.closed,
      word: this.word,
      words: this.words,
      cuts: this.cuts,
      sinceCut: this.sinceCut,
      dropped: this.dropped,
      cycles: [...this.cycles].map(([start, { cells, sources }]) => [start, written(cells), written(sources)]),
    }
    delta.put(this.name, new TextEncoder().encode('merge'), new TextEncoder().encode(JSON.stringify(state)))
    this.dirtyEntries = 0
  }

  async load(stored: TaskState): Promise<void> {
    const [entry] = (await stored.list(this.name)).entries
    if (entry === undefined) return
    const state = JSON.parse(new TextDecoder().decode(entry.value)) as CompleteState
    state.next.forEach((next, task) => (this.next[task] = next))
    state.closedThrough.forEach((end, task) => (this.closed[task] = end))
    this.word = state.word
    this.words = state.words
    this.cuts = state.cuts
    this.sinceCut = state.sinceCut
    this.dropped = state.dropped
    for (const [start, cells, sources] of state.cycles) {
      this.cycles.set(start, { cells: read(cells), sources: read(sources) })
    }
  }
}

const sourcesOf = (sums: Map<string, Sum>): CompleteCycle['sources'] =>
  [...sums].map(([key, sum]) => {
    const [task, currency] = JSON.parse(key) as [number, string]
    return { task, currency, ...sum }
  })

const written = (sums: Map<string, Sum>): [string, string, string][] =>
  [...sums].map(([key, { count, amount }]) => [key, count.toString(), amount.toString()])

const read = (sums: readonly [string, string, string][]): Map<string, Sum> =>
  new Map(sums.map(([key, count, amount]) => [key, { count: BigInt(count), amount: BigInt(amount) }]))

/** Order of texts by their UTF-8 bytes. */
const bytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
