/** Compares what the line wrote with what the model says, record by record; the first difference of each list in words. */
import { isDeepStrictEqual } from 'node:util'
import type { ModelResult } from '../model/settle.ts'
import type { HoldEvent, LogRecord } from '../model/types.ts'
import type { LineResult } from './line.ts'

export const lists = ['outcomes', 'decisions', 'holdEvents', 'deadLetters', 'settlements', 'instructions'] as const

/** Empty when both say the same of everything, record by record, receipts included. */
export function disagreements(line: LineResult, model: ModelResult): string[] {
  const found: string[] = []
  for (const name of lists) {
    const ours = line[name].map(comparable)
    const theirs = model[name].map(comparable)
    const at = theirs.findIndex((expected, i) => !isDeepStrictEqual(ours[i], expected))
    if (at >= 0) found.push(`${name} ${at}: the model says ${show(theirs[at])}, the line ${show(ours[at])}`)
    else if (ours.length > theirs.length) found.push(`${name}: the line has more: ${show(ours[theirs.length])}`)
  }
  return found
}

/** Why a resolution is refused is said in words that are not part of the contract. */
export const comparable = (value: object): object =>
  (value as HoldEvent).event === 'REFUSED' ? { ...value, why: '' } : { ...value }

export const show = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? 'nothing'

/**
 * What the auditor asks of the outputs alone: every cent that was accepted is in exactly one settlement, pending, held
 * or declined; nothing is settled twice; what is paid is received.
 */
export function audit(line: LineResult, log: readonly (readonly LogRecord[])[]): string[] {
  const found: string[] = []
  const say = (what: string, left: unknown, right: unknown): void => {
    if (!isDeepStrictEqual(left, right)) found.push(`${what}: ${show(left)} is not ${show(right)}`)
  }
  const received = log.flat().filter(({ type }) => type === 'transaction' || type === 'unreadable').length
  say('received', line.outcomes.length + line.deadLetters.length, received)
  const accepted = line.outcomes.filter(({ outcome }) => outcome === 'ACCEPTED')
  say('accepted', accepted.length, line.decisions.length)

  const partials = (line.written.get('cycle-partials') ?? []).filter(({ type }) => type === 'cycle-partial.v1')
  const given = partials.flatMap(
    ({ value }) => value.obligations as { currency: string; amount: bigint; count: number }[],
  )
  const sums = new Map<string, { flows: bigint; closed: bigint; settled: bigint; pay: bigint; receive: bigint }>()
  const of = (currency: string): { flows: bigint; closed: bigint; settled: bigint; pay: bigint; receive: bigint } => {
    const sum = sums.get(currency) ?? { flows: 0n, closed: 0n, settled: 0n, pay: 0n, receive: 0n }
    sums.set(currency, sum)
    return sum
  }
  const closedBySource = new Map<number, number>()
  for (const { type, value } of line.written.get('cycle-partials') ?? []) {
    if (type === 'closed-through.v1') closedBySource.set(value.task as number, value.closedThrough as number)
  }
  const flows = [
    ...line.decisions
      .filter(({ outcome }) => outcome === 'APPROVE')
      .map(({ task, transaction, cycleStart }) => ({ task, transaction, cycleStart })),
    ...line.holdEvents
      .filter(({ event }) => event === 'RELEASED')
      .map(({ task, transaction, cycleStart }) => ({ task, transaction: transaction!, cycleStart: cycleStart! })),
  ]
  for (const { task, transaction, cycleStart } of flows) {
    if (cycleStart < (closedBySource.get(task) ?? 0)) of(transaction.currency).flows += BigInt(transaction.amountMinor)
  }
  for (const { currency, amount } of given) of(currency).closed += amount
  for (const { currency, gross } of line.settlements) of(currency).settled += gross
  for (const { currency, direction, amount } of line.instructions) {
    of(currency)[direction === 'PAY' ? 'pay' : 'receive'] += amount
  }
  for (const [currency, { flows: flowed, closed, settled, pay, receive }] of sums) {
    say(`${currency} in closed cycles`, closed, flowed)
    if (settled > closed) found.push(`${currency}: ${settled} settled of ${closed}`)
    say(`${currency} paid and received`, pay, receive)
  }
  const cycles = line.settlements.map(({ cycleStart, currency }) => `${cycleStart} ${currency}`)
  say('settlements, each once', new Set(cycles).size, cycles.length)
  const instructions = line.instructions.map(({ instructionId }) => instructionId)
  say('instructions, each once', new Set(instructions).size, instructions.length)
  return found
}
