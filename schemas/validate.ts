/** Is a transaction valid? For cold paths (HTTP, files, tools); the line itself asks the same of columns. */
import { exponentOf, noCurrency } from './currencies.ts'
import type { TransactionRecord } from './generated.ts'
import { maxAmountMinor } from './money.ts'
import type { DeadLetterReason } from './reasons.ts'

/** What is asked of a transaction: all its fields but its time, which is asked elsewhere as is its route. */
export type TransactionFields = Omit<TransactionRecord, 'occurredAt' | 'timePrecision'>

/** Most characters (Unicode code points) of an id, account, bank or merchant. */
export const maxCharacters = 64

/** Number of characters of a text is within [least, 64]; half a surrogate pair is no character. */
function characters(text: string, least: number): boolean {
  if (text.length < least || text.length > 2 * maxCharacters || !text.isWellFormed()) return false
  return text.length <= maxCharacters || Array.from(text).length <= maxCharacters
}

/**
 * The first thing that is wrong with a transaction in the order of schemas/reasons.ts, or null. Asks neither time nor
 * route.
 */
export function faultOf(transaction: TransactionFields): DeadLetterReason | null {
  if (!characters(transaction.producer, 1)) return 'invalid-producer'
  if (!characters(transaction.transactionId, 1)) return 'invalid-transaction-id'
  if (!characters(transaction.payerAccount, 1)) return 'invalid-payer-account'
  if (!characters(transaction.payeeAccount, 1)) return 'invalid-payee-account'
  if (!characters(transaction.payerBank, 1)) return 'invalid-payer-bank'
  if (!characters(transaction.payeeBank, 1)) return 'invalid-payee-bank'
  if (transaction.merchant !== null && !characters(transaction.merchant, 0)) return 'invalid-merchant'
  if (transaction.country !== null && !/^[A-Z]{2}$/.test(transaction.country)) return 'invalid-country'
  if (exponentOf(transaction.currency) === noCurrency) return 'invalid-currency'
  const { amountMinor } = transaction
  // Number.isInteger, not isSafeInteger: 2^53 itself is allowed.
  if (!Number.isInteger(amountMinor) || amountMinor < 1 || amountMinor > maxAmountMinor) return 'invalid-amount'
  if (transaction.kind !== 'PAYMENT') {
    const original = transaction.originalTransactionId
    if (original === null || !characters(original, 1)) return 'invalid-original'
  }
  return null
}

/**
 * Is an event time implausible: before `earliest`, or more than `maxAheadMs` after its acceptance? All in milliseconds
 * since 1970-01-01 UTC.
 */
export function timeFault(
  occurredAt: number,
  acceptedAt: number,
  earliest: number,
  maxAheadMs: number,
): 'time-too-early' | 'time-too-late' | null {
  if (occurredAt < earliest) return 'time-too-early'
  return occurredAt > acceptedAt + maxAheadMs ? 'time-too-late' : null
}
