/**
 * Compiled encoders: from columns straight into record batches, without an object per record. One loop is generated per
 * encoder; the bytes are the canonical Avro encoding (shortest varints, arrays as one block).
 */
import type { Arena } from '../arena.ts'
import { writeVarint } from '../arena.ts'
import type { Column, Frame, TextColumn } from '../batch.ts'
import type { RecordBatchWriter } from '../records.ts'
import { compiledOnce } from '../compiled.ts'
import { EncoderSource } from './encode-source.ts'
import type { Binding } from './encode-source.ts'
import { reencode } from './object.ts'
import { SchemaError, parseSchema } from './schema.ts'

export interface EncoderOptions {
  /** Schema id of the wire prefix. */
  readonly id: number
  /**
   * Column of a field (dotted path for fields of nested records, 'features.payments1m') where it is not named like it.
   */
  readonly columns?: Readonly<Record<string, string>>
  /** Fields that are the same in every row. */
  readonly constants?: Readonly<Record<string, string | number | boolean | null>>
  /** Nested records and arrays that are copied from a raw column instead of being built from their fields. */
  readonly raw?: readonly string[]
  /**
   * Arrays (or any other fields) that a callback writes, and the number and code columns that such a field is a function
   * of: while they stay the same its bytes are copied. With none the callback is called for every row.
   */
  readonly written?: Readonly<Record<string, readonly string[]>>
  /** Nullable nested records whose presence a code column of that name says (1 = there); without it they are there. */
  readonly optional?: readonly string[]
}

/** Writes one Avro value of its field for a row into the arena: for an array its count, its items, and a zero byte. */
export type WriteField = (row: number, arena: Arena) => void

export interface EncodeCall {
  /** Record timestamp by row, milliseconds. */
  readonly timestamps: Float64Array
  /** Record key by row; null: no key. Rows of length -1 have no key. */
  readonly key: TextColumn | null
  /** A callback for each of `written`. */
  readonly arrays?: Readonly<Record<string, WriteField>>
  /** Where the values stand in writer.bytes afterwards, wire prefix of five bytes included: from rows[from] on. */
  readonly values?: { readonly starts: Int32Array; readonly ends: Int32Array }
}

/**
 * Appends one record for each of rows[from .. to - 1] to a batch that was begun. Errors: a null where the schema has
 * none.
 */
export type Encode = (
  writer: RecordBatchWriter,
  columns: ReadonlyMap<string, Column>,
  rows: Int32Array,
  from: number,
  to: number,
  call: EncodeCall,
) => void

/** Appends the canonical Avro bytes (no wire prefix) of one row to an arena, from the frame's columns. */
export type CanonicalEncoder = (frame: Frame, row: number, arena: Arena) => void

type BoundArray = Float64Array | Int32Array | Uint8Array | DataView
type Bound = readonly BoundArray[]

interface Helpers {
  readonly writeVarint: typeof writeVarint
  readonly writeSmall: typeof writeSmall
  readonly writeTime: typeof writeTime
  readonly writeNumber: (bytes: Uint8Array, at: number, value: number, name: string) => number
  readonly notNull: (name: string, row: number) => never
  readonly canonicalRaw: (index: number, bytes: Uint8Array, start: number, end: number, arena: Arena) => void
}

/** Compiles an encoder for records of a schema; the same one for the same options. Errors: SchemaError naming the field. */
export function compileEncoder(schemaText: string, options: EncoderOptions): Encode {
  return compiledOnce(makeEncoder, schemaText + JSON.stringify(options), () => makeEncoder(schemaText, options))
}

function makeEncoder(schemaText: string, options: EncoderOptions): Encode {
  const source = new EncoderSource(parseSchema(schemaText), options, false)
  const run = make(source, source.recordsText(options.id)) as (
    writer: RecordBatchWriter,
    bound: Bound,
    rows: Int32Array,
    from: number,
    to: number,
    timestamps: Float64Array,
    key: TextColumn | null,
    writes: readonly WriteField[],
    values: EncodeCall['values'] | null,
  ) => void
  const written = Object.keys(options.written ?? {})
  return (writer, columns, rows, from, to, call) => {
    const writes = written.map((name) => {
      const write = call.arrays?.[name]
      if (write === undefined) throw new Error(`no callback writes the field '${name}'`)
      return write
    })
    run(writer, bind(source.bindings, columns), rows, from, to, call.timestamps, call.key, writes, call.values ?? null)
  }
}

/**
 * Compiles the encoder of a row's canonical bytes from columns named like the schema's fields (nested ones raw, as
 * decoded): for rows that a decoder did not find canonical. Errors: SchemaError for an integer beyond 2^53.
 */
export function canonicalEncoder(schemaText: string): CanonicalEncoder {
  const type = parseSchema(schemaText)
  const nested = type.fields.filter(({ type: of }) => {
    const plain = of.type === 'nullable' ? of.of : of
    return plain.type === 'record' || plain.type === 'array'
  })
  const source = new EncoderSource(type, { id: 0, raw: nested.map((field) => field.name) }, true)
  const run = make(source, source.valueText()) as (arena: Arena, bound: Bound, row: number) => void
  let bound: Bound = []
  let columns: readonly Column[] = []
  let arrays: readonly unknown[] = []
  return (frame, row, arena) => {
    // Rows come one by one, in runs over the same columns: bound again only when one of them was replaced.
    const fresh = source.bindings.some(({ column: name }, i) => {
      const column = frame.columns.get(name)
      return column === undefined || column !== columns[i] || ('bytes' in column && column.bytes !== arrays[i])
    })
    if (fresh || columns.length === 0) {
      bound = bind(source.bindings, frame.columns)
      columns = source.bindings.map(({ column: name }) => frame.columns.get(name) as Column)
      arrays = columns.map((column) => ('bytes' in column ? column.bytes : null))
    }
    run(arena, bound, row)
  }
}

/** An integer from 0 to 2^30 - 1. */
function writeSmall(bytes: Uint8Array, at: number, value: number): number {
  let zigzag = value << 1
  while (zigzag > 127) {
    bytes[at++] = (zigzag & 127) | 128
    zigzag >>>= 7
  }
  bytes[at++] = zigzag
  return at
}

/** high * 2^27 + low, from 2^34 to 2^41 - 1: the six bytes of times since 1970. */
function writeTime(bytes: Uint8Array, at: number, high: number, low: number): number {
  low <<= 1
  bytes[at] = (low & 127) | 128
  bytes[at + 1] = ((low >>> 7) & 127) | 128
  bytes[at + 2] = ((low >>> 14) & 127) | 128
  bytes[at + 3] = ((low >>> 21) & 127) | 128
  bytes[at + 4] = (high & 127) | 128
  bytes[at + 5] = high >>> 7
  return at + 6
}

function make(source: EncoderSource, text: string): unknown {
  const helpers: Helpers = {
    writeVarint,
    writeSmall,
    writeTime,
    writeNumber(bytes, at, value, name) {
      if (value === (value | 0) || (Number.isInteger(value) && Math.abs(value) <= 2 ** 53)) {
        return writeVarint(bytes, at, value)
      }
      throw new SchemaError(name, `needs a whole number up to 2^53, got ${value}`)
    },
    notNull(name, row) {
      throw new SchemaError(name, `is null in row ${row}, and the schema has no null there`)
    },
    canonicalRaw: (index, bytes, start, end, arena) => reencode(source.rawTypes[index], bytes, start, end, arena),
  }
  // oxlint-disable-next-line typescript/no-implied-eval -- generated from pinned schemas only; names are checked by the parser
  const outer = new Function('helpers', 'constants', `${text}\n//# sourceURL=compiled/encode`) as (
    helpers: Helpers,
    constants: readonly Uint8Array[],
  ) => unknown
  return outer(helpers, source.constantBytes)
}

function bind(bindings: readonly Binding[], columns: ReadonlyMap<string, Column>): Bound {
  const views = new Map<Uint8Array, DataView>()
  const viewOver = (bytes: Uint8Array): DataView => {
    let view = views.get(bytes)
    if (view === undefined) {
      view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      views.set(bytes, view)
    }
    return view
  }
  return bindings.flatMap(({ field, column: name, kind }): BoundArray[] => {
    const column = columns.get(name)
    if (column === undefined) throw new Error(`field '${field}' has no column '${name}'`)
    if (kind === 'value' && (column.kind === 'number' || column.kind === 'code')) return [column.values]
    if (column.kind !== kind) throw new Error(`field '${field}' needs a ${kind} column, '${name}' is ${column.kind}`)
    if (column.kind === 'text') return [column.offsets, column.lengths, column.bytes, viewOver(column.bytes)]
    if (column.kind === 'raw') return [column.starts, column.ends, column.bytes, viewOver(column.bytes)]
    return [column.values]
  })
}
