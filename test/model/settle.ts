/**
 * The independent model: what the contract says becomes of a log, in plain objects and one loop per partition. It
 * imports nothing of ours but schemas/, so that an error of the line is not repeated here.
 */
import type { Settings } from '../../schemas/settings.ts'
import { settleCycle } from './settlement.ts'
import { runSource } from './source.ts'
import type {
  DeadLetter,
  Decision,
  HoldEvent,
  Instruction,
  LogRecord,
  MemberList,
  Outcome,
  Rules,
  Settlement,
  Transaction,
} from './types.ts'

export interface Balance {
  received: number
  accepted: number
  duplicate: number
  conflicting: number
  deadLetters: number
  skipped: number
  late: number
  settled: number
  pending: number
  held: number
  declined: number
  /**
   * received = accepted + duplicate + conflicting + dead letters + skipped; accepted = settled + pending + held +
   * declined; pay = receive.
   */
  balanced: boolean
  currencies: Record<string, { grossMinor: bigint; netMinor: bigint; instructions: number; heldMinor: bigint }>
}

export interface ModelResult {
  /** By task, then in log order. */
  decisions: Decision[]
  outcomes: Outcome[]
  holdEvents: HoldEvent[]
  deadLetters: DeadLetter[]
  /** What is held at the end. */
  held: { transaction: Transaction; reasons: string[]; cycleStart: number }[]
  /** By cycle, then currency. */
  settlements: Settlement[]
  instructions: Instruction[]
  balance: Balance
}

/**
 * Runs the model over a log: `input[p]` are the records of partition p in order. `rules` are in force from the start.
 * `skipped`: rows that a mapping left out, for the balance alone.
 */
export function settle(
  input: readonly (readonly LogRecord[])[],
  settings: Settings,
  rules: Rules,
  partitions: number = input.length,
  skipped = 0,
): ModelResult {
  const sources = input.map((log, task) => runSource(log, task, partitions, settings, rules))
  const obligations = sources.flatMap((source) => source.obligations)
  const closedByAll = Math.min(...sources.map((source) => source.closedThrough))

  const settlements: Settlement[] = []
  const instructions: Instruction[] = []
  const cycles = [...new Set(obligations.map((o) => o.cycleStart))].sort((a, b) => a - b)
  for (const cycleStart of cycles.filter((start) => start + settings.cycleMs <= closedByAll)) {
    const done = settleCycle(
      cycleStart,
      obligations.filter((o) => o.cycleStart === cycleStart),
      listOf(cycleStart + settings.cycleMs),
      settings,
    )
    settlements.push(...done.settlements)
    instructions.push(...done.instructions)
  }

  /** The list that source task 0 had forwarded before its first closedThrough at or past the end. */
  function listOf(end: number): MemberList | null {
    return sources[0].closings.find(({ closedThrough }) => closedThrough >= end)?.list ?? null
  }

  const decisions = sources.flatMap((source) => source.decisions)
  const outcomes = sources.flatMap((source) => source.outcomes)
  const deadLetters = sources.flatMap((source) => source.deadLetters)
  const held = sources.flatMap((source) => source.held)
  const count = (outcome: Outcome['outcome']): number => outcomes.filter((o) => o.outcome === outcome).length
  const settled = settlements.reduce((sum, s) => sum + s.count, 0)
  const balance: Balance = {
    received: sources.reduce((sum, source) => sum + source.received, skipped),
    accepted: count('ACCEPTED'),
    duplicate: count('DUPLICATE'),
    conflicting: count('CONFLICTING'),
    deadLetters: deadLetters.length,
    skipped,
    late: decisions.filter((d) => d.late).length,
    settled,
    pending: obligations.length - settled,
    held: held.length,
    declined: decisions.filter((d) => d.outcome === 'DECLINE').length + sources.reduce((sum, s) => sum + s.rejected, 0),
    balanced: true,
    currencies: {},
  }
  const ofCurrency = (currency: string): Balance['currencies'][string] =>
    (balance.currencies[currency] ??= { grossMinor: 0n, netMinor: 0n, instructions: 0, heldMinor: 0n })
  for (const { currency, gross, net } of settlements) {
    ofCurrency(currency).grossMinor += gross
    ofCurrency(currency).netMinor += net
  }
  for (const { currency } of instructions) ofCurrency(currency).instructions++
  for (const { transaction } of held) ofCurrency(transaction.currency).heldMinor += BigInt(transaction.amountMinor)

  const { received, accepted, duplicate, conflicting, pending, declined } = balance
  balance.balanced =
    received === accepted + duplicate + conflicting + deadLetters.length + skipped &&
    accepted === settled + pending + held.length + declined &&
    settlements.every((s) => s.positions.reduce((sum, { net }) => sum + net, 0n) === 0n)
  const holdEvents = sources.flatMap((source) => source.holdEvents)
  return { decisions, outcomes, holdEvents, deadLetters, held, settlements, instructions, balance }
}
