/**
 * Compiled decoders: from the value bytes of a frame's rows straight into the columns of the reader's schema, without
 * an
 * object per record. One loop is generated per (writer, reader) pair; avsc is its oracle in a fuzz test.
 *
 * D1  Nothing outside [valueOffset, valueEnd) of a row is read, whatever the bytes.
 * D2  A row that faults has null in every column; nothing of the step before shines through.
 */
import type { Column, Frame } from '../batch.ts'
import { compiledOnce } from '../compiled.ts'
import { CANONICAL, bytesFor, columnFor, columnsOfType } from './columns.ts'
import type { Nesting } from './columns.ts'
import { DecoderSource } from './decode-source.ts'
import { SchemaError, parseSchema, sameType } from './schema.ts'
import { readVarint, varintOut } from './varint.ts'

/**
 * Largest value that is decoded, wire prefix included: a payment is a few hundred bytes, what is larger is no payment.
 */
export const MAX_VALUE_BYTES = 65_536

/** Values of the fault array: readable; not a whole record of the writer's schema; larger than MAX_VALUE_BYTES. */
export const FAULT = { none: 0, malformed: 1, tooLarge: 2 } as const

/**
 * Decodes the values of rows[0 .. count - 1] into the columns of the reader's fields (made when missing), skipping the
 * wire
 * prefix of five bytes, and writes fault[row] (see FAULT) for each. The code column 'canonical' becomes 1 where the
 * bytes
 * after the prefix are exactly the canonical encoding of the decoded record. Returns the number of faults.
 */
export type Decoder = (
  frame: Frame,
  rows: Int32Array,
  count: number,
  columns: Map<string, Column>,
  fault: Uint8Array,
) => number

type Run = (
  bytes: Uint8Array,
  view: DataView,
  starts: Int32Array,
  ends: Int32Array,
  rows: Int32Array,
  count: number,
  arrays: readonly (Int32Array | Float64Array | Uint8Array)[],
  canonical: Uint8Array,
  fault: Uint8Array,
  tailAt: number,
) => number

/**
 * Compiles the decoder for values written with one schema and read as another, by Avro's resolution rules: fields by
 * name
 * in any order, missing ones from their default, unknown ones skipped, numbers promoted, unknown enum symbols to the
 * reader's default. `nesting`: see columnsOf; a raw column needs the same nested type on both sides.
 * Errors: SchemaError when the schemas cannot be resolved; the message names the field.
 */
export function compileDecoder(writerSchema: string, readerSchema: string, nesting: Nesting = 'raw'): Decoder {
  const key = JSON.stringify([writerSchema, readerSchema, nesting])
  return compiledOnce(makeDecoder, key, () => makeDecoder(writerSchema, readerSchema, nesting))
}

function makeDecoder(writerSchema: string, readerSchema: string, nesting: Nesting): Decoder {
  const writer = parseSchema(writerSchema)
  const reader = parseSchema(readerSchema)
  const specs = columnsOfType(reader, nesting)
  if (specs.some((spec) => spec.name === CANONICAL)) {
    throw new SchemaError(reader.name, `must not have a field named '${CANONICAL}'`)
  }
  const source = new DecoderSource(specs, nesting)
  source.record(writer, reader)
  const tail = source.tail()
  const text = source.text(sameType(writer, reader), MAX_VALUE_BYTES, FAULT)
  // oxlint-disable-next-line typescript/no-implied-eval -- of a writer's schema only numbers enter the text; names are the reader's, and checked by the parser
  const make = new Function('readVarint', 'varintOut', 'tables', `${text}\n//# sourceURL=compiled/decode`) as (
    read: typeof readVarint,
    out: Float64Array,
    tables: readonly Uint8Array[],
  ) => Run
  const run = make(readVarint, varintOut, source.tables)

  return (frame, rows, count, columns, fault) => {
    let tailAt = 0
    const bound = specs.map((spec) => {
      const column = columnFor(frame, columns, spec.name, spec.kind)
      if (column.kind === 'text' || column.kind === 'raw') {
        const { bytes, at } = bytesFor(column.bytes, frame.bytes, tail.has(spec.name) ? source.tailBytes : noTail)
        if (tail.has(spec.name)) tailAt = at
        ;(column as { bytes: Uint8Array }).bytes = bytes
      }
      return column
    })
    const canonical = columnFor(frame, columns, CANONICAL, 'code')
    if (canonical.kind !== 'code') return 0
    return run(
      frame.bytes,
      frame.view,
      frame.valueOffsets,
      frame.valueEnds,
      rows,
      count,
      bound.flatMap(arraysOf),
      canonical.values,
      fault,
      tailAt,
    )
  }
}

const noTail = new Uint8Array(0)

const arraysOf = (column: Column): (Int32Array | Float64Array | Uint8Array)[] => {
  if (column.kind === 'text') return [column.offsets, column.lengths]
  return column.kind === 'raw' ? [column.starts, column.ends] : [column.values]
}
