/**
 * Writes schemas/generated.ts from the .avsc files: types of the records, symbols of their enums, names of their
 * columns.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { records } from './topics.ts'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
interface Named {
  name: string
  doc?: string
}
interface RecordSchema extends Named {
  type: 'record'
  fields: { name: string; type: Json; doc?: string }[]
}
interface EnumSchema extends Named {
  type: 'enum'
  symbols: string[]
}

/** The event type that processors read row by row. */
const ROW_VIEW = 'Transaction'
const WIDTH = 120

const isObject = (json: Json): json is { [name: string]: Json } =>
  typeof json === 'object' && json !== null && !Array.isArray(json)
const isRecord = (json: Json): boolean => isObject(json) && json['type'] === 'record'
const isEnum = (json: Json): boolean => isObject(json) && json['type'] === 'enum'
const camel = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

/** The newest version of every record type, by name. */
function newest(): Map<string, RecordSchema> {
  const versions = new Map<string, { version: number; schema: RecordSchema }>()
  for (const { name, schema } of Object.values(records)) {
    const [base, version] = name.split('.v')
    const known = versions.get(base)
    if (known !== undefined && known.version > Number(version)) continue
    const expanded = expand(JSON.parse(schema) as Json, new Map()) as unknown as RecordSchema
    versions.set(base, { version: Number(version), schema: expanded })
  }
  return new Map([...versions].map(([base, { schema }]) => [base, schema]))
}

/** The schema with every use of a named type by its name replaced by its definition. */
function expand(type: Json, named: Map<string, Json>): Json {
  if (typeof type === 'string') return named.get(type.slice(type.lastIndexOf('.') + 1)) ?? type
  if (Array.isArray(type)) return type.map((branch) => expand(branch, named))
  if (!isObject(type)) return type
  if (isEnum(type)) named.set(type['name'] as string, type)
  if (isRecord(type)) {
    const fields = (type['fields'] as { [name: string]: Json }[]).map((field) => ({
      ...field,
      type: expand(field['type'], named),
    }))
    const record = { ...type, fields }
    named.set(type['name'] as string, record)
    return record
  }
  return type['type'] === 'array' ? { ...type, items: expand(type['items'], named) } : type
}

class Generator {
  private readonly parts: string[] = []
  private readonly named = new Map<string, string>()

  text(): string {
    const types = newest()
    for (const type of types.values()) this.record(type)
    for (const type of types.values()) this.columns(type)
    const view = [...types.values()].find((type) => type.name === ROW_VIEW)
    if (view === undefined) throw new Error(`no record type is named ${ROW_VIEW}`)
    this.rowView(view)
    return `${head}\n${this.parts.join('\n')}`
  }

  /** A plain interface, after those of the types inside. */
  private record(type: RecordSchema): void {
    if (this.known(type)) return
    for (const field of type.fields) this.inside(field.type)
    const lines = type.fields.map(
      (field) => `${comment(field.doc, '  ')}  readonly ${field.name}: ${plainType(field.type)}\n`,
    )
    this.parts.push(`${comment(type.doc, '')}export interface ${type.name}Record {\n${lines.join('')}}\n`)
  }

  private inside(type: Json): void {
    if (Array.isArray(type)) type.forEach((branch) => this.inside(branch))
    else if (isRecord(type)) this.record(type as unknown as RecordSchema)
    else if (isEnum(type)) this.enum(type as unknown as EnumSchema)
    else if (isObject(type)) this.inside(type['type'] === 'array' ? type['items'] : type['type'])
  }

  private enum(type: EnumSchema): void {
    if (this.known(type)) return
    const constant = `${camel(type.name)}Symbols`
    this.parts.push(
      `${comment(type.doc, '')}${list(constant, type.symbols)}export type ${type.name} = (typeof ${constant})[number]\n`,
    )
  }

  /** True when the type was written before; one name must mean one type. */
  private known(type: Named): boolean {
    const text = JSON.stringify(type, (key, value: unknown) => (key === 'doc' ? undefined : value))
    const before = this.named.get(type.name)
    if (before !== undefined && before !== text) throw new Error(`two different types are named ${type.name}`)
    this.named.set(type.name, text)
    return before !== undefined
  }

  private columns(type: RecordSchema): void {
    this.parts.push(
      `/** Columns of ${type.name}: its fields, those of nested records behind a dot. */\n` +
        list(`${camel(type.name)}Columns`, columnNames(type, '')),
    )
  }

  private rowView(type: RecordSchema): void {
    const lines = type.fields.map(
      (field) => `${comment(field.doc, '  ')}  readonly ${field.name}: ${viewType(field.type)}\n`,
    )
    this.parts.push(
      `/** A row of a batch as processors see it: a cursor that is moved from row to row; keep values, never the view. */\n` +
        `export interface ${type.name} {\n${lines.join('')}}\n`,
    )
  }
}

function columnNames(type: RecordSchema, prefix: string): string[] {
  return type.fields.flatMap((field) => {
    const record = [field.type].flat().find(isRecord)
    return record === undefined
      ? [prefix + field.name]
      : columnNames(record as unknown as RecordSchema, `${prefix}${field.name}.`)
  })
}

/** Type in a plain object. */
function plainType(type: Json): string {
  if (Array.isArray(type)) {
    const branches = type.filter((branch) => branch !== 'null').map(plainType)
    return [...branches, ...(type.includes('null') ? ['null'] : [])].join(' | ')
  }
  if (isRecord(type)) return `${(type as unknown as RecordSchema).name}Record`
  if (isEnum(type)) return (type as unknown as EnumSchema).name
  if (isObject(type)) {
    if (type['type'] === 'array') return `readonly ${arrayItem(plainType(type['items']))}[]`
    return type['logicalType'] === 'decimal' ? 'bigint' : plainType(type['type'])
  }
  const names: Record<string, string> = {
    boolean: 'boolean',
    int: 'number',
    long: 'number',
    float: 'number',
    double: 'number',
    string: 'string',
    bytes: 'Uint8Array',
    null: 'null',
  }
  const name = names[String(type)]
  if (name === undefined) throw new Error(`no type for ${JSON.stringify(type)}: define named types where they are used`)
  return name
}

const arrayItem = (type: string): string => (type.includes('|') ? `(${type})` : type)

/** Type in the row view: text stays in the arrival buffer. */
function viewType(type: Json): string {
  return plainType(type).replace(/\b(string|Uint8Array)\b/, 'Text')
}

function list(name: string, items: readonly string[]): string {
  const quoted = items.map((item) => `'${item}'`)
  const line = `export const ${name} = [${quoted.join(', ')}] as const\n`
  if (line.length <= WIDTH + 1) return line
  return `export const ${name} = [\n${quoted.map((item) => `  ${item},\n`).join('')}] as const\n`
}

function comment(doc: string | undefined, indent: string): string {
  if (doc === undefined || doc === '') return ''
  const line = `${indent}/** ${doc} */\n`
  if (line.length <= WIDTH + 1) return line
  const lines = ['']
  for (const word of doc.split(' ')) {
    if (indent.length + 3 + lines[lines.length - 1].length + word.length + 1 > WIDTH) lines.push('')
    lines[lines.length - 1] += ` ${word}`
  }
  return `${indent}/**\n${lines.map((text) => `${indent} *${text}\n`).join('')}${indent} */\n`
}

const head = `/** Generated from the .avsc files by schemas/generate.ts (npm run generate). Do not edit. */

/** Text of a row, still in the arrival buffer: a handle that is reused from row to row. */
export interface Text {
  equals(other: Text | string): boolean
  /** 32-bit hash of the UTF-8 bytes (murmur2, as Kafka partitions). */
  hash(): number
  toString(): string
}
`

/** The text of generated.ts. */
export function generated(): string {
  return new Generator().text()
}

if (import.meta.main) {
  const file = new URL('generated.ts', import.meta.url)
  const text = generated()
  if (!process.argv.includes('--check')) writeFileSync(file, text)
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write('schemas/generated.ts is not what the .avsc files say: run npm run generate and commit it.\n')
    process.exitCode = 1
  }
}
