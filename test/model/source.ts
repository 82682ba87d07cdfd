/** One source task of the model: one partition of the log, record by record, in the words of the contract. */
import type { HoldReason } from '../../schemas/reasons.ts'
import type { Settings } from '../../schemas/settings.ts'
import { faultOf, timeFault } from '../../schemas/validate.ts'
import { featuresOfAccounts } from './features.ts'
import { partitionOf } from './murmur2.ts'
import { judge } from './rules.ts'
import type {
  DeadLetter,
  Decision,
  HoldEvent,
  LogRecord,
  MemberList,
  Obligation,
  Outcome,
  Resolution,
  Rules,
  Transaction,
} from './types.ts'

/** What is known of a first-seen transaction. */
interface Entry {
  firstSeenAt: number
  content: string
  isReturn: boolean
  currency: string
  amountMinor: number
  returned: bigint
  outcome: 'approved' | 'held' | 'declined'
}

interface HeldTransaction {
  transaction: Transaction
  entry: Entry
  reasons: string[]
  cycleStart: number
}

/** Everything that a source task gave. */
export interface SourceResult {
  decisions: Decision[]
  outcomes: Outcome[]
  holdEvents: HoldEvent[]
  deadLetters: DeadLetter[]
  obligations: Obligation[]
  held: HeldTransaction[]
  rejected: number
  received: number
  /** Each advance of closedThrough, with the member list in force before it. */
  closings: { closedThrough: number; list: MemberList | null }[]
  closedThrough: number
  streamTime: number
}

const identityText = (producer: string, payerAccount: string, id: string): string =>
  JSON.stringify([producer, payerAccount, id])
const identityOf = (t: Transaction): string => identityText(t.producer, t.payerAccount, t.transactionId)
const contentOf = (t: Transaction): string =>
  JSON.stringify([
    [t.producer, t.payerAccount, t.transactionId, t.kind, t.occurredAt, t.payerBank, t.payeeAccount, t.payeeBank],
    [t.merchant, t.amountMinor, t.currency, t.country, t.originalTransactionId, t.timePrecision],
  ])

/**
 * Runs one partition. `task` is its number among `partitions`; `rules` are in force until a rule set says otherwise.
 */
export function runSource(
  log: readonly LogRecord[],
  task: number,
  partitions: number,
  settings: Settings,
  rules: Rules,
): SourceResult {
  const { cycleMs, graceMs, allowedDelayMs, dedupHorizonMs } = settings
  const result: SourceResult = {
    decisions: [],
    outcomes: [],
    holdEvents: [],
    deadLetters: [],
    obligations: [],
    held: [],
    rejected: 0,
    received: 0,
    closings: [],
    closedThrough: 0,
    streamTime: 0,
  }
  let lastTick = 0
  let tickClock: 'FILES' | 'WALL' | 'SIMULATED' | null = null
  let members: MemberList | null = null
  const ruleSets = [{ effectiveFrom: -Infinity, version: rules.version, rules }]
  const entries = new Map<string, Entry>()
  const resolutionsSeenAt = new Map<string, number>()
  const featuresOf = featuresOfAccounts()

  for (const record of log) {
    if (record.type === 'tick') onTick(record)
    else if (record.type === 'memberList') members = record
    else if (record.type === 'ruleSet') {
      const { version, effectiveFrom } = record
      ruleSets.push({ effectiveFrom, version, rules: JSON.parse(record.rules) as Rules })
    } else if (record.type === 'holdResolution') onResolution(record)
    else onInput(record)
  }
  return result

  function onTick(tick: Extract<LogRecord, { type: 'tick' }>): void {
    result.streamTime = Math.max(result.streamTime, tick.at - allowedDelayMs)
    lastTick = tick.at
    tickClock = tick.clock
    close(tick.closeThrough ?? 0)
  }

  function close(atLeast: number): void {
    const byTime = Math.floor((result.streamTime - graceMs) / cycleMs) * cycleMs
    const closedThrough = Math.max(result.closedThrough, byTime, atLeast)
    if (closedThrough > result.closedThrough) result.closings.push({ closedThrough, list: members })
    result.closedThrough = closedThrough
  }

  function onInput(record: Extract<LogRecord, { type: 'transaction' | 'unreadable' }>): void {
    result.received++
    const reason = record.type === 'unreadable' ? record.reason : refusal(record)
    if (record.type === 'unreadable' || reason !== null) {
      const { key, transaction } = record.type === 'unreadable' ? { key: null, transaction: null } : record
      result.deadLetters.push({ task, logicalTime: result.streamTime, reason: reason!, key, transaction })
      return
    }
    const { transaction } = record
    const T = transaction.occurredAt
    result.streamTime = Math.max(
      result.streamTime,
      tickClock === 'WALL' || tickClock === 'SIMULATED' ? Math.min(T, lastTick) : T,
    )
    close(0)

    const tooLate = known(identityOf(transaction)) === null && T < result.streamTime - dedupHorizonMs
    const first = known(identityOf(transaction)) ?? (tooLate ? heldUnder(identityOf(transaction))?.entry : undefined)
    const outcome =
      first === undefined ? 'ACCEPTED' : first.content === contentOf(transaction) ? 'DUPLICATE' : 'CONFLICTING'
    const logicalTime = result.streamTime
    result.outcomes.push({ task, logicalTime, outcome, firstSeenAt: first?.firstSeenAt ?? null, transaction })
    if (first === undefined) accept(transaction, tooLate)
  }

  function refusal(record: Extract<LogRecord, { type: 'transaction' }>): string | null {
    const { transaction, key, acceptedAt } = record
    const fault =
      faultOf(transaction) ??
      timeFault(transaction.occurredAt, acceptedAt, settings.earliestEventTime, settings.maxAheadMs)
    if (fault !== null) return fault
    if (key !== transaction.payerAccount) return 'misrouted-key'
    return partitionOf(key, partitions) === task ? null : 'misrouted-partition'
  }

  /** The entry of an identity while it is known. */
  function known(identity: string): Entry | null {
    const entry = entries.get(identity)
    return entry !== undefined && result.streamTime - entry.firstSeenAt <= dedupHorizonMs ? entry : null
  }

  function heldUnder(identity: string): HeldTransaction | undefined {
    return result.held.find((held) => identityOf(held.transaction) === identity)
  }

  function accept(transaction: Transaction, tooLate: boolean): void {
    const ownCycle = Math.floor(transaction.occurredAt / cycleMs) * cycleMs
    const late = ownCycle + cycleMs <= result.closedThrough
    const decision: Decision = {
      task,
      logicalTime: result.streamTime,
      transaction,
      outcome: 'APPROVE',
      reasons: [],
      cycleStart: late ? result.closedThrough : ownCycle,
      late,
      score: 0,
      ruleVersion: '',
      contributions: [],
      features: null,
    }
    const hold = (reason: HoldReason): void => {
      decision.outcome = 'HOLD'
      decision.reasons = [reason]
    }

    if (transaction.kind === 'PAYMENT') {
      const inForce = rulesAt(transaction.occurredAt)
      const features = featuresOf(transaction)
      const verdict = judge(inForce.rules, features, transaction.amountMinor)
      Object.assign(decision, verdict, { features, ruleVersion: inForce.version })
      decision.reasons = verdict.contributions.map(({ rule }) => rule)
    }
    if (tooLate) hold('tooLate')
    else if (!mayTakePart(transaction)) hold('unknownParticipant')
    else if (transaction.kind !== 'PAYMENT') {
      const original = originalOf(transaction)
      const why = whyNotReturn(transaction, original)
      if (why === 'originalDeclined') {
        decision.outcome = 'DECLINE'
        decision.reasons = [why]
      } else if (why !== null) hold(why)
      else original!.returned += BigInt(transaction.amountMinor)
    }

    const entry: Entry = {
      firstSeenAt: result.streamTime,
      content: contentOf(transaction),
      isReturn: transaction.kind !== 'PAYMENT',
      currency: transaction.currency,
      amountMinor: transaction.amountMinor,
      returned: 0n,
      outcome: decision.outcome === 'APPROVE' ? 'approved' : decision.outcome === 'HOLD' ? 'held' : 'declined',
    }
    entries.set(identityOf(transaction), entry)
    result.decisions.push(decision)
    if (decision.outcome === 'APPROVE') owe(transaction, decision.cycleStart)
    if (decision.outcome === 'HOLD') {
      const { reasons, cycleStart } = decision
      const held = { transaction, entry, reasons, cycleStart }
      result.held.push(held)
      tell('HELD', held, null, null)
    }
  }

  /** The rules with the latest effectiveFrom that is not after T; of two of the same instant the one written later. */
  function rulesAt(T: number): (typeof ruleSets)[number] {
    return ruleSets
      .filter((set) => set.effectiveFrom <= T)
      .reduce((best, set) => (set.effectiveFrom >= best.effectiveFrom ? set : best))
  }

  function mayTakePart({ payerBank, payeeBank, currency }: Transaction): boolean {
    if (members === null || members.anyBank) return true
    const may = members.members.filter(({ currencies }) => currencies.includes(currency)).map(({ bank }) => bank)
    return may.includes(payerBank) && may.includes(payeeBank)
  }

  function originalOf(transaction: Transaction): Entry | null {
    return known(identityText(transaction.producer, transaction.payerAccount, transaction.originalTransactionId!))
  }

  /** The table of returns: null when the return is approved. */
  function whyNotReturn(
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
  function owe(transaction: Transaction, cycleStart: number): void {
    const { payerBank, payeeBank, currency, amountMinor } = transaction
    const back = transaction.kind !== 'PAYMENT'
    const [from, to] = back ? [payeeBank, payerBank] : [payerBank, payeeBank]
    result.obligations.push({ cycleStart, payerBank: from, payeeBank: to, currency, amountMinor })
  }

  function onResolution(resolution: Resolution): void {
    const { resolutionId, action, producer, payerAccount, transactionId } = resolution
    const seenAt = resolutionsSeenAt.get(resolutionId)
    if (seenAt !== undefined && result.streamTime - seenAt <= dedupHorizonMs) return
    resolutionsSeenAt.set(resolutionId, result.streamTime)

    const identity = identityText(producer, payerAccount, transactionId)
    const held = heldUnder(identity)
    const unchecked = held?.reasons[0] === 'tooLate' && action === 'RELEASE' && !resolution.notSettledElsewhere
    if (held === undefined || unchecked) {
      result.holdEvents.push({
        task,
        logicalTime: result.streamTime,
        event: 'REFUSED',
        resolutionId,
        by: resolution.by,
        why: held === undefined ? 'nothing is held' : 'not said that it is not settled elsewhere',
        reasons: held?.reasons ?? [],
        notSettledElsewhere: resolution.notSettledElsewhere,
        producer,
        payerAccount,
        transactionId,
        originalCycleStart: null,
        cycleStart: null,
        transaction: null,
      })
      return
    }

    const waiting = result.held.filter(
      ({ transaction: t, reasons }) =>
        reasons[0] === 'originalHeld' &&
        identityText(t.producer, t.payerAccount, t.originalTransactionId!) === identity,
    )
    if (action === 'REJECT') {
      for (const one of [held, ...waiting]) finish(one, resolution)
      return
    }
    if (held.entry.isReturn) {
      const original = originalOf(held.transaction)
      if (original !== null && !original.isReturn) original.returned += BigInt(held.transaction.amountMinor)
    }
    finish(held, resolution)
    for (const one of waiting) {
      const why = whyNotReturn(one.transaction, held.entry)
      if (why === null) {
        held.entry.returned += BigInt(one.transaction.amountMinor)
        finish(one, resolution)
      } else {
        one.reasons = [why]
        tell('HELD', one, null, null)
      }
    }
  }

  /** Ends a hold as the resolution says. */
  function finish(held: HeldTransaction, resolution: Resolution): void {
    result.held.splice(result.held.indexOf(held), 1)
    if (resolution.action === 'REJECT') {
      held.entry.outcome = 'declined'
      result.rejected++
      tell('REJECTED', held, resolution, null)
    } else {
      held.entry.outcome = 'approved'
      owe(held.transaction, result.closedThrough)
      tell('RELEASED', held, resolution, result.closedThrough)
    }
  }

  function tell(
    event: HoldEvent['event'],
    held: HeldTransaction,
    resolution: Resolution | null,
    cycleStart: number | null,
  ): void {
    const { producer, payerAccount, transactionId } = held.transaction
    result.holdEvents.push({
      task,
      logicalTime: result.streamTime,
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
}
