/** The life of one transaction as one view: what came, what was decided and why, what operators did, where it settled. */

import type { InstructionView, TransactionView } from '../../intake/http/ports.ts'
import type {
  DecisionRecord,
  HoldEventRecord,
  InstructionRecord,
  TransactionOutcomeRecord,
  TransactionRecord,
} from '../../schemas/generated.ts'

/** Everything that is known under one producer, id and payer account. */
export interface Life {
  readonly outcomes: TransactionOutcomeRecord[]
  readonly decisions: DecisionRecord[]
  readonly holdEvents: HoldEventRecord[]
  /** In the log and not decided. */
  readonly queued: TransactionRecord[]
}

/** What of the cycles one has to know. */
export interface Cycles {
  readonly lengthMs: number
  /** Cycles that end by then are settled. */
  readonly settledThrough: number
}

/** Lives by payer account, each record once whether it came from the log, from the tables or from both. */
export function livesOf(all: Life): Map<string, Life> {
  const lives = new Map<string, Life>()
  const of = (account: string): Life => {
    let life = lives.get(account)
    if (life === undefined) lives.set(account, (life = { outcomes: [], decisions: [], holdEvents: [], queued: [] }))
    return life
  }
  for (const one of once(all.outcomes)) of(one.transaction.payerAccount).outcomes.push(one)
  for (const one of once(all.decisions)) of(one.payerAccount).decisions.push(one)
  for (const one of once(all.holdEvents)) of(one.payerAccount).holdEvents.push(one)
  for (const one of all.queued) of(one.payerAccount).queued.push(one)
  return lives
}

/** By task and number, which name a record wherever it is read. */
function once<T extends { readonly task: number; readonly seq: number }>(some: readonly T[]): T[] {
  const byNumber = new Map(some.map((one) => [`${one.task}/${one.seq}`, one]))
  return [...byNumber.values()].sort((a, b) => a.task - b.task || a.seq - b.seq)
}

/** Null when nothing was accepted and nothing waits. Instructions are added by who has them. */
export function viewOf(life: Life, cycles: Cycles): TransactionView | null {
  // An id that came again after the horizon was accepted again: the latest is the one that is asked for.
  const outcome = life.outcomes.findLast((one) => one.outcome === 'ACCEPTED') ?? life.outcomes.at(-1)
  const transaction = outcome?.transaction ?? life.queued.at(-1)
  if (transaction === undefined) return null
  const decision = life.decisions.at(-1)
  const cycle = decision === undefined ? null : cycleOf(life, decision)
  const { timePrecision: _, amountMinor, ...fields } = transaction
  return {
    ...fields,
    amountMinor: String(amountMinor),
    state: stateOf(life, decision, cycle, cycles),
    duplicates: life.outcomes.filter((one) => one.outcome === 'DUPLICATE').length,
    conflicts: life.outcomes.filter((one) => one.outcome === 'CONFLICTING').length,
    receipt: decision === undefined ? null : receiptOf(decision),
    cycle: cycle === null ? null : { start: cycle, lengthMs: cycles.lengthMs, late: decision?.late ?? false },
    instructions: [],
    holdEvents: life.holdEvents.map(({ event, resolutionId, by, why, logicalTime }) => ({
      event,
      resolutionId,
      by,
      why,
      logicalTime,
    })),
  }
}

const lastEvent = ({ holdEvents }: Life): HoldEventRecord | undefined =>
  holdEvents.findLast(({ event }) => event !== 'REFUSED')

/** Start of the cycle that it is in: the decision's, or of a released one that of its release. */
function cycleOf(life: Life, decision: DecisionRecord): number {
  const event = decision.outcome === 'HOLD' ? lastEvent(life) : undefined
  return event?.event === 'RELEASED' && event.cycleStart !== null ? event.cycleStart : decision.cycleStart
}

function stateOf(
  life: Life,
  decision: DecisionRecord | undefined,
  cycle: number | null,
  { lengthMs, settledThrough }: Cycles,
): TransactionView['state'] {
  if (decision === undefined || cycle === null) return 'queued'
  if (decision.outcome === 'DECLINE') return 'declined'
  const event = lastEvent(life)?.event
  if (decision.outcome === 'HOLD' && event === 'REJECTED') return 'declined'
  if (decision.outcome === 'HOLD' && event !== 'RELEASED') return 'held'
  return cycle + lengthMs <= settledThrough ? 'settled' : 'pending'
}

const receiptOf = ({
  outcome,
  reasons,
  score,
  ruleVersion,
  contributions,
  features,
}: DecisionRecord): TransactionView['receipt'] => ({
  outcome,
  reasons,
  score,
  ruleVersion,
  contributions,
  features: features === null ? null : { ...features },
})

export const instructionView = (instruction: InstructionRecord): InstructionView => ({
  instructionId: instruction.instructionId,
  member: instruction.member,
  direction: instruction.direction,
  amountMinor: instruction.amount.toString(),
  currency: instruction.currency,
  settlementAccount: instruction.settlementAccount,
})
