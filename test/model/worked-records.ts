/** The language of the tables in docs/worked-examples.md: times, records and conditions of rules. */
import { exponentOf } from '../../schemas/currencies.ts'
import { minorUnits } from '../../schemas/money.ts'
import type { Settings } from '../../schemas/settings.ts'
import type { Condition, LogRecord, Member, Rules, Transaction } from './types.ts'

/** The day of every time that names none: Monday 5 January 2026, UTC. */
export const monday = Date.UTC(2026, 0, 5)

/** What the words of a record may refer to. */
export interface Context {
  readonly settings: Settings
  readonly ruleSets: ReadonlyMap<string, Rules>
}

/** '12:00', '12:00:00.500', '+1d 12:00:00' or '2100-01-01 00:00:00' in milliseconds since 1970. */
export function timeOf(text: string): number {
  const [, day, clock] = /^(?:(\S+) )?(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)$/.exec(text) ?? fail('time', text)
  const base = day === undefined ? '2026-01-05' : day
  const shift = /^([+-]\d+)d$/.exec(base)
  const date = shift === null ? Date.parse(`${base}T00:00:00Z`) : monday + Number(shift[1]) * 86_400_000
  const time = date + Date.parse(`1970-01-01T${clock}Z`)
  return Number.isNaN(time) ? fail('time', text) : time
}

/** 'payments1m at least 3' or 'amount1d at most 2 times amountMinor'. */
export function conditionOf(text: string): Condition {
  const words = /^(\w+) (at least|at most|above) (-?\d+)(?: times (\w+))?$/.exec(text) ?? fail('condition', text)
  const [, feature, word, value, other] = words
  if (other !== undefined) return { feature, atMostTimes: { feature: other, factor: Number(value) } }
  const bound = word === 'at least' ? 'atLeast' : word === 'at most' ? 'atMost' : 'above'
  return { feature, [bound]: Number(value) }
}

/** The record of a row; `to` is the one partition that it comes to when the table says so. */
export function recordOf(
  name: string,
  at: string,
  text: string,
  context: Context,
): { record: LogRecord; to: number | null } {
  const all = (record: LogRecord): { record: LogRecord; to: null } => ({ record, to: null })
  const [word] = text.split(' ', 1)
  if (word in kinds) return transactionOf(at, text)
  switch (word) {
    case 'tick': {
      const [, clock, closing, to] = /^tick (\w+)(?: closing (\S+))?(?: to (\d+))?$/.exec(text) ?? fail(name, text)
      const closeThrough = closing === undefined ? null : timeOf(closing)
      return {
        record: { type: 'tick', at: timeOf(at), clock: clock as 'FILES', closeThrough },
        to: to === undefined ? null : Number(to),
      }
    }
    case 'members':
      return all({
        type: 'memberList',
        version: name,
        anyBank: text === 'members any',
        members: text === 'members any' ? [] : membersOf(text.slice(8)),
      })
    case 'rules': {
      const [, version, from] = /^rules (\w+) from (.+)$/.exec(text) ?? fail(name, text)
      const rules = context.ruleSets.get(version) ?? fail(name, text)
      return all({ type: 'ruleSet', version, rules: JSON.stringify(rules), effectiveFrom: timeOf(from) })
    }
    case 'release':
    case 'reject': {
      const form = /^(\w+) (\S+) (\S+) as (\S+) by (\S+) because (.+?)( and not settled elsewhere)?$/
      const [, action, transactionId, payerAccount, resolutionId, by, why, not] = form.exec(text) ?? fail(name, text)
      return all({
        type: 'holdResolution',
        resolutionId,
        action: action === 'release' ? 'RELEASE' : 'REJECT',
        producer,
        payerAccount,
        transactionId,
        by,
        why,
        notSettledElsewhere: not !== undefined,
      })
    }
    case 'unreadable':
      return all({ type: 'unreadable', reason: text.slice('unreadable '.length) })
    default:
      return fail(name, text)
  }
}

const producer = 'shop'
const kinds: Record<string, Transaction['kind']> = {
  pay: 'PAYMENT',
  refund: 'REFUND',
  reversal: 'REVERSAL',
  chargeback: 'CHARGEBACK',
}

function transactionOf(at: string, text: string): { record: LogRecord; to: number | null } {
  const form = /^(\w+) (\S*)(?: of (\S*))? (\S*)@(\S*) -> (\S*)@(\S*) (\S+) ([A-Z]+)((?: \w+=\S*)*)$/
  const found = form.exec(text) ?? fail('record', text)
  const [, kind, transactionId, original, payerAccount, payerBank, payeeAccount, payeeBank, amount, currency] = found
  const more = new Map(
    found[10]
      .trim()
      .split(' ')
      .filter(Boolean)
      .map((pair) => pair.split('=') as [string, string]),
  )
  const minor = minorUnits(amount, exponentOf(currency))
  const occurredAt = timeOf(at)
  const accepted = more.get('accepted')
  const record: LogRecord = {
    type: 'transaction',
    key: more.get('key') ?? payerAccount,
    acceptedAt: accepted === undefined ? occurredAt : timeOf(accepted),
    transaction: {
      producer: more.get('producer') ?? producer,
      payerAccount,
      transactionId,
      kind: kinds[kind],
      occurredAt,
      payerBank,
      payeeAccount,
      payeeBank,
      merchant: more.get('merchant') ?? null,
      amountMinor: typeof minor === 'bigint' ? Number(minor) : fail('amount', text),
      currency,
      country: more.get('country') ?? null,
      originalTransactionId: original ?? null,
      timePrecision: (more.get('precision') ?? 'MILLISECOND') as Transaction['timePrecision'],
    },
  }
  const partition = more.get('partition')
  return { record, to: partition === undefined ? null : Number(partition) }
}

/** 'bank-a EUR USD account set-a; bank-b EUR account set-b' */
function membersOf(text: string): Member[] {
  return text.split('; ').map((one) => {
    const [, bank, currencies, settlementAccount] = /^(\S+) (.+) account (\S+)$/.exec(one) ?? fail('member', one)
    return { bank, currencies: currencies.split(' '), settlementAccount }
  })
}

function fail(what: string, text: string): never {
  throw new Error(`docs/worked-examples.md: cannot read the ${what} '${text}'.`)
}
