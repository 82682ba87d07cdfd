/** Compares what became of a worked example with what its tables expect. */
import { majorText } from '../../schemas/money.ts'
import type { ModelResult } from './settle.ts'
import type { Decision, HoldEvent } from './types.ts'
import type { ExpectedRow, WorkedExample } from './worked-examples.ts'
import { timeOf } from './worked-records.ts'

/** What is compared: all lists by task, within a task in log order; settlements by cycle, then currency. */
export type Compared = Pick<
  ModelResult,
  'outcomes' | 'decisions' | 'holdEvents' | 'deadLetters' | 'settlements' | 'instructions'
> & { balance: Partial<Record<keyof ModelResult['balance'], unknown>> }

/** Every difference in words; empty when all is as expected. */
export function differences(example: WorkedExample, result: Compared): string[] {
  const found: string[] = []
  const differ = (where: string, what: string, expected: unknown, actual: unknown): void => {
    if (String(expected) !== String(actual))
      found.push(`${where} ${what}: expected ${String(expected)}, was ${String(actual)}`)
  }
  const byTask = example.log.map((_, task) => ({
    outcomes: result.outcomes.filter((o) => o.task === task),
    decisions: result.decisions.filter((d) => d.task === task),
    holdEvents: result.holdEvents.filter((h) => h.task === task),
    deadLetters: result.deadLetters.filter((d) => d.task === task),
  }))

  for (const row of example.rows) {
    const [verdict, ...assertions] = row.expected
    if (row.partition === null) continue
    const task = byTask[row.partition]
    if (row.type === 'holdResolution') {
      const events = verdict === 'nothing' ? [] : verdict.split(', ')
      const by = / by (\S+) because /.exec(row.record)?.[1]
      for (const event of events) {
        const next = task.holdEvents.shift()
        differ(row.name, 'hold event', event, eventText(next, event))
        if (next !== undefined && next.event !== 'HELD') differ(row.name, 'by', by, next.by)
      }
      continue
    }
    if (row.type !== 'transaction' && row.type !== 'unreadable') continue
    if (verdict.startsWith('DEAD')) {
      differ(row.name, 'dead letter', verdict.slice(5), task.deadLetters.shift()?.reason)
      continue
    }
    const outcome = task.outcomes.shift()
    const copy = /^(DUPLICATE of|CONFLICTING with) (.*)$/.exec(verdict)
    differ(row.name, 'outcome', copy === null ? 'ACCEPTED' : copy[1].split(' ')[0], outcome?.outcome)
    if (copy !== null) differ(row.name, 'first seen', timeOf(copy[2]), outcome?.firstSeenAt)
    if (outcome?.outcome !== 'ACCEPTED') continue
    const decision = task.decisions.shift()
    if (decision === undefined) {
      found.push(`${row.name}: no decision`)
      continue
    }
    differ(row.name, 'decision', verdict, [decision.outcome, ...decision.reasons].join(' '))
    compareDecision(row, assertions, decision, differ)
    if (decision.outcome === 'HOLD') {
      const held = `HELD ${decision.transaction.transactionId} ${decision.reasons.join(' ')}`
      differ(row.name, 'hold event', held, eventText(task.holdEvents.shift(), held))
    }
  }
  for (const [p, task] of byTask.entries()) {
    const left = Object.entries(task).filter(([, list]) => list.length > 0)
    for (const [name, list] of left) found.push(`${example.code}: ${list.length} more ${name} in partition ${p}`)
  }
  compareSettlements(example, result, differ)
  for (const [name, value] of Object.entries(example.balance ?? {})) {
    differ(example.code, name, value, result.balance[name as keyof ModelResult['balance']])
  }
  return found
}

type Differ = (where: string, what: string, expected: unknown, actual: unknown) => void

function compareDecision(row: ExpectedRow, assertions: string[], decision: Decision, differ: Differ): void {
  differ(row.name, 'late', assertions.includes('late'), decision.late)
  for (const assertion of assertions) {
    if (assertion.startsWith('cycle ')) differ(row.name, 'cycle', timeOf(assertion.slice(6)), decision.cycleStart)
    else if (assertion.startsWith('seen ')) differ(row.name, 'seen', timeOf(assertion.slice(5)), decision.logicalTime)
    else if (assertion !== 'late') {
      for (const [name, value] of assertion.split(' ').map((pair) => pair.split('='))) {
        differ(row.name, name, value, actual(decision, name))
      }
    }
  }
}

function actual(decision: Decision, name: string): string {
  if (name === 'score') return String(decision.score)
  if (name === 'rules') return decision.ruleVersion
  if (decision.features === null || !Object.hasOwn(decision.features, name)) return 'no such feature'
  const value = decision.features[name as keyof typeof decision.features]
  if (value === null) return 'absent'
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)
}

/** An event in the words of the expectation: 'RELEASED P1 cycle 12:05', 'HELD R2 overReturn', 'REJECTED P1'. */
function eventText(event: HoldEvent | undefined, expected: string): string {
  if (event === undefined) return 'nothing'
  const text = `${event.event} ${event.transactionId}`
  if (event.event === 'HELD') return `${text} ${event.reasons.join(' ')}`
  if (event.event !== 'RELEASED') return text
  const cycle = / cycle (.*)$/.exec(expected)?.[1]
  const right = cycle !== undefined && timeOf(cycle) === event.cycleStart
  return `${text} cycle ${right ? cycle : String(event.cycleStart)}`
}

function compareSettlements(example: WorkedExample, result: Compared, differ: Differ): void {
  const expectNone = example.settlements === null && example.balance?.settled === 0
  if (example.settlements === null && !expectNone) return
  const expected = example.settlements ?? []
  differ(example.code, 'number of settlements', expected.length, result.settlements.length)
  for (const [i, { cycleStart, currency, cells }] of expected.entries()) {
    const settlement = result.settlements[i]
    if (settlement === undefined) continue
    const where = `${example.code} ${cells.cycle} ${currency}`
    const money = (minor: bigint): string => majorText(minor, currency)
    const all = (texts: string[]): string => texts.join('; ')
    differ(where, 'cycle', cycleStart, settlement.cycleStart)
    differ(where, 'currency', currency, settlement.currency)
    differ(where, 'count', cells.count, settlement.count)
    differ(where, 'gross', cells.gross, money(settlement.gross))
    differ(where, 'on us', cells['on us'], money(settlement.onUs))
    differ(where, 'net', cells.net, money(settlement.net))
    const owes = settlement.bilateral.map((b) => `${b.debtor} owes ${b.creditor} ${money(b.amount)}`)
    differ(where, 'bilateral', cells.bilateral, all(owes))
    differ(where, 'positions', cells.positions, all(settlement.positions.map((p) => `${p.member} ${money(p.net)}`)))
    const instructions = result.instructions
      .filter((one) => one.cycleStart === cycleStart && one.currency === currency)
      .map((one) => {
        const [verb, word] = one.direction === 'PAY' ? ['pays', 'from'] : ['receives', 'to']
        const named = cells.instructions.includes(`${one.member} ${verb} ${money(one.amount)} ${word}`)
        const account = named || one.settlementAccount !== one.member ? ` ${word} ${one.settlementAccount}` : ''
        return `${one.member} ${verb} ${money(one.amount)}${account}`
      })
    differ(where, 'instructions', cells.instructions, all(instructions))
  }
}
