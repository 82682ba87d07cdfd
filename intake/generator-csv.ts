/** Generated transactions as CSV in our own column names, and their fraud labels as a second file. */
import { exponentOf, noCurrency } from '../schemas/currencies.ts'
import type { TransactionRecord } from '../schemas/generated.ts'
import { majorText } from '../schemas/money.ts'
import type { Generated } from './generator.ts'

/** The columns, in order; `amount` is in major units, `occurredAt` ISO 8601 in UTC, `kind` in lower case. */
export const csvHeader =
  'transactionId,occurredAt,kind,payerAccount,payerBank,payeeAccount,payeeBank,merchant,amount,currency,country,' +
  'originalTransactionId,producer\n'

/** The columns of the labels. */
export const labelsHeader = 'producer,payerAccount,transactionId,fraud,made\n'

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** One line with its line end. Time precision has no column: a mapping declares it for a whole file. */
export function csvRow(record: TransactionRecord): string {
  const known = exponentOf(record.currency) !== noCurrency
  const amount = known ? majorText(record.amountMinor, record.currency) : String(record.amountMinor)
  return (
    `${quoted(record.transactionId)},${new Date(record.occurredAt).toISOString()},${record.kind.toLowerCase()},` +
    `${quoted(record.payerAccount)},${quoted(record.payerBank)},${quoted(record.payeeAccount)},` +
    `${quoted(record.payeeBank)},${quoted(record.merchant ?? '')},${amount},${record.currency},` +
    `${record.country ?? ''},${quoted(record.originalTransactionId ?? '')},${quoted(record.producer)}\n`
  )
}

/** The label of one line. */
export function labelRow({ transaction, fraud, made }: Generated): string {
  const { producer, payerAccount, transactionId } = transaction
  return `${quoted(producer)},${quoted(payerAccount)},${quoted(transactionId)},${fraud},${made}\n`
}

/** A CSV file in chunks of about 64 KiB, header first; `onRow` sees each item, for the labels or a count. */
export function* csvChunks(items: Iterable<Generated>, onRow: (item: Generated) => void = () => {}): Generator<string> {
  let chunk = csvHeader
  for (const item of items) {
    onRow(item)
    chunk += csvRow(item.transaction)
    if (chunk.length >= 65_536) {
      yield chunk
      chunk = ''
    }
  }
  yield chunk
}
