/** Which columns the fields of a schema become, and the making of them. */
import type { Column, Frame } from '../batch.ts'
import { parseSchema } from './schema.ts'
import type { AvroType, RecordType } from './schema.ts'

/**
 * How nested records are kept: 'raw' as one column of their bytes, 'columns' as one column per field, 'outer.inner'.
 */
export type Nesting = 'raw' | 'columns'

export interface ColumnSpec {
  readonly name: string
  readonly kind: Column['kind']
  /** Whether rows may be null: length -1, NaN, 255 or start -1. */
  readonly nullable: boolean
  /** The field's type without its union with null. */
  readonly type: AvroType
}

/** Name of the code column in which a decoder says whether a row's value bytes are the canonical encoding. */
export const CANONICAL = 'canonical'

/** Columns of a schema's fields, in field order. */
export function columnsOf(schemaText: string, nesting: Nesting = 'raw'): ColumnSpec[] {
  return columnsOfType(parseSchema(schemaText), nesting)
}

export function columnsOfType(type: RecordType, nesting: Nesting, prefix = '', inNull = false): ColumnSpec[] {
  return type.fields.flatMap((field): ColumnSpec[] => {
    const nullable = inNull || field.type.type === 'nullable'
    const of = field.type.type === 'nullable' ? field.type.of : field.type
    const name = prefix + field.name
    if (of.type === 'record' && nesting === 'columns') return columnsOfType(of, nesting, `${name}.`, nullable)
    return [{ name, kind: kindOf(of), nullable, type: of }]
  })
}

/** Kind of the column that holds values of a type. */
export function kindOf(type: AvroType): Column['kind'] {
  switch (type.type) {
    case 'string':
    case 'bytes':
      return 'text'
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return 'number'
    case 'enum':
    case 'boolean':
      return 'code'
    case 'nullable':
      return kindOf(type.of)
    default:
      return 'raw'
  }
}

/** An empty column with room for `capacity` rows. */
export function newColumn(kind: Column['kind'], capacity: number, bytes: Uint8Array = new Uint8Array(0)): Column {
  switch (kind) {
    case 'text':
      return { kind, bytes, offsets: new Int32Array(capacity), lengths: new Int32Array(capacity) }
    case 'number':
      return { kind, values: new Float64Array(capacity) }
    case 'code':
      return { kind, values: new Uint8Array(capacity) }
    case 'raw':
      return { kind, bytes, starts: new Int32Array(capacity), ends: new Int32Array(capacity) }
  }
}

/**
 * The column of that name, made when it is missing or has less room than the frame; throws when it is of another kind.
 */
export function columnFor(frame: Frame, columns: Map<string, Column>, name: string, kind: Column['kind']): Column {
  const capacity = frame.offsets.length
  const column = columns.get(name)
  if (column !== undefined && column.kind !== kind) {
    throw new Error(`column '${name}' is of kind ${column.kind}, expected ${kind}`)
  }
  if (column !== undefined && roomOf(column) >= capacity) return column
  const made = newColumn(kind, capacity, frame.bytes)
  columns.set(name, made)
  return made
}

const roomOf = (column: Column): number => {
  if (column.kind === 'text') return column.lengths.length
  return column.kind === 'raw' ? column.starts.length : column.values.length
}

interface Extension {
  readonly base: Uint8Array
  readonly places: Map<Uint8Array, number>
}
const extensions = new WeakMap<Uint8Array, Extension>()

/**
 * Bytes for a text or raw column: `base` (a frame's bytes), or, with a `tail` of default values that are not in it, a
 * longer copy that ends with the tail. A column that another decoder extended over the same base stays extended.
 */
export function bytesFor(current: Uint8Array, base: Uint8Array, tail: Uint8Array): { bytes: Uint8Array; at: number } {
  const extended = extensions.get(current)
  const from = extended?.base === base ? current : base
  if (tail.length === 0) return { bytes: from, at: 0 }
  const known = from === current ? extended?.places.get(tail) : undefined
  if (known !== undefined) return { bytes: from, at: known }
  const bytes = new Uint8Array(from.length + tail.length)
  bytes.set(from)
  bytes.set(tail, from.length)
  const places = new Map(from === current ? extended?.places : [])
  places.set(tail, from.length)
  extensions.set(bytes, { base, places })
  return { bytes, at: from.length }
}
