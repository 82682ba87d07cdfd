/** One row of a file as slices of the bytes it stands in, and the limits of a row. */
import type { DeadLetterReason } from '../../schemas/reasons.ts'

/** A longer row is no row of payments: it is given up here, so that a line of gigabytes costs no memory. */
export const maxRowBytes = 1 << 20
/** How much of an unreadable row is kept. */
export const rawBytes = 4096
/**
 * How far a quoted field may reach beyond its first line: a missing quote would otherwise swallow the rows after it.
 * Remittance texts and addresses have a handful of lines; 64 leaves room, and bounds what a broken row costs to re-read.
 */
export const maxQuotedLines = 64
export const maxQuotedBytes = 64 << 10

/** What a scanner answers. */
export const ROW = 1
export const MORE = 0
export const END = -1
export type Step = typeof ROW | typeof MORE | typeof END

/** Fields by slot: field `slot` is bytes[starts[slot] .. ends[slot]); absent ones are empty. */
export interface Fields {
  readonly bytes: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** The current row of a scanner, reused from row to row. */
export class Row {
  /** The row without its line end: bytes[start .. end). */
  bytes: Uint8Array = new Uint8Array(0)
  start = 0
  end = 0
  /** Line on which it starts, from 1. */
  line = 0
  /** Why it cannot be split into fields. */
  problem: DeadLetterReason | null = null
  /** Number of fields found, for the message of `column-count`. */
  found = 0
  ascii = true
  /** False for a last row without a line end. */
  terminated = true
  /** Where the fields stand: `bytes`, or a copy without doubled quotes. */
  fields: Uint8Array = new Uint8Array(0)
  readonly starts: Int32Array
  readonly ends: Int32Array

  constructor(slots: number) {
    this.starts = new Int32Array(slots + 1)
    this.ends = new Int32Array(slots + 1)
  }
}
