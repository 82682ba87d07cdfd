/** What the intake writes by hand is what Avro says: avsc reads it back. */
import avro from 'avsc'
import { describe, expect, test } from 'vitest'
import { holdResolutionValue, tickOf, tickValue, transactionValue, type Transaction } from '../../intake/wire.ts'
import { records, type RecordType } from '../../schemas/topics.ts'

/** Decodes with avsc; plain longs come back as bigints, because its own numbers end before 2^53. */
function decode(type: RecordType, value: Uint8Array): Record<string, unknown> {
  const long = avro.types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (n: bigint) => {
      const buffer = Buffer.alloc(8)
      buffer.writeBigInt64LE(n)
      return buffer
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (n: unknown) => typeof n === 'bigint',
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  })
  const schema = avro.Type.forSchema(JSON.parse(type.schema) as avro.Schema, { registry: { long } })
  expect([...value.subarray(0, 5)]).toEqual([0, 0, 0, 0, type.id])
  return { ...(schema.fromBuffer(Buffer.from(value.subarray(5))) as object) }
}

const payment: Transaction = {
  producer: 'shop',
  payerAccount: 'DE-1',
  transactionId: 'P1',
  kind: 'PAYMENT',
  occurredAt: 1_767_614_400_123,
  payerBank: 'bank-a',
  payeeAccount: 'FR-2',
  payeeBank: 'bank-b',
  merchant: null,
  amountMinor: 10_000,
  currency: 'EUR',
  country: null,
  originalTransactionId: null,
  timePrecision: 'MILLISECOND',
}

describe('a transaction on the wire', () => {
  const cases: [string, Partial<Transaction>][] = [
    ['a plain payment', {}],
    ['a refund with everything', { kind: 'REFUND', originalTransactionId: 'P0', merchant: 'books', country: 'DE' }],
    ['a chargeback known to the day', { kind: 'CHARGEBACK', originalTransactionId: 'P0', timePrecision: 'DAY' }],
    ['a reversal known to the second', { kind: 'REVERSAL', originalTransactionId: 'P0', timePrecision: 'SECOND' }],
    ['the largest amount, 2^53', { amountMinor: 2 ** 53 }],
    ['a time before 1970', { occurredAt: -1 }],
    ['letters of several bytes', { payerAccount: 'Ж'.repeat(64), merchant: '書店 🧾' }],
    ['ids of 64 characters', { transactionId: 'x'.repeat(64), producer: 'y'.repeat(63) }],
  ]
  test.each(cases)('%s', (_, change) => {
    const transaction = { ...payment, ...change }
    expect(decode(records.transaction, transactionValue(transaction))).toEqual({
      ...transaction,
      amountMinor: BigInt(transaction.amountMinor),
    })
  })
})

test('a tick, and its instant read back without a decoder', () => {
  const value = tickValue(1_767_614_400_123, 'SIMULATED')
  expect(decode(records.tick, value)).toEqual({ at: 1_767_614_400_123, clock: 'SIMULATED', closeThrough: null })
  expect(tickOf(value)).toBe(1_767_614_400_123)
  expect(tickOf(transactionValue(payment))).toBeNull()
  expect(tickOf(new Uint8Array(3))).toBeNull()
})

test('a hold resolution', () => {
  const resolution = {
    resolutionId: 'r-1',
    action: 'REJECT' as const,
    producer: 'shop',
    payerAccount: 'DE-1',
    transactionId: 'P1',
    by: 'Zoë',
    why: 'called the payer',
    notSettledElsewhere: true,
  }
  expect(decode(records.holdResolution, holdResolutionValue(resolution))).toEqual(resolution)
})
