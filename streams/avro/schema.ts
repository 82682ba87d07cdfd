/**
 * Avro schemas as a small typed tree: what our decoders and encoders support, everything else refused with a clear
 * message.
 */

import { compiledOnce } from '../compiled.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

export type AvroType =
  | { readonly type: 'null' | 'boolean' | 'float' | 'double' }
  | NumberType
  | { readonly type: 'string' | 'bytes'; readonly decimal: boolean }
  | EnumType
  | ArrayType
  | NullableType
  | FixedType
  | UnionType
  | RecordType

export interface NumberType {
  readonly type: 'int' | 'long'
  /** What it counts ('timestamp-millis'), when the schema says so; the encoding does not depend on it. */
  readonly logical?: string
}

export interface EnumType {
  readonly type: 'enum'
  readonly name: string
  readonly symbols: readonly string[]
  readonly default: string | null
  readonly doc: string
}

export interface ArrayType {
  readonly type: 'array'
  readonly items: AvroType
}

/** Bytes of one length. Of other writers only: passed over, never read. */
export interface FixedType {
  readonly type: 'fixed'
  readonly size: number
}

/** Any union but that of null and one other type. Of other writers only: each value is read by its own branch. */
export interface UnionType {
  readonly type: 'union'
  readonly branches: readonly AvroType[]
}

/** A union of null and one other type: what may be absent. */
export interface NullableType {
  readonly type: 'nullable'
  /** Index of null in the union, 0 or 1. */
  readonly nullIndex: number
  readonly of: AvroType
}

export interface Field {
  readonly name: string
  readonly type: AvroType
  /** undefined: none. */
  readonly default: Json | undefined
  readonly doc: string
}

export interface RecordType {
  readonly type: 'record'
  readonly name: string
  readonly fields: readonly Field[]
  readonly doc: string
}

/** A schema that is not Avro, or that is refused. `path` is where: record and field names. */
export class SchemaError extends Error {
  readonly code = 'SLUICE_SCHEMA_REFUSED'

  constructor(path: string, what: string) {
    super(`schema ${path}: ${what}`)
    this.name = 'SchemaError'
  }
}

/** As large as a value may be. */
const MAX_FIXED = 65_536

/** The key under which parsed texts are kept. */
const parsing = {}

/**
 * Parses .avsc text whose top level is a record. Refused: recursion (it would overflow the stack on hostile data),
 * arrays
 * of items without width (millions of them fit into six bytes). A map is parsed as what it is on the wire, a list of keys
 * with values.
 */
export function parseSchema(text: string): RecordType {
  return compiledOnce(parsing, text, () => {
    const top = new Parser().parse(JSON.parse(text) as Json, '(top)', '')
    if (top.type !== 'record') throw new SchemaError('(top)', `must be a record, is ${top.type}`)
    return top
  })
}

class Parser {
  private readonly named = new Map<string, AvroType>()
  private readonly open = new Set<string>()

  parse(json: Json, path: string, namespace: string): AvroType {
    if (typeof json === 'string') return this.byName(json, path, namespace)
    if (isList(json)) return this.union(json, path, namespace)
    if (!isObject(json)) throw new SchemaError(path, `is not a type: ${JSON.stringify(json)}`)
    switch (json['type']) {
      case 'record':
        return this.record(json, path, namespace)
      case 'enum':
        return this.enum(json, path, namespace)
      case 'array':
        return this.array(json, path, namespace)
      case 'map':
        return { type: 'array', items: entryOf(this.parse(json['values'], `${path}{}`, namespace)) }
      case 'fixed':
        return this.fixed(json, path, namespace)
      case 'bytes':
        if (json['logicalType'] !== 'decimal') return { type: 'bytes', decimal: false }
        if ((json['scale'] ?? 0) !== 0)
          throw new SchemaError(path, 'decimal must have scale 0: amounts are minor units')
        return { type: 'bytes', decimal: true }
      case 'int':
      case 'long':
        if (typeof json['logicalType'] !== 'string') return { type: json['type'] }
        return { type: json['type'], logical: json['logicalType'] }
      case undefined:
        throw new SchemaError(path, 'has no type')
      default:
        return this.parse(json['type'], path, namespace)
    }
  }

  private byName(name: string, path: string, namespace: string): AvroType {
    switch (name) {
      case 'null':
      case 'boolean':
      case 'int':
      case 'long':
      case 'float':
      case 'double':
        return { type: name }
      case 'string':
      case 'bytes':
        return { type: name, decimal: false }
      case 'map':
      case 'fixed':
        throw new SchemaError(path, `${name} lacks what it is of`)
      default: {
        const full = fullName(name, namespace)
        if (this.open.has(full)) throw new SchemaError(path, `${full} contains itself; recursion is refused`)
        const type = this.named.get(full)
        if (type === undefined) throw new SchemaError(path, `unknown type '${name}'`)
        return type
      }
    }
  }

  private union(branches: readonly Json[], path: string, namespace: string): AvroType {
    if (branches.length === 0) throw new SchemaError(path, 'a union must have a branch')
    if (branches.some(isList)) throw new SchemaError(path, 'a union must not hold another')
    if (branches.filter((branch) => branch === 'null').length > 1)
      throw new SchemaError(path, 'a union must not hold null twice')
    const types = branches.map((branch) => this.parse(branch, path, namespace))
    const nullIndex = branches.indexOf('null')
    if (branches.length !== 2 || nullIndex < 0) return { type: 'union', branches: types }
    const of = types[1 - nullIndex]
    if (of.type === 'null' || of.type === 'nullable' || of.type === 'union')
      throw new SchemaError(path, 'a union must not hold null twice')
    return { type: 'nullable', nullIndex, of }
  }

  private fixed(json: { readonly [name: string]: Json }, path: string, namespace: string): FixedType {
    const name = this.newName(json, path, namespace)
    const size = json['size']
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > MAX_FIXED)
      throw new SchemaError(name, `must have a size from 0 to ${MAX_FIXED}`)
    const type: FixedType = { type: 'fixed', size }
    this.named.set(name, type)
    return type
  }

  private record(json: { readonly [name: string]: Json }, path: string, namespace: string): AvroType {
    const name = this.newName(json, path, namespace)
    const inner = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : ''
    const list = json['fields']
    if (!isList(list)) throw new SchemaError(name, 'has no fields')
    this.open.add(name)
    const names = new Set<string>()
    const fields = list.map((field): Field => {
      if (!isObject(field) || typeof field['name'] !== 'string')
        throw new SchemaError(name, 'has a field without a name')
      const at = `${name}.${field['name']}`
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(field['name'])) throw new SchemaError(at, 'is not a valid name')
      if (names.has(field['name'])) throw new SchemaError(at, 'is there twice')
      names.add(field['name'])
      const type = this.parse(field['type'], at, inner)
      return { name: field['name'], type, default: field['default'], doc: docOf(field) }
    })
    this.open.delete(name)
    const type: RecordType = { type: 'record', name, fields, doc: docOf(json) }
    this.named.set(name, type)
    return type
  }

  private enum(json: { readonly [name: string]: Json }, path: string, namespace: string): AvroType {
    const name = this.newName(json, path, namespace)
    const symbols = json['symbols']
    if (!isList(symbols) || !symbols.every((symbol) => typeof symbol === 'string')) {
      throw new SchemaError(name, 'has no symbols')
    }
    // 255 stands for null in a code column.
    if (symbols.length === 0 || symbols.length > 254) throw new SchemaError(name, 'must have 1 to 254 symbols')
    const fallback = json['default']
    if (fallback !== undefined && (typeof fallback !== 'string' || !symbols.includes(fallback))) {
      throw new SchemaError(name, 'has a default that is none of its symbols')
    }
    const type: EnumType = { type: 'enum', name, symbols, default: fallback ?? null, doc: docOf(json) }
    this.named.set(name, type)
    return type
  }

  private array(json: { readonly [name: string]: Json }, path: string, namespace: string): AvroType {
    const items = this.parse(json['items'], `${path}[]`, namespace)
    if (minimalWidth(items) === 0) {
      throw new SchemaError(
        path,
        'array items must take at least one byte: millions without width fit into a few bytes',
      )
    }
    return { type: 'array', items }
  }

  private newName(json: { readonly [name: string]: Json }, path: string, namespace: string): string {
    if (typeof json['name'] !== 'string') throw new SchemaError(path, 'has no name')
    const own = typeof json['namespace'] === 'string' ? json['namespace'] : namespace
    const name = fullName(json['name'], own)
    if (this.open.has(name) || this.named.has(name)) throw new SchemaError(path, `${name} is defined twice`)
    return name
  }
}

/** What a map has of, on the wire. */
const entryOf = (value: AvroType): RecordType => ({
  type: 'record',
  name: '(entry)',
  fields: [
    { name: 'key', type: { type: 'string', decimal: false }, default: undefined, doc: '' },
    { name: 'value', type: value, default: undefined, doc: '' },
  ],
  doc: '',
})

const isList = (json: Json | undefined): json is readonly Json[] => Array.isArray(json)
const isObject = (json: Json | undefined): json is { readonly [name: string]: Json } =>
  typeof json === 'object' && json !== null && !Array.isArray(json)
const docOf = (json: { readonly [name: string]: Json }): string => (typeof json['doc'] === 'string' ? json['doc'] : '')
const fullName = (name: string, namespace: string): string =>
  name.includes('.') || namespace === '' ? name : `${namespace}.${name}`

/** Fewest bytes that a value of the type takes. */
export function minimalWidth(type: AvroType): number {
  switch (type.type) {
    case 'null':
      return 0
    case 'float':
      return 4
    case 'double':
      return 8
    case 'fixed':
      return type.size
    case 'record':
      return type.fields.reduce((sum, field) => sum + minimalWidth(field.type), 0)
    default:
      return 1
  }
}

/** True when both types have the same binary encoding and the same names; documentation and defaults do not count. */
export function sameType(a: AvroType, b: AvroType): boolean {
  if (a === b) return true
  if (a.type === 'enum' && b.type === 'enum') {
    return a.symbols.length === b.symbols.length && a.symbols.every((symbol, i) => symbol === b.symbols[i])
  }
  if (a.type === 'array' && b.type === 'array') return sameType(a.items, b.items)
  if (a.type === 'nullable' && b.type === 'nullable') return a.nullIndex === b.nullIndex && sameType(a.of, b.of)
  if (a.type === 'record' && b.type === 'record') {
    return (
      a.fields.length === b.fields.length &&
      a.fields.every((field, i) => field.name === b.fields[i].name && sameType(field.type, b.fields[i].type))
    )
  }
  if (a.type === 'fixed' && b.type === 'fixed') return a.size === b.size
  // A union is only ever a writer's: nothing that is read is the same.
  return a.type === b.type && a.type !== 'union'
}
