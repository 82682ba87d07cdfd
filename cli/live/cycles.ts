/** Cycles as the page shows them: filling and closing from the tasks, settled ones from the settlements in the log. */

import type { CycleCurrency, CycleView, PositionView } from '../../dashboard/snapshot.ts'
import type { SettlementRecord } from '../../schemas/generated.ts'
import { records, topics } from '../../schemas/topics.ts'
import { CycleMerger } from '../../streams/index.ts'
import type { LineView } from '../line-view.ts'
import { store } from '../sheet.ts'
import { endsOf, Tail } from './tail.ts'
import type { Troubles } from './troubles.ts'

const SHOWN = 12
/** Settlements read at the start: the shown cycles, should each have settled in 50 currencies. */
const BACK = SHOWN * 51

interface Accumulating {
  sums(): { cycleStart: number; units: readonly { unit: string; count: number; amount: bigint }[] }[]
}

interface Sum {
  count: number
  amount: bigint
}

export interface SettledView {
  readonly cycles: readonly CycleView[]
  readonly positionsOf: number | null
  readonly positions: readonly PositionView[]
}

export class LiveCycles {
  /** By cycle start, then currency. */
  private readonly settlements = new Map<number, Map<string, SettlementRecord>>()
  private readonly engine: LineView
  private readonly troubles: Troubles
  private tail: Tail<SettlementRecord> | null = null

  constructor(engine: LineView, troubles: Troubles) {
    this.engine = engine
    this.troubles = troubles
  }

  async start(): Promise<void> {
    const { log } = this.engine.line.backend
    this.tail = new Tail<SettlementRecord>({
      log,
      topic: topics.settlements.name,
      type: records.settlement,
      schemas: this.engine.line.schemas,
      from: await endsOf(log, topics.settlements.name, BACK),
      failed: this.troubles.ended,
      interrupted: this.troubles.passing(),
      deliver: (settlement) => this.add(settlement),
    })
  }

  async close(): Promise<void> {
    this.tail?.stop()
    await this.tail?.done
  }

  private add(settlement: SettlementRecord): void {
    const { cycleStart, currency } = settlement
    let cycle = this.settlements.get(cycleStart)
    if (cycle === undefined) {
      this.settlements.set(cycleStart, (cycle = new Map()))
      if (this.settlements.size > SHOWN) this.settlements.delete(Math.min(...this.settlements.keys()))
    }
    cycle.set(currency, settlement)
  }

  /** The latest settled cycles, newest first, and where the banks stand after the newest. */
  settled(): SettledView {
    const { partitions, cycleMs } = this.engine.line.settings
    const starts = [...this.settlements.keys()].sort((a, b) => b - a)
    const latest = starts.length === 0 ? [] : sorted(this.settlements.get(starts[0]) as Map<string, SettlementRecord>)
    return {
      cycles: starts.map((start) => ({
        start,
        lengthMs: cycleMs,
        state: 'settled' as const,
        closedBy: partitions,
        sources: partitions,
        currencies: sorted(this.settlements.get(start) as Map<string, SettlementRecord>).map((one) => ({
          currency: one.currency,
          count: one.count,
          grossMinor: one.gross.toString(),
          netMinor: one.net.toString(),
        })),
      })),
      positionsOf: starts[0] ?? null,
      positions: latest.flatMap(({ currency, positions }) =>
        positions.map(({ member, net }) => ({ member, currency, netMinor: net.toString() })),
      ),
    }
  }

  /** Cycles that are not settled, newest first; the one of now among them, also while it is empty. */
  open(): CycleView[] {
    const { cycleMs, partitions } = this.engine.line.settings
    const sources = this.engine.tasks.slice(0, -1)
    const cycles = new Map<number, Map<string, Sum>>()
    const add = (start: number, currency: string, count: number, amount: bigint): void => {
      let sums = cycles.get(start)
      if (sums === undefined) cycles.set(start, (sums = new Map()))
      const sum = sums.get(currency) ?? { count: 0, amount: 0n }
      sums.set(currency, { count: sum.count + count, amount: sum.amount + amount })
    }
    for (const task of sources) {
      for (const { cycleStart, units } of (task.processor.stores.get('cycles') as unknown as Accumulating).sums())
        for (const { unit, count, amount } of units) add(cycleStart, unit, count, amount)
    }
    const merger = store(this.engine.tasks[this.engine.tasks.length - 1], 'merge', CycleMerger)
    for (const { cycleStart, sources: given } of merger.waitingCycles())
      for (const { currency, count, amount } of given) add(cycleStart, currency, Number(count), amount)
    const clocks = sources.map((task) => task.processor.clock())
    const streamTime = Math.min(...clocks.map((clock) => clock?.streamTime ?? 0))
    const now = Math.floor(streamTime / cycleMs) * cycleMs
    if (streamTime > 0 && !cycles.has(now)) cycles.set(now, new Map())
    return [...cycles]
      .filter(([start]) => !this.settlements.has(start))
      .sort(([a], [b]) => b - a)
      .map(([start, sums]) => {
        const end = start + cycleMs
        return {
          start,
          lengthMs: cycleMs,
          state: end > streamTime ? ('filling' as const) : ('closing' as const),
          closedBy: clocks.filter((clock) => (clock?.closedThrough ?? 0) >= end).length,
          sources: partitions,
          currencies: [...sums]
            .map(([currency, { count, amount }]): CycleCurrency => {
              return { currency, count, grossMinor: amount.toString(), netMinor: null }
            })
            .sort((a, b) => (a.currency < b.currency ? -1 : 1)),
        }
      })
  }

  /** Open and settled ones, newest first, as many as the page shows; open ones are never pushed out. */
  shown(settled: SettledView, open: readonly CycleView[]): CycleView[] {
    const room = Math.max(0, SHOWN - open.length)
    return [...open.slice(0, SHOWN), ...settled.cycles.slice(0, room)].sort((a, b) => b.start - a.start)
  }
}

const sorted = (cycle: Map<string, SettlementRecord>): SettlementRecord[] =>
  [...cycle.values()].sort((a, b) => (a.currency < b.currency ? -1 : 1))
