/**
 * Batches are columns: a fetched run of records as a struct of arrays, with a selection of rows instead of copies.
 *
 * A Frame holds the rows of one step of one task; every Batch that flows through the topology is a selection of its rows.
 * Text stays in the arrival buffer: a text column is offsets and lengths into `bytes`.
 */

/** Text or bytes per row: UTF-8 in `bytes` from offsets[row], lengths[row] bytes; length -1 is null. */
export interface TextColumn {
  readonly kind: 'text'
  readonly bytes: Uint8Array
  readonly offsets: Int32Array
  readonly lengths: Int32Array
}

/** Integers (int, long) or doubles per row; NaN is null. Integers beyond 2^53 are given as Infinity or -Infinity. */
export interface NumberColumn {
  readonly kind: 'number'
  readonly values: Float64Array
}

/** Enum symbol index or boolean (0, 1) per row; 255 is null. */
export interface CodeColumn {
  readonly kind: 'code'
  readonly values: Uint8Array
}

/** A nested record kept as its Avro bytes: from starts[row] to ends[row] in `bytes`. */
export interface RawColumn {
  readonly kind: 'raw'
  readonly bytes: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
}

export type Column = TextColumn | NumberColumn | CodeColumn | RawColumn

/** The rows of one step. Arrays may be longer than `rows`: they are reused from step to step. */
export interface Frame {
  rows: number
  /** Arrival buffer: record batches as they came. */
  bytes: Uint8Array
  view: DataView
  /** Log offset of each row. */
  offsets: Float64Array
  /** Acceptance time of each row (record timestamp), milliseconds. Decides "implausible time" and nothing else. */
  acceptedAt: Float64Array
  /** Record key: start and length in bytes; length -1 is null. */
  keyOffsets: Int32Array
  keyLengths: Int32Array
  /** Record value, wire prefix included: start and end in bytes; end -1 is null. */
  valueOffsets: Int32Array
  valueEnds: Int32Array
  /** Index of the record type in the source's list; 255 = unknown schema id or no wire prefix. */
  recordTypes: Uint8Array
  /** Stream time of the task at each row, after the row; computed before any operator runs. */
  streamTime: Float64Array
  /** Columns by name: fields of the source's event type (filled where recordTypes says so), then what operators add. */
  columns: Map<string, Column>
}

/** A selection of a frame's rows, ascending. */
export class Batch {
  readonly frame: Frame
  readonly selection: Int32Array
  readonly count: number

  constructor(frame: Frame, selection: Int32Array, count: number) {
    this.frame = frame
    this.selection = selection
    this.count = count
  }

  /** The rows whose code is `code`. */
  where(codes: Uint8Array, code: number): Batch {
    const selection = new Int32Array(this.count)
    let count = 0
    for (let i = 0; i < this.count; i++) {
      const row = this.selection[i]
      if (codes[row] === code) selection[count++] = row
    }
    return new Batch(this.frame, selection, count)
  }

  number(name: string): Float64Array {
    const column = this.frame.columns.get(name)
    if (column?.kind !== 'number') throw new Error(`no number column '${name}'`)
    return column.values
  }

  code(name: string): Uint8Array {
    const column = this.frame.columns.get(name)
    if (column?.kind !== 'code') throw new Error(`no code column '${name}'`)
    return column.values
  }

  raw(name: string): RawColumn {
    const column = this.frame.columns.get(name)
    if (column?.kind !== 'raw') throw new Error(`no raw column '${name}'`)
    return column
  }

  text(name: string): TextColumn {
    const column = this.frame.columns.get(name)
    if (column?.kind !== 'text') throw new Error(`no text column '${name}'`)
    return column
  }
}
