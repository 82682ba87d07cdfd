/** Bodies of POST /v1/transactions: JSON or NDJSON into valid transactions, or a refusal per item. */
import { isUtf8 } from 'node:buffer'
import { amountMinorOf, maxAmountMinor } from '../../schemas/money.ts'
import { deadLetterReasons, type DeadLetterReason } from '../../schemas/reasons.ts'
import { faultOf, timeFault } from '../../schemas/validate.ts'
import { kinds, timePrecisions, type Transaction } from '../wire.ts'
import { instantOf } from './instant.ts'

/** Refusals that only HTTP knows; the others are schemas/reasons.ts. */
export const httpReasons = {
  'not-an-object': 'The item is not a JSON object. Send one object per transaction.',
  'unknown-field': 'The item has a field that does not exist. Correct its name or leave it out; nothing is ignored.',
  'producer-not-yours': 'The API key may send under another producer only. Leave producer out, or use its own key.',
} as const
export type RefusalReason = DeadLetterReason | keyof typeof httpReasons

export interface Refusal {
  readonly reason: RefusalReason
  readonly message: string
}

/** What the door holds against an item. */
export interface Rules {
  /** Acceptance time, milliseconds. */
  readonly now: number
  readonly earliest: number
  readonly maxAheadMs: number
  /** Producer of an item that names none. */
  readonly producer: string
  /** The only producer that this caller may use; null = any. */
  readonly onlyProducer: string | null
}

export const fields = [
  'transactionId',
  'occurredAt',
  'payerAccount',
  'payeeAccount',
  'payerBank',
  'payeeBank',
  'merchant',
  'amount',
  'amountMinor',
  'currency',
  'country',
  'kind',
  'originalTransactionId',
  'producer',
  'timePrecision',
] as const
const known: ReadonlySet<string> = new Set(fields)

/** A JSON number as it was written: its text, before any float could round it. */
export class NumberText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** A line of NDJSON that is no JSON. */
class UnreadableLine {}

const refuse = (reason: RefusalReason, detail = ''): Refusal => {
  const message = { ...deadLetterReasons, ...httpReasons }[reason]
  return { reason, message: detail === '' ? message : `${message} ${detail}` }
}

export const isRefusal = (value: object): value is Refusal => 'reason' in value

/** A whole body that cannot be read: answered 400. */
export class BodyError extends Error {
  readonly code: 'text-encoding' | 'json-syntax'
  constructor(code: BodyError['code'], message: string) {
    super(message)
    this.code = code
  }
}

const hasNumber = (item: unknown): boolean =>
  typeof item === 'object' &&
  item !== null &&
  (typeof (item as Record<string, unknown>).amount === 'number' ||
    typeof (item as Record<string, unknown>).amountMinor === 'number')

const keepText = (key: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === 'number' && (key === 'amount' || key === 'amountMinor')
    ? new NumberText(context?.source ?? String(value))
    : value

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new BodyError('json-syntax', `The body is not JSON: ${(error as Error).message}.`)
  }
}

/** JSON.parse that hands the source text of numbers to its reviver (ECMAScript "JSON.parse source text access"). */
const parseWithSource = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context?: { source?: string }) => unknown,
) => unknown

const listOf = (body: unknown): unknown[] => {
  if (Array.isArray(body)) return body as unknown[]
  if (typeof body === 'object' && body !== null) {
    const { transactions } = body as Record<string, unknown>
    if (Array.isArray(transactions) && Object.keys(body).length === 1) return transactions as unknown[]
  }
  return [body]
}

/**
 * The items of a body: an object, an array, {"transactions": [...]}, or one object a line when `ndjson`. Amounts that are
 * numbers come as NumberText; a line that is not JSON is refused by transactionOf. Errors: BodyError.
 */
export function itemsOf(body: Buffer, ndjson: boolean): unknown[] {
  if (!isUtf8(body)) throw new BodyError('text-encoding', 'The body is not valid UTF-8.')
  const text = body.toString('utf8')
  if (ndjson) {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    return lines.map((line) => {
      try {
        return parseWithSource(line, keepText)
      } catch {
        return new UnreadableLine()
      }
    })
  }
  const items = listOf(parse(text))
  // The reviver costs more than everything else here, so only those who send numbers as amounts pay for it.
  return items.some(hasNumber) ? listOf(parseWithSource(text, keepText)) : items
}

function amountOf(item: Record<string, unknown>, currency: string): number | Refusal {
  const { amount, amountMinor } = item
  if (amount !== undefined && amountMinor !== undefined)
    return refuse('unreadable-amount', 'Give amount or amountMinor, not both.')
  if (amountMinor !== undefined) {
    const text = amountMinor instanceof NumberText ? amountMinor.text : amountMinor
    if (typeof text !== 'string' || !/^-?\d{1,40}$/.test(text))
      return refuse('unreadable-amount', 'amountMinor must be an integer.')
    const minor = BigInt(text)
    return minor >= 1n && minor <= BigInt(maxAmountMinor) ? Number(minor) : refuse('invalid-amount')
  }
  const text = amount instanceof NumberText ? amount.text : amount
  if (typeof text !== 'string') return refuse('unreadable-amount', 'Send amount as a text such as "12.30".')
  const minor = amountMinorOf(text, currency)
  return typeof minor === 'number' ? minor : refuse(minor)
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const optional = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)
const oneOf = <T extends string>(list: readonly T[], value: unknown, otherwise: T): T | undefined =>
  value === undefined || value === null || value === ''
    ? otherwise
    : list.find((entry) => typeof value === 'string' && entry === value.toUpperCase())

/** A valid transaction of an item, or why it is refused: the first reason in the order of schemas/reasons.ts. */
export function transactionOf(item: unknown, rules: Rules): Transaction | Refusal {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return refuse('not-an-object')
  if (item instanceof UnreadableLine) return refuse('json-syntax')
  const row = item as Record<string, unknown>
  for (const name in row) if (!known.has(name)) return refuse('unknown-field', `It is '${name.slice(0, 64)}'.`)
  const occurredAt = instantOf(row.occurredAt)
  if (occurredAt === null) return refuse('unreadable-time')
  const kind = oneOf(kinds, row.kind, 'PAYMENT')
  if (kind === undefined) return refuse('unreadable-kind')
  const timePrecision = oneOf(timePrecisions, row.timePrecision, 'MILLISECOND')
  if (timePrecision === undefined) return refuse('unreadable-time', 'timePrecision is millisecond, second or day.')
  for (const name of ['merchant', 'country', 'originalTransactionId'] as const) {
    const value = row[name]
    if (value !== undefined && value !== null && typeof value !== 'string')
      return refuse(
        name === 'merchant' ? 'invalid-merchant' : name === 'country' ? 'invalid-country' : 'invalid-original',
      )
  }
  const currency = text(row.currency)
  const amount = amountOf(row, currency)
  if (typeof amount !== 'number' && amount.reason === 'unreadable-amount') return amount
  const transaction: Transaction = {
    producer: row.producer === undefined ? rules.producer : text(row.producer),
    payerAccount: text(row.payerAccount),
    transactionId: text(row.transactionId),
    kind,
    occurredAt,
    payerBank: text(row.payerBank),
    payeeAccount: text(row.payeeAccount),
    payeeBank: text(row.payeeBank),
    merchant: optional(row.merchant),
    // A refused amount stands for itself below; 1 only lets the other fields be asked first.
    amountMinor: typeof amount === 'number' ? amount : 1,
    currency,
    country: optional(row.country),
    originalTransactionId: optional(row.originalTransactionId),
    timePrecision,
  }
  const fault = faultOf(transaction)
  if (fault !== null && fault !== 'invalid-original') return refuse(fault)
  if (typeof amount !== 'number') return amount
  if (fault !== null) return refuse(fault)
  const time = timeFault(occurredAt, rules.now, rules.earliest, rules.maxAheadMs)
  if (time !== null) return refuse(time)
  if (rules.onlyProducer !== null && transaction.producer !== rules.onlyProducer) return refuse('producer-not-yours')
  return transaction
}
