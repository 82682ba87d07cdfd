/** The words of the settlement topology: netting and what is written of it. */

import { net, settlementAccountOf, type CurrencySettlement, type Members } from '../processors/net.ts'
import { instructionId } from '../schemas/ids.ts'
import type { Settings } from '../schemas/settings.ts'
import { records } from '../schemas/topics.ts'
import type { CompleteCycle, ObjectSink, ObjectSource, Summand } from '../streams/index.ts'

export const partials: ObjectSource = {
  objects: true,
  columns: [],
  records: [records.cyclePartial, records.closedThrough, records.membersInForce],
}

export const byCounting = (settings: Settings) => ({
  partial: records.cyclePartial.name,
  closed: records.closedThrough.name,
  said: records.membersInForce.name,
  cycleMs: settings.cycleMs,
})

/** A cycle with its netting, per currency. */
export interface NettedCycle {
  readonly cycleStart: number
  readonly cycleEnd: number
  readonly members: Members | null
  readonly currencies: readonly CurrencySettlement[]
  readonly sources: CompleteCycle['sources']
  readonly cut: boolean
}

export function netting({ cycleStart, cycleEnd, obligations, sources, said, cut }: CompleteCycle): NettedCycle[] {
  const list = said as Members | null
  const members = list === null || list.anyBank ? null : list
  return [{ cycleStart, cycleEnd, members, sources, cut, currencies: net(obligations, members) }]
}

/** For the balance sheet: by currency, and by source task and currency. */
export const settledTotals = ({ currencies, sources }: NettedCycle): Summand[] => [
  ...currencies.map(({ currency, count, gross, net: paid, positions }) => ({
    key: currency,
    amounts: {
      count,
      gross,
      net: paid,
      instructions: BigInt(positions.filter((p) => p.net !== 0n).length),
      pay: positions.reduce((sum, p) => (p.net < 0n ? sum - p.net : sum), 0n),
      receive: positions.reduce((sum, p) => (p.net > 0n ? sum + p.net : sum), 0n),
    },
  })),
  ...sources.map(({ task, currency, count, amount }) => ({ key: `${task} ${currency}`, amounts: { count, amount } })),
]

/** Cuts the sink's blocks after the last output of a cycle, where the merge says so. */
const markOf = ({ cycleEnd, cut }: NettedCycle) => (cut ? [{ type: 'mark', logicalTime: cycleEnd }] : [])

export const settlements =
  ({ cycleMs }: Settings) =>
  (cycle: NettedCycle): object[] => [
    ...cycle.currencies.map((settlement) => ({
      ...settlement,
      cycleStart: cycle.cycleStart,
      cycleLengthMs: cycleMs,
      count: Number(settlement.count),
      onUsCount: Number(settlement.onUsCount),
      logicalTime: cycle.cycleEnd,
    })),
    ...markOf(cycle),
  ]

export const instructions =
  ({ scheme, cycleMs }: Settings) =>
  (cycle: NettedCycle): object[] => [
    ...cycle.currencies.flatMap(({ currency, positions }) =>
      positions
        .filter((position) => position.net !== 0n)
        .map((position) => ({
          instructionId: instructionId(scheme, cycle.cycleStart, cycleMs, position.member, currency),
          scheme,
          cycleStart: cycle.cycleStart,
          cycleLengthMs: cycleMs,
          member: position.member,
          currency,
          direction: position.net < 0n ? 'PAY' : 'RECEIVE',
          amount: position.net < 0n ? -position.net : position.net,
          settlementAccount: settlementAccountOf(position.member, cycle.members),
          logicalTime: cycle.cycleEnd,
        })),
    ),
    ...markOf(cycle),
  ]

const objectSink = { objects: true, needs: [] } as const
export const settlementRecord: ObjectSink = { ...objectSink, records: [records.settlement], key: 'currency' }
export const instructionRecord: ObjectSink = { ...objectSink, records: [records.instruction], key: 'instructionId' }
