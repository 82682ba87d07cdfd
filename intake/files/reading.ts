/** What a row means: its time first, then its fields. One for our own column names (CSV or NDJSON), one for a mapping. */
import { isUtf8 } from 'node:buffer'
import type { DeadLetterReason } from '../../schemas/reasons.ts'
import { FlatJson } from './json.ts'
import type { Fields, Row } from './row.ts'
import { slot } from './slots.ts'
import { readTime } from './time.ts'

/** Reads the rows of one file. After `time`, the other members speak of that row, until the next call. */
export interface Reading {
  /** Event time of the row in milliseconds; NaN when it has none that can be read. A function of the row alone. */
  time(row: Row): number
  /** Why the row cannot be read, or null. */
  problem: DeadLetterReason | null
  /** What the problem is about, as a sentence; or ''. */
  detail: string
  /** Why the mapping leaves the row out, or null. */
  skip: string | null
  /** Fields by slot; meaningful when there is no problem and no skip. */
  fields: Fields
  /** Index in `precisions`. */
  precision: number
}

/** Rows in our own column names. */
export class OwnReading implements Reading {
  problem: DeadLetterReason | null = null
  detail = ''
  readonly skip = null
  readonly precision = 0
  fields: Fields
  private readonly json: FlatJson | null

  constructor(format: 'csv' | 'ndjson', row: Row) {
    this.json = format === 'ndjson' ? new FlatJson() : null
    this.fields = this.json?.fields ?? { bytes: row.fields, starts: row.starts, ends: row.ends }
  }

  time(row: Row): number {
    this.problem = row.problem
    if (row.problem !== null) return Number.NaN
    if (!row.ascii && !isUtf8(row.bytes.subarray(row.start, row.end))) {
      this.problem = 'text-encoding'
      return Number.NaN
    }
    if (this.json === null) {
      if (this.fields.bytes !== row.fields) this.fields = { bytes: row.fields, starts: row.starts, ends: row.ends }
    } else if (this.json.read(row.bytes, row.start, row.end)) this.fields = this.json.fields
    else {
      this.problem = row.terminated ? 'json-syntax' : 'row-cut'
      return Number.NaN
    }
    const { bytes, starts, ends } = this.fields
    return readTime(bytes, starts[slot.occurredAt], ends[slot.occurredAt])
  }
}

const quoted = ['unreadable-time', 'unreadable-amount', 'unreadable-kind', 'invalid-currency', 'invalid-country']
const quotedSlots = [slot.occurredAt, slot.amount, slot.kind, slot.currency, slot.country]

/** The value that a fault is about, for its message; never an account or a name. */
export function faultDetail(reason: DeadLetterReason, fields: Fields): string {
  let index = quotedSlots[quoted.indexOf(reason)]
  if (reason === 'invalid-amount' || reason === 'amount-precision') index = slot.amount
  if (reason === 'time-too-early' || reason === 'time-too-late') index = slot.occurredAt
  if (index === undefined) return ''
  const { bytes, starts, ends } = fields
  const value = Buffer.from(bytes.subarray(starts[index], Math.min(ends[index], starts[index] + 40))).toString('utf8')
  return value === '' ? 'It is empty.' : `It says '${value}'.`
}
