/**
 * Scenarios as tables that a payments person can read and correct:
 *
 *     12:00:01  pay     P1  acc-7  bank-a -> bank-b  100.00 EUR
 *     12:00:02  pay     P1  acc-7  bank-a -> bank-b  100.00 EUR     // sent twice
 *               duplicate of 12:00:01
 *     12:05:30  -- cycle closes --
 *               settle 12:00 EUR: bank-a pays 100.00, bank-b receives 100.00
 *
 * A line with a time is a record of the log; the lines without one below it are everything that it gives, in words. A
 * transaction with nothing below it is approved in its own cycle. Times are on Monday 5 January 2026, UTC, or `+1d` from
 * it. `-- cycle closes --` moves stream time to exactly then; `-- tick --` and `-- import ends --` are the records of a
 * running ticker and of an import.
 */
import { exponentOf } from '../../schemas/currencies.ts'
import { majorText, minorUnits } from '../../schemas/money.ts'
import { defaultSettings, type Settings } from '../../schemas/settings.ts'
import { partitionOf } from '../model/murmur2.ts'
import type { LogRecord, Transaction } from '../model/types.ts'
import { timeOf } from '../model/worked-records.ts'
import { openLine, type Line, type LineResult } from '../simulation/line.ts'

export interface Step {
  readonly line: string
  /** Partition, or null for all of them. */
  readonly to: number | null
  readonly record: LogRecord
  readonly expected: readonly string[]
}

const kinds = { pay: 'PAYMENT', refund: 'REFUND', reversal: 'REVERSAL', chargeback: 'CHARGEBACK' } as const

/** Two partitions, so that closing takes more than one source. */
export const tableSettings: Settings = { ...defaultSettings, partitions: 2 }

/** Reads a table. Throws with the line that it cannot read. */
export function table(text: string): Step[] {
  const steps: { line: string; to: number | null; record: LogRecord; expected: string[] }[] = []
  for (const raw of text.split('\n')) {
    const line = raw.split('//')[0].trim().replaceAll(/\s+/g, ' ')
    if (line === '') continue
    const timed = /^((?:(?:[+-]\d+d|\d{4}-\d\d-\d\d) )?\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (.*)$/.exec(line)
    if (timed === null) {
      if (steps.length === 0) throw new Error(`no record before '${line}'`)
      steps.at(-1)!.expected.push(line)
    } else steps.push({ line, ...recordOf(timeOf(timed[1]), timed[2]), expected: [] })
  }
  for (const { record, expected } of steps) {
    if (record.type === 'transaction' && expected.length === 0) expected.push('approved')
  }
  return steps
}

function recordOf(at: number, text: string): { to: number | null; record: LogRecord } {
  const [word] = text.split(' ', 1)
  const tick = (clock: 'FILES' | 'WALL', to: number, closeThrough: number | null = null): LogRecord => ({
    type: 'tick',
    at: to,
    clock,
    closeThrough,
  })
  if (text === '-- cycle closes --') return { to: null, record: tick('FILES', at + tableSettings.allowedDelayMs) }
  if (text === '-- tick --') return { to: null, record: tick('WALL', at) }
  if (text === '-- import ends --') {
    const { cycleMs } = tableSettings
    return { to: null, record: tick('FILES', at, Math.floor(at / cycleMs) * cycleMs + cycleMs) }
  }
  if (word in kinds) return transactionOf(at, text)
  if (word === 'unreadable') return { to: 0, record: { type: 'unreadable', reason: text.slice(11) } }
  if (word === 'members') return { to: null, record: membersOf(text) }
  return resolutionOf(text)
}

function transactionOf(at: number, text: string): { to: number | null; record: LogRecord } {
  const form = /^(\w+) (\S+)(?: of (\S+))? (\S+) (\S+) -> (\S+) (-?[\d.]+) ([A-Z]+)((?: \w+=\S*)*)$/
  const found = form.exec(text)
  if (found === null) throw new Error(`cannot read '${text}'`)
  const [, kind, id, original, account, payerBank, payeeBank, amount, currency] = found
  const more = Object.fromEntries(
    found[9]
      .trim()
      .split(' ')
      .filter(Boolean)
      .map((pair) => pair.split('=')),
  ) as Record<string, string>
  const minor = minorUnits(amount, exponentOf(currency) === 255 ? 2 : exponentOf(currency))
  const transaction: Transaction = {
    producer: more.producer ?? 'shop',
    payerAccount: more.account ?? account,
    transactionId: more.id ?? id,
    kind: kinds[kind as keyof typeof kinds],
    occurredAt: at,
    payerBank,
    payeeAccount: more.payee ?? 'acc-1',
    payeeBank,
    merchant: more.merchant ?? null,
    amountMinor: more.minor === undefined ? Number(minor) : Number(more.minor),
    currency,
    country: more.country ?? null,
    originalTransactionId: original ?? null,
    timePrecision: (more.precision ?? 'MILLISECOND') as Transaction['timePrecision'],
  }
  const acceptedAt = more.accepted === undefined ? at : timeOf(more.accepted)
  const key = more.key ?? transaction.payerAccount
  const to = more.partition === undefined ? partitionOf(key, tableSettings.partitions) : Number(more.partition)
  return { to, record: { type: 'transaction', key, acceptedAt, transaction } }
}

function membersOf(text: string): LogRecord {
  const members = text
    .slice('members '.length)
    .split(', ')
    .map((one) => one.split(' '))
    .map(([bank, ...currencies]) => ({ bank, currencies, settlementAccount: `set-${bank}` }))
  const anyBank = text === 'members any'
  return { type: 'memberList', version: text, anyBank, members: anyBank ? [] : members }
}

function resolutionOf(text: string): { to: number; record: LogRecord } {
  const found = /^(release|reject) (\S+) (\S+) as (\S+)( not settled elsewhere)?$/.exec(text)
  if (found === null) throw new Error(`cannot read '${text}'`)
  const [, verb, transactionId, payerAccount, resolutionId, not] = found
  const action = verb === 'release' ? 'RELEASE' : 'REJECT'
  const who = { producer: 'shop', payerAccount, transactionId, by: 'anna', why: 'seen' }
  const record: LogRecord = {
    type: 'holdResolution',
    resolutionId,
    action,
    ...who,
    notSettledElsewhere: not !== undefined,
  }
  return { to: partitionOf(payerAccount, tableSettings.partitions), record }
}

const clock = (at: number): string => {
  const days = Math.floor((at - timeOf('00:00')) / 86_400_000)
  const text = new Date(at)
    .toISOString()
    .slice(11, 23)
    .replace(/\.000$/, '')
  return `${days === 0 ? '' : `${days > 0 ? '+' : ''}${days}d `}${text}`
}
const hours = (at: number): string => clock(at).replace(/:00$/, '')
const because = (reasons: readonly string[]): string => (reasons.length === 0 ? '' : ` ${reasons.join(' ')}`)

/** What a result says, in the words of a table; lists of one kind in the order in which they were written. */
export function words(result: LineResult): string[] {
  const said: string[] = []
  for (const { outcome, firstSeenAt } of result.outcomes) {
    if (outcome === 'DUPLICATE') said.push(`duplicate of ${clock(firstSeenAt!)}`)
    if (outcome === 'CONFLICTING') said.push(`conflicting with ${clock(firstSeenAt!)}`)
  }
  for (const { reason } of result.deadLetters) said.push(`dead ${reason}`)
  for (const { outcome, reasons, late, cycleStart } of result.decisions) {
    const verdict = { APPROVE: 'approved', HOLD: 'held', DECLINE: 'declined' }[outcome]
    said.push(`${verdict}${because(reasons)}${late ? ` late, in ${hours(cycleStart)}` : ''}`)
  }
  for (const { event, transactionId, reasons, cycleStart } of result.holdEvents) {
    if (event === 'RELEASED') said.push(`released ${transactionId} into ${hours(cycleStart!)}`)
    else if (event === 'HELD') said.push(`in hold ${transactionId}${because(reasons)}`)
    else said.push(`${event.toLowerCase()} ${transactionId}`)
  }
  for (const alert of result.alerts) said.push(`alert ${String(alert.alert).toLowerCase()}`)
  for (const { cycleStart, currency, gross, positions, onUsCount } of result.settlements) {
    const nets = positions.map(({ member, net }) => {
      const own = result.instructions.filter(
        (one) => one.cycleStart === cycleStart && one.member === member && one.currency === currency,
      )
      if (net === 0n && own.length === 0) return `${member} even`
      if (own.length !== 1) return `${member} has ${own.length} instructions`
      const verb = own[0].direction === 'PAY' ? 'pays' : 'receives'
      return `${member} ${verb} ${majorText(own[0].amount, currency)}`
    })
    const of = onUsCount > 0 ? ` of ${majorText(gross, currency)} gross` : ''
    said.push(`settle ${hours(cycleStart)} ${currency}${of}: ${nets.join(', ')}`)
  }
  return said
}

/** How a table is run: every line by itself, with a crash after every line, or as one log. */
export type Manner = 'line by line' | 'restarted after every line' | 'as one log'

/** Every difference between a table and what the line did, in words. */
export async function differences(steps: readonly Step[], manner: Manner): Promise<string[]> {
  const line = await openLine({ settings: tableSettings })
  const found: string[] = []
  const before = new Map<string, number>()
  if (manner === 'line by line') await line.run()
  for (const step of steps) {
    await send(line, step)
    if (manner === 'as one log') continue
    if (manner === 'line by line') for (const task of line.driver.tasks) await task.catchUp()
    else {
      line.backend.crash()
      await line.run()
    }
    const said = since(before, await line.read())
    for (const [i, what] of step.expected.entries()) {
      if (said[i] !== what) found.push(`${step.line}: expected '${what}', was '${said[i] ?? 'nothing'}'`)
    }
    for (const what of said.slice(step.expected.length)) found.push(`${step.line}: nobody expected '${what}'`)
  }
  if (manner !== 'as one log') return found
  await line.run()
  const said = words(await line.read()).sort()
  const expected = steps.flatMap((step) => step.expected).sort()
  for (const what of expected) if (!take(said, what)) found.push(`expected '${what}'`)
  return [...found, ...said.map((what) => `nobody expected '${what}'`)]
}

const take = (list: string[], one: string): boolean => {
  const at = list.indexOf(one)
  if (at >= 0) list.splice(at, 1)
  return at >= 0
}

async function send(line: Line, { to, record }: Step): Promise<void> {
  for (let partition = 0; partition < tableSettings.partitions; partition++) {
    if (to === null || to === partition) await line.append(partition, [record])
  }
}

/** The words for what came since the last call; a list of a topic with two partitions is taken apart by task. */
function since(before: Map<string, number>, result: LineResult): string[] {
  const fresh = <T extends object>(name: string, list: readonly T[]): T[] => {
    const seen = new Map<string, number>()
    const some = list.filter((one) => {
      const key = `${name} ${'task' in one ? String(one.task) : ''}`
      const count = (seen.get(key) ?? 0) + 1
      seen.set(key, count)
      return count > (before.get(key) ?? 0)
    })
    for (const [key, count] of seen) before.set(key, count)
    return some
  }
  return words({
    ...result,
    outcomes: fresh('outcomes', result.outcomes),
    decisions: fresh('decisions', result.decisions),
    holdEvents: fresh('holdEvents', result.holdEvents),
    deadLetters: fresh('deadLetters', result.deadLetters),
    alerts: fresh('alerts', result.alerts),
    settlements: fresh('settlements', result.settlements),
  })
}
