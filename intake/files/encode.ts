/** Judges the fields of a row in the order of schemas/reasons.ts, and writes them as transaction.v2 in the wire format. */
import { exponentOfBytes, noCurrency } from '../../schemas/currencies.ts'
import { amountMinorOf, maxAmountMinor } from '../../schemas/money.ts'
import type { DeadLetterReason } from '../../schemas/reasons.ts'
import { records } from '../../schemas/topics.ts'
import { maxCharacters, timeFault } from '../../schemas/validate.ts'
import { writeVarint } from '../../streams/arena.ts'
import { partitionOf } from '../../streams/hash.ts'
import type { RecordBatchWriter } from '../../streams/records.ts'
import { pinnedIds, type SchemaIds } from '../../streams/schema-ids.ts'
import type { Fields } from './row.ts'
import { slot, slots } from './slots.ts'

/** Largest value of a record; what a reader of the log refuses is refused here. */
const maxValueBytes = 64 << 10
/** Everything in a value that is no text: wire prefix, lengths, numbers. */
const frameBytes = 96

export const precisions = ['millisecond', 'second', 'day'] as const
export type TimePrecision = (typeof precisions)[number]

/** Bounds of plausible event times, milliseconds since 1970-01-01 UTC. */
export interface TimeBounds {
  readonly earliest: number
  readonly notAfter: number
  readonly maxAheadMs: number
}

const kinds = ['payment', 'refund', 'reversal', 'chargeback']

export class TransactionEncoder {
  private readonly bounds: TimeBounds
  private readonly producer: Uint8Array
  private readonly id: number
  private amountMinor = 0
  private kind = 0

  /** `producer`: what stands for an absent one. */
  constructor(bounds: TimeBounds, producer: string, ids: SchemaIds = pinnedIds) {
    this.id = ids.idOf(records.transaction)
    this.bounds = bounds
    this.producer = Buffer.from(producer, 'utf8')
  }

  /** The first thing that is wrong with the row, or null. `time`: NaN when it could not be read. */
  fault(fields: Fields, time: number): DeadLetterReason | null {
    const { bytes, starts, ends } = fields
    if (Number.isNaN(time)) return 'unreadable-time'
    const amountFault = this.readAmount(bytes, starts, ends)
    if (amountFault === 'unreadable-amount') return amountFault
    this.kind = kindOf(bytes, starts[slot.kind], ends[slot.kind])
    if (this.kind < 0) return 'unreadable-kind'
    let size = frameBytes + this.producer.length
    for (let i = 0; i < slots; i++) size += ends[i] - starts[i]
    if (size > maxValueBytes) return 'record-too-large'
    if (!(characters(bytes, starts[slot.producer], ends[slot.producer]) <= maxCharacters)) return 'invalid-producer'
    if (!named(fields, slot.transactionId)) return 'invalid-transaction-id'
    if (!named(fields, slot.payerAccount)) return 'invalid-payer-account'
    if (!named(fields, slot.payeeAccount)) return 'invalid-payee-account'
    if (!named(fields, slot.payerBank)) return 'invalid-payer-bank'
    if (!named(fields, slot.payeeBank)) return 'invalid-payee-bank'
    if (!(characters(bytes, starts[slot.merchant], ends[slot.merchant]) <= maxCharacters)) return 'invalid-merchant'
    if (!isCountry(bytes, starts[slot.country], ends[slot.country])) return 'invalid-country'
    if (amountFault !== null) return amountFault
    if (this.kind !== 0 && !named(fields, slot.originalTransactionId)) return 'invalid-original'
    return timeFault(time, this.bounds.notAfter, this.bounds.earliest, this.bounds.maxAheadMs)
  }

  /** Writes the row that `fault` was last asked about, and found nothing wrong with, into its partition. */
  write(fields: Fields, time: number, precision: number, writers: readonly RecordBatchWriter[]): void {
    const { bytes, starts, ends } = fields
    const keyAt = starts[slot.payerAccount]
    const keyLength = ends[slot.payerAccount] - keyAt
    const out = writers[partitionOf(bytes, keyAt, keyLength, writers.length)]
    const valueStart = out.open(this.bounds.notAfter, bytes, keyAt, keyLength)
    out.reserve(maxValueBytes)
    const to = out.bytes
    let p = wirePrefix(to, valueStart, this.id)
    if (starts[slot.producer] === ends[slot.producer]) p = text(to, p, this.producer, 0, this.producer.length)
    else p = text(to, p, bytes, starts[slot.producer], ends[slot.producer])
    p = text(to, p, bytes, keyAt, keyAt + keyLength)
    p = text(to, p, bytes, starts[slot.transactionId], ends[slot.transactionId])
    to[p++] = this.kind << 1
    p = writeVarint(to, p, time)
    p = text(to, p, bytes, starts[slot.payerBank], ends[slot.payerBank])
    p = text(to, p, bytes, starts[slot.payeeAccount], ends[slot.payeeAccount])
    p = text(to, p, bytes, starts[slot.payeeBank], ends[slot.payeeBank])
    p = optional(to, p, bytes, starts[slot.merchant], ends[slot.merchant])
    p = writeVarint(to, p, this.amountMinor)
    p = text(to, p, bytes, starts[slot.currency], ends[slot.currency])
    p = optional(to, p, bytes, starts[slot.country], ends[slot.country])
    p = optional(to, p, bytes, starts[slot.originalTransactionId], ends[slot.originalTransactionId])
    to[p++] = precision << 1
    out.position = p
    out.close(valueStart)
  }

  /** Sets amountMinor, or says what is wrong, as amountMinorOf of schemas/money.ts does; short plain ones without a string. */
  private readAmount(bytes: Uint8Array, starts: Int32Array, ends: Int32Array): DeadLetterReason | null {
    const start = starts[slot.amount]
    const end = ends[slot.amount]
    const currency = starts[slot.currency]
    const exponent =
      ends[slot.currency] - currency === 3
        ? exponentOfBytes(bytes[currency], bytes[currency + 1], bytes[currency + 2])
        : noCurrency
    let minor = 0
    let decimals = -1
    let plain = exponent !== noCurrency && end > start && end - start <= 12 && bytes[start] !== 46
    for (let at = start; plain && at < end; at++) {
      const byte = bytes[at]
      if (byte >= 48 && byte <= 57) {
        minor = minor * 10 + byte - 48
        if (decimals >= 0) decimals++
      } else if (byte === 46 && decimals < 0) decimals = 0
      else plain = false
    }
    if (plain && decimals !== 0 && decimals <= exponent) {
      for (let missing = exponent - Math.max(decimals, 0); missing > 0; missing--) minor *= 10
      this.amountMinor = minor
      return minor >= 1 && minor <= maxAmountMinor ? null : 'invalid-amount'
    }
    const amount = amountMinorOf(latin(bytes, start, end), latin(bytes, currency, ends[slot.currency]))
    if (typeof amount === 'string') return amount
    this.amountMinor = amount
    return null
  }
}

/** Texts that are ASCII whenever they are right; anything else stays wrong under this decoding. */
const latin = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')

const named = (fields: Fields, index: number): boolean => {
  const count = characters(fields.bytes, fields.starts[index], fields.ends[index])
  return count >= 1 && count <= maxCharacters
}

/** Number of code points of valid UTF-8; up to 64 bytes the number of bytes, which is all that is asked about. */
function characters(bytes: Uint8Array, start: number, end: number): number {
  if (end - start <= maxCharacters) return end - start
  if (end - start > 4 * maxCharacters) return Number.POSITIVE_INFINITY
  let count = 0
  for (let at = start; at < end; at++) if ((bytes[at] & 0xc0) !== 0x80) count++
  return count
}

/** Index of the kind's symbol in the schema, -1 when it is none; an absent one is a payment. */
function kindOf(bytes: Uint8Array, start: number, end: number): number {
  if (end === start) return 0
  return end - start > 10 ? -1 : kinds.indexOf(latin(bytes, start, end).toLowerCase())
}

const isCapital = (byte: number): boolean => byte >= 65 && byte <= 90

const isCountry = (bytes: Uint8Array, start: number, end: number): boolean =>
  end === start || (end - start === 2 && isCapital(bytes[start]) && isCapital(bytes[start + 1]))

/** Writes 0x00 and the schema id, the prefix of the Confluent wire format; returns the position after it. */
export function wirePrefix(to: Uint8Array, at: number, id: number): number {
  to[at] = 0
  to[at + 1] = id >>> 24
  to[at + 2] = id >>> 16
  to[at + 3] = id >>> 8
  to[at + 4] = id
  return at + 5
}

function text(to: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  at = writeVarint(to, at, end - start)
  if (end - start > 64) {
    to.set(bytes.subarray(start, end), at)
    return at + end - start
  }
  while (start < end) to[at++] = bytes[start++]
  return at
}

/** A union of null and string: empty is null. */
function optional(to: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  if (start === end) {
    to[at++] = 0
    return at
  }
  to[at++] = 2
  return text(to, at, bytes, start, end)
}
