/**
 * How a file of somebody else's becomes transactions: `export default mapping({ name, map(row, tools) { ... } })`.
 *
 * `map` is a pure function of one row: same row, same result, nothing kept between rows. It gives a transaction, or
 * `tools.skip('why')` for a row that is none. Amounts stay text in major units, so that nothing is rounded on the way.
 */
import type { Sided } from './files/amounts.ts'
import type { TimePrecision } from './files/encode.ts'

export type { Sided, TimePrecision }

/** A row: fields by column name, as text. From NDJSON: the object, with its numbers as the text that was written. */
export type MappingRow = Readonly<Record<string, string>>

/** A transaction as a mapping gives it. */
export interface MappedTransaction {
  readonly transactionId: string
  /** Milliseconds since 1970-01-01 UTC, as `tools.date` and `tools.instant` give it; NaN when it cannot be read. */
  readonly occurredAt: number
  readonly payerAccount: string
  readonly payerBank: string
  readonly payeeAccount: string
  readonly payeeBank: string
  /** Plain decimal text in major units without a sign: '100.50'. */
  readonly amount: string
  /** ISO 4217. */
  readonly currency: string
  readonly merchant?: string | null
  /** ISO 3166-1 alpha-2. */
  readonly country?: string | null
  readonly kind?: 'payment' | 'refund' | 'reversal' | 'chargeback'
  readonly originalTransactionId?: string | null
  /** The mapping's name when absent. */
  readonly producer?: string | null
}

/** A reason to leave a row out; the rows are counted per reason. */
export class Skip {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** Leaves a row out. `reason`: a fixed text of 1 to 64 characters; a mapping may use 24 different ones. */
export const skip = (reason: string): Skip => new Skip(reason)

/** What helps a mapping to read; all pure. */
export interface MappingTools {
  /** The instant of a local time in the mapping's zone by a pattern of YYYY YY M MM D DD H HH mm ss SSS; NaN when it does not fit. */
  date(text: string, pattern: string): number
  /** The instant of an ISO 8601 time with its zone, or of epoch milliseconds; NaN when it is neither. */
  instant(text: string): number
  /** Plain decimal text of an amount with thousands separators, a sign, a decimal comma when declared. */
  amount(text: string): string
  /** The same without its sign. */
  unsigned(text: string): string
  /** Side and amount from a debit and a credit column. */
  debitCredit(debit: string, credit: string): Sided
  skip(reason: string): Skip
}

export interface Mapping {
  /** Stands for the producer of rows that name none: the namespace of their ids. 1 to 64 characters. */
  readonly name: string
  /** Default: CSV, unless the file begins with '{'. */
  readonly format?: 'csv' | 'ndjson'
  /** Default: the one of , ; and tab that the header has most of. */
  readonly delimiter?: string
  /** Default '"'; '' when the file knows no quotes. */
  readonly quote?: string
  /** Names of the columns of a file without a header. */
  readonly columns?: readonly string[]
  /** Default utf-8; or an encoding with one byte a character: latin1, windows-1250, iso-8859-2, ... */
  readonly encoding?: string
  /** Zone of local times, as in the tz database. Default UTC. */
  readonly zone?: string
  /** How exact the times are. Default second. */
  readonly timePrecision?: TimePrecision
  /** Two-digit years from it on are 19xx, smaller ones 20xx. */
  readonly twoDigitYearPivot?: number
  /** Amounts are written 1.234,50. */
  readonly decimalComma?: boolean
  map(row: MappingRow, tools: MappingTools): MappedTransaction | Skip
}

/** Says that this object is a mapping, so that the editor checks it; its values are checked when it is loaded. */
export const mapping = (declaration: Mapping): Mapping => declaration
