/** What a source task of the model knows, and the small questions that are asked of it. */
import type { HoldReason } from '../../schemas/reasons.ts'
import type { Settings } from '../../schemas/settings.ts'
import type {
  DeadLetter,
  Decision,
  HoldEvent,
  MemberList,
  Obligation,
  Outcome,
  Resolution,
  Rules,
  Transaction,
} from './types.ts'

/** What is known of a first-seen transaction. */
export interface Entry {
  readonly firstSeenAt: number
  readonly content: string
  readonly isReturn: boolean
  readonly currency: string
  readonly amountMinor: number
  returned: bigint
  outcome: 'approved' | 'held' | 'declined'
}

export interface HeldTransaction {
  readonly transaction: Transaction
  readonly entry: Entry
  reasons: string[]
  /** The cycle that it would have joined. */
  readonly cycleStart: number
}

/** State and outputs of one source task. */
export interface SourceTask {
  readonly task: number
  readonly partitions: number
  readonly settings: Settings

  streamTime: number
  closedThrough: number
  lastTick: number
  tickClock: 'FILES' | 'WALL' | 'SIMULATED' | null
  members: MemberList | null
  readonly ruleSets: { effectiveFrom: number; version: string; rules: Rules }[]
  readonly entries: Map<string, Entry>
  readonly resolutionsSeenAt: Map<string, number>
  /** In order of arrival. */
  readonly held: HeldTransaction[]

  received: number
  rejected: number
  readonly decisions: Decision[]
  readonly outcomes: Outcome[]
  readonly holdEvents: HoldEvent[]
  readonly deadLetters: DeadLetter[]
  readonly obligations: Obligation[]
  /** Each advance of closedThrough, with the member list in force before it. */
  readonly closings: { closedThrough: number; list: MemberList | null }[]
}

/** A task that has read nothing yet; `rules` are in force until a rule set says otherwise. */
export function newTask(task: number, partitions: number, settings: Settings, rules: Rules): SourceTask {
  return {
    task,
    partitions,
    settings,
    streamTime: 0,
    closedThrough: 0,
    lastTick: 0,
    tickClock: null,
    members: null,
    ruleSets: [{ effectiveFrom: -Infinity, version: rules.version, rules }],
    entries: new Map(),
    resolutionsSeenAt: new Map(),
    held: [],
    received: 0,
    rejected: 0,
    decisions: [],
    outcomes: [],
    holdEvents: [],
    deadLetters: [],
    obligations: [],
    closings: [],
  }
}

export const identityText = (producer: string, payerAccount: string, id: string): string =>
  JSON.stringify([producer, payerAccount, id])

export const identityOf = (t: Transaction): string => identityText(t.producer, t.payerAccount, t.transactionId)

/** Identity of the payment that a return returns. */
export const originalIdentityOf = (t: Transaction): string =>
  identityText(t.producer, t.payerAccount, t.originalTransactionId ?? '')

/** All fields of a transaction, its time included. */
export const contentOf = (t: Transaction): string =>
  JSON.stringify([
    [t.producer, t.payerAccount, t.transactionId, t.kind, t.occurredAt, t.payerBank, t.payeeAccount, t.payeeBank],
    [t.merchant, t.amountMinor, t.currency, t.country, t.originalTransactionId, t.timePrecision],
  ])

/** The entry of an identity while it is known: within the horizon, inclusive. */
export function known(task: SourceTask, identity: string): Entry | null {
  const entry = task.entries.get(identity)
  if (entry === undefined) return null
  return task.streamTime - entry.firstSeenAt <= task.settings.dedupHorizonMs ? entry : null
}

/** The held transaction of an identity. */
export function heldUnder(task: SourceTask, identity: string): HeldTransaction | undefined {
  return task.held.find((held) => identityOf(held.transaction) === identity)
}

/** The table of returns: why a return is not approved, or null when it is. */
export function whyNotReturn(
  transaction: Transaction,
  original: Entry | null,
): Exclude<HoldReason, 'tooLate' | 'unknownParticipant'> | 'originalDeclined' | null {
  if (original === null || original.isReturn) return 'originalUnknown'
  if (original.outcome === 'declined') return 'originalDeclined'
  if (original.outcome === 'held') return 'originalHeld'
  if (original.currency !== transaction.currency) return 'returnCurrency'
  const sum = original.returned + BigInt(transaction.amountMinor)
  return sum > BigInt(original.amountMinor) ? 'overReturn' : null
}

/** A payment: payer bank owes payee bank; a return the other way round. */
export function owe(task: SourceTask, transaction: Transaction, cycleStart: number): void {
  const { payerBank, payeeBank, currency, amountMinor, kind } = transaction
  const [from, to] = kind === 'PAYMENT' ? [payerBank, payeeBank] : [payeeBank, payerBank]
  task.obligations.push({ cycleStart, payerBank: from, payeeBank: to, currency, amountMinor })
}

/** Writes an event of a held transaction; `resolution` null for HELD. */
export function tell(
  task: SourceTask,
  event: HoldEvent['event'],
  held: HeldTransaction,
  resolution: Resolution | null,
  cycleStart: number | null,
): void {
  const { producer, payerAccount, transactionId } = held.transaction
  task.holdEvents.push({
    task: task.task,
    logicalTime: task.streamTime,
    event,
    resolutionId: resolution?.resolutionId ?? '',
    by: resolution?.by ?? '',
    why: resolution?.why ?? '',
    reasons: held.reasons,
    notSettledElsewhere: resolution?.notSettledElsewhere ?? false,
    producer,
    payerAccount,
    transactionId,
    originalCycleStart: held.cycleStart,
    cycleStart,
    transaction: held.transaction,
  })
}
