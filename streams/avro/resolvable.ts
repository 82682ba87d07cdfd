/**
 * Whether a schema that somebody else wrote may be compiled and read as ours, in words.
 *
 * A schema from a registry is data: it decides how much code is generated, so its size is bounded before anything looks at
 * it closely. Names, symbols and defaults of a writer never enter the generated text; only numbers do.
 */
import { compileDecoder } from './decode.ts'
import { parseSchema, type AvroType, type Json, type RecordType } from './schema.ts'

/** Ours has 3 KB with its documentation. */
const MAX_TEXT = 64 * 1024
/** Types after every name is replaced by what it stands for: a few names can stand for each other a million times. */
const MAX_TYPES = 2_000

/** Null when records of the schema can be read as `reader`; else why not, for whoever wrote the schema. */
export function unreadable(writer: string, reader: string): string | null {
  if (writer.length > MAX_TEXT) return `it has ${writer.length} characters, at most ${MAX_TEXT} are read`
  try {
    const json = JSON.parse(writer) as Json
    const size = expandedSize(json, new Map())
    if (size > MAX_TYPES) return `it has ${size} types when written out, at most ${MAX_TYPES} are read`
    const [mine, other] = [nameOf(JSON.parse(reader) as Json), nameOf(json)]
    if (mine !== other) return `it describes '${other.slice(0, 64)}', not '${mine}'`
    compileDecoder(writer, reader)
    return otherUnits(parseSchema(writer), parseSchema(reader))
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 500) : String(error)
  }
}

/** Avro's rules look at the type alone: microseconds would be read as milliseconds, a thousand times too late. */
function otherUnits(writer: RecordType, reader: RecordType): string | null {
  const written = new Map(writer.fields.map(({ name, type }) => [name, unitOf(type)]))
  for (const { name, type } of reader.fields) {
    const [theirs, mine] = [written.get(name) ?? null, unitOf(type)]
    if (theirs !== null && mine !== null && theirs !== mine) {
      return `${name} is written as ${theirs.slice(0, 64)} and read as ${mine}`
    }
  }
  return null
}

function unitOf(type: AvroType): string | null {
  const of = type.type === 'nullable' ? type.of : type
  return of.type === 'int' || of.type === 'long' ? (of.logical ?? null) : null
}

/** By Avro's rules the names must match, namespaces apart. */
const nameOf = (json: Json): string => {
  const name = isObject(json) && typeof json['name'] === 'string' ? json['name'] : ''
  return name.slice(name.lastIndexOf('.') + 1)
}

const isObject = (json: Json): json is { readonly [name: string]: Json } =>
  typeof json === 'object' && json !== null && !Array.isArray(json)

/** Number of types with every name written out, counted without writing them out. Unknown names count as one. */
function expandedSize(json: Json, named: Map<string, number>): number {
  if (typeof json === 'string') return named.get(json.slice(json.lastIndexOf('.') + 1)) ?? 1
  if (Array.isArray(json))
    return (json as readonly Json[]).reduce<number>((sum, of) => sum + expandedSize(of, named), 1)
  if (!isObject(json)) return 1
  let size = 1
  for (const part of [json['type'], json['items'], json['values']]) {
    if (typeof part === 'object' && part !== null) size += expandedSize(part, named)
    else if (typeof part === 'string') size += named.get(part.slice(part.lastIndexOf('.') + 1)) ?? 0
  }
  if (Array.isArray(json['fields'])) for (const field of json['fields'] as Json[]) size += expandedSize(field, named)
  const name = json['name']
  if (typeof name === 'string' && json['type'] === 'record') {
    const short = name.slice(name.lastIndexOf('.') + 1)
    named.set(short, Math.max(size, named.get(short) ?? 0))
  }
  return size
}
