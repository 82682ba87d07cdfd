/** What keeps records of one schema from being read with another, all of it, in words: where, what it was, what to do. */
import { parseSchema, sameType } from './schema.ts'
import type { AvroType, Field, RecordType } from './schema.ts'

/** One reason why records written with one schema cannot be read with the other. */
export interface Difference {
  /** Field, dotted; items of a list as 'list[]'. */
  readonly field: string
  /** Its type as it is written and as it is read; 'absent'. */
  readonly written: string
  readonly read: string
  /** What whoever changes the schema can do. */
  readonly advice: string
}

/** Number types that a written one may be read as. */
const wider: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}

/** Differences, none when every record of `writer` can be read as `reader`. Errors: SchemaError for what is no schema. */
export function differences(writer: string, reader: string): Difference[] {
  const [written, read] = [parseSchema(writer), parseSchema(reader)]
  const short = (name: string): string => name.slice(name.lastIndexOf('.') + 1)
  if (short(written.name) !== short(read.name)) {
    const advice = 'Keep the name of the record; another record belongs under another subject.'
    return [{ field: '(record)', written: written.name, read: read.name, advice }]
  }
  return ofRecord(written, read, '')
}

function ofRecord(writer: RecordType, reader: RecordType, prefix: string): Difference[] {
  const byName = new Map(writer.fields.map((field) => [field.name, field]))
  return reader.fields.flatMap((field) => {
    const written = byName.get(field.name)
    const name = prefix + field.name
    return written === undefined ? ofMissing(field, name) : ofTypes(written.type, field.type, name)
  })
}

function ofMissing(field: Field, name: string): Difference[] {
  if (field.default !== undefined) return []
  const advice = 'Keep it where it is written, or give it a default where it is read.'
  return [{ field: name, written: 'absent', read: `${typeText(field.type)} without default`, advice }]
}

function ofTypes(writer: AvroType, reader: AvroType, name: string): Difference[] {
  if (writer.type === 'nullable') {
    if (reader.type === 'nullable') return ofTypes(writer.of, reader.of, name)
    return different(writer, reader, name, 'Records may hold null here: keep null in the union where it is read.')
  }
  if (reader.type === 'nullable') return writer.type === 'null' ? [] : ofTypes(writer, reader.of, name)
  if (writer.type === 'record' && reader.type === 'record') return ofRecord(writer, reader, `${name}.`)
  if (writer.type === 'array' && reader.type === 'array') return ofTypes(writer.items, reader.items, `${name}[]`)
  if (writer.type === 'enum' && reader.type === 'enum') {
    const unknown = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol))
    if (unknown.length === 0 || reader.default !== null) return []
    const advice = `Give the enum a default where it is read, or do not write ${unknown.join(', ')}.`
    return different(writer, reader, name, advice)
  }
  if (sameType(writer, reader) || wider[writer.type]?.includes(reader.type) === true) return []
  const narrowed = wider[reader.type]?.includes(writer.type) === true
  const advice = narrowed
    ? `A ${writer.type} may not fit into ${reader.type}: keep ${writer.type}.`
    : 'Keep the type, and put what is new into a field of another name with a default.'
  return different(writer, reader, name, advice)
}

const different = (writer: AvroType, reader: AvroType, field: string, advice: string): Difference[] => [
  { field, written: typeText(writer), read: typeText(reader), advice },
]

/** A type as people say it. */
export function typeText(type: AvroType): string {
  switch (type.type) {
    case 'nullable':
      return `${typeText(type.of)} or null`
    case 'array':
      return `list of ${typeText(type.items)}`
    case 'enum':
      return `one of ${type.symbols.join(', ')}`
    case 'record':
      return type.name
    case 'bytes':
      return type.decimal ? 'decimal' : 'bytes'
    default:
      return type.type
  }
}

/** Whether two texts are the same schema: names, types, defaults and their order; documentation and spaces do not count. */
export function sameSchema(a: string, b: string): boolean {
  const bare = (text: string): string =>
    JSON.stringify(parseSchema(text), (key, value: unknown) => (key === 'doc' ? '' : value))
  try {
    return a === b || bare(a) === bare(b)
  } catch {
    // What our parser refuses is none of ours.
    return false
  }
}
