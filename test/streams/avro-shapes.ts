/**
 * Random schemas and values for the Avro tests: shapes, what they are as a schema, values of them, and columns read
 * back.
 */
import fc from 'fast-check'
import type { ColumnSpec } from '../../streams/avro/columns.ts'
import type { Column } from '../../streams/batch.ts'
import type { Frame } from '../../streams/batch.ts'
import { newFrame } from '../../streams/records.ts'

export type Shape =
  | { t: 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' | 'bytes' }
  | { t: 'enum'; symbols: string[] }
  | { t: 'array'; of: Shape }
  | { t: 'nullable'; of: Shape; nullFirst: boolean }
  | RecordShape
export interface RecordShape {
  t: 'record'
  fields: { name: string; shape: Shape }[]
}

const scalar: fc.Arbitrary<Shape> = fc.oneof(
  fc.constantFrom<Shape>(
    { t: 'boolean' },
    { t: 'int' },
    { t: 'long' },
    { t: 'float' },
    { t: 'double' },
    { t: 'string' },
    { t: 'bytes' },
  ),
  fc
    .integer({ min: 1, max: 80 })
    .map((n): Shape => ({ t: 'enum', symbols: Array.from({ length: n }, (_, i) => `S${i}`) })),
)

const fieldsOf = (shapes: Shape[]): { name: string; shape: Shape }[] =>
  shapes.map((shape, i) => ({ name: `f${i}`, shape }))

function shapeOf(depth: number): fc.Arbitrary<Shape> {
  if (depth === 0) return scalar
  const inner = shapeOf(depth - 1)
  return fc.oneof(
    { weight: 5, arbitrary: scalar },
    {
      weight: 2,
      arbitrary: fc.record({
        t: fc.constant('nullable' as const),
        of: inner.filter((s) => s.t !== 'nullable'),
        nullFirst: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ t: fc.constant('array' as const), of: inner }) },
    {
      weight: 1,
      arbitrary: fc
        .array(inner, { minLength: 1, maxLength: 4 })
        .map((s): Shape => ({ t: 'record', fields: fieldsOf(s) })),
    },
  )
}

/** Largest integer that avsc writes and reads exactly; ours are exact up to 2^53 (tests of their own). */
export const EXACT = 2 ** 52

/** Shapes of top-level records. */
export const recordShape: fc.Arbitrary<RecordShape> = fc
  .array(shapeOf(2), { minLength: 1, maxLength: 7 })
  .map((shapes) => ({ t: 'record' as const, fields: fieldsOf(shapes) }))

/** The shape as .avsc; named types are numbered, so that every use is a definition of its own. */
export function schemaOf(shape: Shape, counter = { n: 0 }, prefix = 'N'): unknown {
  switch (shape.t) {
    case 'enum':
      return { type: 'enum', name: `${prefix}${counter.n++}`, symbols: shape.symbols }
    case 'array':
      return { type: 'array', items: schemaOf(shape.of, counter, prefix) }
    case 'nullable': {
      const of = schemaOf(shape.of, counter, prefix)
      return shape.nullFirst ? ['null', of] : [of, 'null']
    }
    case 'record': {
      const name = `${prefix}${counter.n++}`
      const fields = shape.fields.map((field) => ({ name: field.name, type: schemaOf(field.shape, counter, prefix) }))
      return { type: 'record', name, fields }
    }
    default:
      return shape.t
  }
}

/** Values as avsc takes them. */
export function valueOf(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.t) {
    case 'boolean':
      return fc.boolean()
    case 'int':
      return fc.oneof(fc.integer(), fc.integer({ min: -70, max: 70 }))
    case 'long':
      return fc.oneof(
        fc.integer({ min: -EXACT, max: EXACT }),
        fc.integer(),
        fc.integer({ min: 1_600_000_000_000, max: 1_800_000_000_000 }),
      )
    case 'float':
      return fc.float({ noNaN: true })
    case 'double':
      return fc.double({ noNaN: true })
    case 'string':
      return fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 90 }))
    case 'bytes':
      return fc.uint8Array({ maxLength: 90 }).map((bytes) => Buffer.from(bytes))
    case 'enum':
      return fc.constantFrom(...shape.symbols)
    case 'array':
      return fc.array(valueOf(shape.of), { maxLength: 4 })
    case 'nullable':
      return fc.option(valueOf(shape.of))
    case 'record':
      return fc.record(Object.fromEntries(shape.fields.map((field) => [field.name, valueOf(field.shape)])))
  }
}

/** A frame whose only row is these Avro bytes behind a wire prefix, with `fill` before and after. */
export function frameOf(avroBytes: Uint8Array, fill: number): Frame {
  const bytes = new Uint8Array(avroBytes.length + 45).fill(fill)
  bytes.set(avroBytes, 25)
  const frame = newFrame(1)
  frame.rows = 1
  frame.bytes = bytes
  frame.view = new DataView(bytes.buffer)
  frame.valueOffsets[0] = 20
  frame.valueEnds[0] = 25 + avroBytes.length
  return frame
}

/** What a column holds in row 0: text as hex, symbols by name, raw as hex, null as null. */
export function cell(columns: ReadonlyMap<string, Column>, spec: ColumnSpec): unknown {
  const column = columns.get(spec.name)
  switch (column?.kind) {
    case 'text': {
      const [at, length] = [column.offsets[0], column.lengths[0]]
      return length < 0 ? null : Buffer.from(column.bytes.subarray(at, at + length)).toString('hex')
    }
    case 'number':
      return Number.isNaN(column.values[0]) ? null : column.values[0]
    case 'code':
      if (column.values[0] === 255) return null
      return spec.type.type === 'enum' ? spec.type.symbols[column.values[0]] : column.values[0] === 1
    case 'raw':
      return column.starts[0] < 0
        ? null
        : Buffer.from(column.bytes.subarray(column.starts[0], column.ends[0])).toString('hex')
    default:
      return undefined
  }
}

/** The same of a value that avsc read; `raw` encodes nested ones. */
export function cellOf(value: unknown, raw: (value: unknown) => Buffer): unknown {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return Buffer.from(value).toString('hex')
  if (typeof value === 'number') return Number.isNaN(value) ? null : value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'object') return raw(value).toString('hex')
  return value
}
