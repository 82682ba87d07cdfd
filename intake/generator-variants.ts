/** What goes wrong or comes back: conflicts, returns and invalid records made from a generated payment. */
import type { TransactionRecord } from '../schemas/generated.ts'
import { minorOf } from './generator-world.ts'
import type { Random } from './random.ts'

const dayMs = 86_400_000

/** The record with some fields changed. */
export const copyWith = (record: TransactionRecord, change: Partial<TransactionRecord>): TransactionRecord => ({
  ...record,
  ...change,
})

/** Same identity, other content. */
export function conflictOf(random: Random, record: TransactionRecord): TransactionRecord {
  const changes: Partial<TransactionRecord>[] = [
    { amountMinor: record.amountMinor + 1 },
    { payeeAccount: `${record.payeeAccount}X` },
    { occurredAt: record.occurredAt + 1 },
    { merchant: record.merchant === null ? 'merchant-other' : null },
    { kind: 'REVERSAL', originalTransactionId: record.transactionId },
  ]
  return copyWith(record, changes[random.below(changes.length)])
}

/** One or two returns of a payment with their times of arrival; a few cannot be matched to it. */
export function returnsOf(
  random: Random,
  payment: TransactionRecord,
  arrivesAt: number,
  options: { returnDelayMs: number; currencies: readonly string[] },
  newId: () => string,
): { at: number; transaction: TransactionRecord }[] {
  const one = (after: number, change: Partial<TransactionRecord>): { at: number; transaction: TransactionRecord } => {
    const at = after + 1 + random.below(options.returnDelayMs)
    const kind = random.uniform()
    return {
      at,
      transaction: copyWith(payment, {
        transactionId: newId(),
        kind: kind < 0.6 ? 'REFUND' : kind < 0.85 ? 'REVERSAL' : 'CHARGEBACK',
        occurredAt: at,
        country: null,
        originalTransactionId: payment.transactionId,
        timePrecision: 'MILLISECOND',
        ...change,
      }),
    }
  }
  const part = Math.max(1, Math.floor(payment.amountMinor * random.uniform()))
  const which = random.uniform()
  if (which < 0.6) return [one(arrivesAt, {})]
  if (which < 0.75) return [one(arrivesAt, { amountMinor: part })]
  if (which < 0.85) {
    const rest = payment.amountMinor - part
    return [one(arrivesAt, { amountMinor: part }), ...(rest > 0 ? [one(arrivesAt, { amountMinor: rest })] : [])]
  }
  if (which < 0.9) return [one(arrivesAt, {}), one(arrivesAt, { amountMinor: part })]
  if (which < 0.93) return [one(arrivesAt, { amountMinor: payment.amountMinor + 1 })]
  if (which < 0.95) {
    const currency = options.currencies[random.below(options.currencies.length)]
    return [one(arrivesAt, { currency, amountMinor: minorOf(1, currency) })]
  }
  if (which < 0.97) return [one(arrivesAt, { originalTransactionId: `${payment.transactionId}-unknown` })]
  if (which < 0.98) {
    const first = one(arrivesAt, { amountMinor: part })
    return [first, one(first.at, { originalTransactionId: first.transaction.transactionId, amountMinor: 1 })]
  }
  return [one(arrivesAt + dayMs, {})]
}

/** The record made invalid in one of the ways that a producer gets wrong. */
export function spoiled(random: Random, record: TransactionRecord): TransactionRecord {
  const ways: Partial<TransactionRecord>[] = [
    { transactionId: '' },
    { producer: '' },
    { payerBank: '' },
    { payeeBank: 'b'.repeat(65) },
    { payeeAccount: '' },
    { merchant: 'm'.repeat(65) },
    { country: 'cz' },
    { currency: 'XXX' },
    { amountMinor: 0 },
    { amountMinor: -record.amountMinor },
    { kind: 'REFUND', originalTransactionId: null },
    { occurredAt: Date.UTC(1970, 0, 1) + 1 },
    { occurredAt: Date.UTC(2100, 0, 1) },
  ]
  return copyWith(record, ways[random.below(ways.length)])
}
