/** One source task of the model: one partition of the log, record by record, in the words of the contract. */
import type { HoldReason } from '../../schemas/reasons.ts'
import type { Settings } from '../../schemas/settings.ts'
import { faultOf, timeFault } from '../../schemas/validate.ts'
import { featuresOfAccounts } from './features.ts'
import { resolve } from './holds.ts'
import { partitionOf } from './murmur2.ts'
import { judge } from './rules.ts'
import {
  contentOf,
  heldUnder,
  identityOf,
  known,
  newTask,
  originalIdentityOf,
  owe,
  tell,
  whyNotReturn,
  type Entry,
  type SourceTask,
} from './state.ts'
import type { Decision, Features, LogRecord, Rules, Transaction } from './types.ts'

type FeaturesOf = (payment: Transaction) => Features

/** Runs one partition. `task` is its number among `partitions`. */
export function runSource(
  log: readonly LogRecord[],
  task: number,
  partitions: number,
  settings: Settings,
  rules: Rules,
): SourceTask {
  const state = newTask(task, partitions, settings, rules)
  const featuresOf = featuresOfAccounts()
  for (const record of log) {
    if (record.type === 'tick') onTick(state, record)
    else if (record.type === 'memberList') state.members = record
    else if (record.type === 'ruleSet') {
      const { version, effectiveFrom } = record
      state.ruleSets.push({ effectiveFrom, version, rules: JSON.parse(record.rules) as Rules })
    } else if (record.type === 'holdResolution') resolve(state, record)
    else onInput(state, record, featuresOf)
  }
  return state
}

function onTick(task: SourceTask, tick: Extract<LogRecord, { type: 'tick' }>): void {
  task.streamTime = Math.max(task.streamTime, tick.at - task.settings.allowedDelayMs)
  task.lastTick = tick.at
  task.tickClock = tick.clock
  close(task, tick.closeThrough ?? 0)
}

/** Closes the cycles that end at or before stream time less grace, and those up to `atLeast`. */
function close(task: SourceTask, atLeast: number): void {
  const { graceMs, cycleMs } = task.settings
  const byTime = Math.floor((task.streamTime - graceMs) / cycleMs) * cycleMs
  const closedThrough = Math.max(task.closedThrough, byTime, atLeast)
  if (closedThrough > task.closedThrough) task.closings.push({ closedThrough, list: task.members })
  task.closedThrough = closedThrough
}

function onInput(
  task: SourceTask,
  record: Extract<LogRecord, { type: 'transaction' | 'unreadable' }>,
  featuresOf: FeaturesOf,
): void {
  task.received++
  const bury = (reason: string, key: string | null, transaction: Transaction | null): void => {
    task.deadLetters.push({ task: task.task, logicalTime: task.streamTime, reason, key, transaction })
  }
  if (record.type === 'unreadable') return bury(record.reason, null, null)
  const { transaction, key } = record
  const reason = refusal(task, record)
  if (reason !== null) return bury(reason, key, transaction)

  const T = transaction.occurredAt
  const ticker = task.tickClock === 'WALL' || task.tickClock === 'SIMULATED'
  task.streamTime = Math.max(task.streamTime, ticker ? Math.min(T, task.lastTick) : T)
  close(task, 0)

  const identity = identityOf(transaction)
  const entry = known(task, identity)
  const tooLate = entry === null && T < task.streamTime - task.settings.dedupHorizonMs
  const first = tooLate ? heldUnder(task, identity)?.entry : entry
  const outcome = !first ? 'ACCEPTED' : first.content === contentOf(transaction) ? 'DUPLICATE' : 'CONFLICTING'
  const firstSeenAt = first?.firstSeenAt ?? null
  task.outcomes.push({ task: task.task, logicalTime: task.streamTime, outcome, firstSeenAt, transaction })
  if (outcome === 'ACCEPTED') accept(task, transaction, tooLate, featuresOf)
}

/** Why a record is a dead letter, or null. */
function refusal(task: SourceTask, record: Extract<LogRecord, { type: 'transaction' }>): string | null {
  const { transaction, key, acceptedAt } = record
  const { earliestEventTime, maxAheadMs } = task.settings
  const fault = faultOf(transaction) ?? timeFault(transaction.occurredAt, acceptedAt, earliestEventTime, maxAheadMs)
  if (fault !== null) return fault
  if (key !== transaction.payerAccount) return 'misrouted-key'
  return partitionOf(key, task.partitions) === task.task ? null : 'misrouted-partition'
}

function accept(task: SourceTask, transaction: Transaction, tooLate: boolean, featuresOf: FeaturesOf): void {
  const decision = decide(task, transaction, tooLate, featuresOf)
  const { outcome, reasons, cycleStart } = decision
  const entry: Entry = {
    firstSeenAt: Math.max(task.streamTime, transaction.occurredAt),
    content: contentOf(transaction),
    isReturn: transaction.kind !== 'PAYMENT',
    currency: transaction.currency,
    amountMinor: transaction.amountMinor,
    returned: 0n,
    outcome: outcome === 'APPROVE' ? 'approved' : outcome === 'HOLD' ? 'held' : 'declined',
  }
  task.entries.set(identityOf(transaction), entry)
  task.decisions.push(decision)
  if (outcome === 'APPROVE') owe(task, transaction, cycleStart)
  if (outcome === 'HOLD') {
    const held = { transaction, entry, reasons, cycleStart }
    task.held.push(held)
    tell(task, 'HELD', held, null, null)
  }
}

function decide(task: SourceTask, transaction: Transaction, tooLate: boolean, featuresOf: FeaturesOf): Decision {
  const { cycleMs } = task.settings
  const ownCycle = Math.floor(transaction.occurredAt / cycleMs) * cycleMs
  const late = ownCycle + cycleMs <= task.closedThrough
  const decision: Decision = {
    task: task.task,
    logicalTime: task.streamTime,
    transaction,
    outcome: 'APPROVE',
    reasons: [],
    cycleStart: late ? task.closedThrough : ownCycle,
    late,
    score: 0,
    ruleVersion: '',
    contributions: [],
    features: null,
  }
  const hold = (reason: HoldReason): Decision => ({ ...decision, outcome: 'HOLD', reasons: [reason] })

  if (transaction.kind === 'PAYMENT') {
    // Scored also when it is held before the rules are asked.
    const inForce = rulesAt(task, transaction.occurredAt)
    const features = featuresOf(transaction)
    const verdict = judge(inForce.rules, features, transaction.amountMinor)
    const reasons = verdict.contributions.map(({ rule }) => rule)
    Object.assign(decision, verdict, { features, ruleVersion: inForce.version, reasons })
  }
  if (tooLate) return hold('tooLate')
  if (!mayTakePart(task, transaction)) return hold('unknownParticipant')
  if (transaction.kind === 'PAYMENT') return decision

  const original = known(task, originalIdentityOf(transaction))
  const why = whyNotReturn(transaction, original)
  if (why === 'originalDeclined') return { ...decision, outcome: 'DECLINE', reasons: [why] }
  if (why !== null) return hold(why)
  original!.returned += BigInt(transaction.amountMinor)
  return decision
}

/** The rules with the latest effectiveFrom that is not after T; of two of the same instant the one written later. */
function rulesAt(task: SourceTask, T: number): SourceTask['ruleSets'][number] {
  return task.ruleSets
    .filter((set) => set.effectiveFrom <= T)
    .reduce((best, set) => (set.effectiveFrom >= best.effectiveFrom ? set : best))
}

/** Both banks are on the list, with this currency. */
function mayTakePart(task: SourceTask, { payerBank, payeeBank, currency }: Transaction): boolean {
  const list = task.members
  if (list === null || list.anyBank) return true
  const may = list.members.filter(({ currencies }) => currencies.includes(currency)).map(({ bank }) => bank)
  return may.includes(payerBank) && may.includes(payeeBank)
}
