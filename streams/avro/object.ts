/**
 * Avro records as plain objects, for the cold paths: settlements, control records, statements. Null unions are
 * unwrapped.
 */
import { Arena } from '../arena.ts'
import { parseSchema } from './schema.ts'
import type { AvroType, EnumType, Json, RecordType } from './schema.ts'
import { readVarint, varintOut } from './varint.ts'

/** A value that is not a whole record of its schema, or does not fit it. */
export class AvroError extends Error {
  readonly code = 'SLUICE_AVRO_VALUE'
  constructor(what: string) {
    super(what)
    this.name = 'AvroError'
  }
}

/** A place in bytes. */
interface Cursor {
  bytes: Uint8Array
  view: DataView
  at: number
  end: number
}

type Read = (cursor: Cursor) => unknown
type Write = (value: unknown, arena: Arena, path: string) => void

export interface ObjectCodec<T> {
  /** Canonical Avro bytes, without wire prefix. Errors: AvroError naming the field. */
  encode(value: T): Uint8Array
  /** Errors: AvroError when the bytes are cut off, malformed, or go on after the record. */
  decode(bytes: Uint8Array): T
  /** Appends the value to an arena. */
  encodeInto(value: T, arena: Arena): void
}

/**
 * A codec for one schema. Strings are strings, int and long numbers (long: whole, up to 2^53), decimals and only they
 * bigint, bytes Uint8Array (copies), enums their symbol, arrays arrays, records plain objects, null unions value or
 * null.
 */
export function objectCodec<T>(schemaText: string): ObjectCodec<T> {
  const type = parseSchema(schemaText)
  const read = reader(type, type.name)
  const write = writer(type)
  const encodeInto = (value: T, arena: Arena): void => write(value, arena, type.name)
  return {
    encodeInto,
    encode(value) {
      const arena = new Arena(256)
      encodeInto(value, arena)
      return arena.toBytes()
    },
    decode(bytes) {
      const cursor = cursorOver(bytes, 0, bytes.length)
      const value = read(cursor)
      if (cursor.at !== cursor.end)
        throw new AvroError(`${type.name}: ${cursor.end - cursor.at} bytes after the record`)
      return value as T
    },
  }
}

/** Appends the canonical encoding of a value of `type` that is encoded in bytes from start to end. Cold. */
export function reencode(type: AvroType, bytes: Uint8Array, start: number, end: number, arena: Arena): void {
  writer(type)(reader(type, type.type)(cursorOver(bytes, start, end)), arena, type.type)
}

/** Avro bytes of a schema's JSON default (a union's default is of its first branch; bytes are Latin-1 text). */
export function encodeDefault(type: AvroType, json: Json, path: string): Uint8Array {
  const arena = new Arena(64)
  writer(type)(fromJson(type, json, path), arena, path)
  return arena.toBytes()
}

/** Puts the Confluent wire prefix (0x00, schema id as int32 BE) before Avro bytes. */
export function wire(id: number, avro: Uint8Array): Uint8Array {
  const value = new Uint8Array(5 + avro.length)
  new DataView(value.buffer).setInt32(1, id)
  value.set(avro, 5)
  return value
}

/**
 * Splits a value with the Confluent wire prefix; `avro` is a view, not a copy. Errors: AvroError without that prefix.
 */
export function unwire(value: Uint8Array): { id: number; avro: Uint8Array } {
  if (value.length < 5 || value[0] !== 0)
    throw new AvroError('no wire prefix: expected 0x00 and a schema id of 4 bytes')
  const id = new DataView(value.buffer, value.byteOffset, 5).getInt32(1)
  return { id, avro: value.subarray(5) }
}

const decoder = new TextDecoder()
const cursorOver = (bytes: Uint8Array, at: number, end: number): Cursor => ({
  bytes,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  at,
  end,
})

function long(cursor: Cursor, path: string): number {
  const at = readVarint(cursor.bytes, cursor.at, cursor.end)
  if (at < 0) throw new AvroError(`${path}: cut off, or an integer of more than 64 bits`)
  cursor.at = at
  return varintOut[0]
}

function whole(cursor: Cursor, path: string, bits: 32 | 64): number {
  const value = long(cursor, path)
  const limit = bits === 32 ? 0x80000000 : 2 ** 53 + 2
  if (value >= limit || value < -limit) throw new AvroError(`${path}: integer out of range`)
  return value
}

function slice(cursor: Cursor, path: string): Uint8Array {
  const length = long(cursor, path)
  if (length < 0 || length > cursor.end - cursor.at)
    throw new AvroError(`${path}: length ${length} goes beyond the value`)
  cursor.at += length
  return cursor.bytes.subarray(cursor.at - length, cursor.at)
}

function index(cursor: Cursor, path: string, below: number): number {
  const value = long(cursor, path)
  if (value < 0 || value >= below) throw new AvroError(`${path}: index ${value}, expected 0 to ${below - 1}`)
  return value
}

function fixed(cursor: Cursor, path: string, size: number): number {
  if (cursor.end - cursor.at < size) throw new AvroError(`${path}: cut off`)
  cursor.at += size
  return cursor.at - size
}

function reader(type: AvroType, path: string): Read {
  switch (type.type) {
    case 'null':
      return () => null
    case 'boolean':
      return (cursor) => {
        const byte = cursor.bytes[fixed(cursor, path, 1)]
        if (byte > 1) throw new AvroError(`${path}: boolean ${byte}`)
        return byte === 1
      }
    case 'int':
      return (cursor) => whole(cursor, path, 32)
    case 'long':
      return (cursor) => whole(cursor, path, 64)
    case 'float':
      return (cursor) => cursor.view.getFloat32(fixed(cursor, path, 4), true)
    case 'double':
      return (cursor) => cursor.view.getFloat64(fixed(cursor, path, 8), true)
    case 'string':
      return (cursor) => decoder.decode(slice(cursor, path))
    case 'bytes':
      return type.decimal
        ? (cursor) => decimalFrom(slice(cursor, path))
        : (cursor) => new Uint8Array(slice(cursor, path))
    case 'enum':
      return (cursor) => type.symbols[index(cursor, path, type.symbols.length)]
    case 'nullable': {
      const read = reader(type.of, path)
      return (cursor) => (index(cursor, path, 2) === type.nullIndex ? null : read(cursor))
    }
    case 'array':
      return arrayReader(reader(type.items, `${path}[]`), path)
    case 'record':
      return recordReader(type, path)
    case 'fixed':
    case 'union':
      throw new AvroError(`${path}: ${type.type} is of other writers only`)
  }
}

function arrayReader(read: Read, path: string): Read {
  return (cursor) => {
    const items: unknown[] = []
    for (;;) {
      let count = long(cursor, path)
      if (count === 0) return items
      let blockEnd = -1
      if (count < 0) {
        count = -count
        const size = long(cursor, path)
        if (size < 0) throw new AvroError(`${path}: block of ${size} bytes`)
        blockEnd = cursor.at + size
      }
      // Every item takes at least one byte (the schema parser sees to it), so this bounds the memory.
      if (count > cursor.end - cursor.at) throw new AvroError(`${path}: ${count} items go beyond the value`)
      for (let i = 0; i < count; i++) items.push(read(cursor))
      if (blockEnd >= 0 && blockEnd !== cursor.at) throw new AvroError(`${path}: a block's size is wrong`)
    }
  }
}

function recordReader(type: RecordType, path: string): Read {
  const reads = type.fields.map((field) => reader(field.type, `${path}.${field.name}`))
  const names = type.fields.map((field) => field.name)
  return (cursor) => {
    const value: Record<string, unknown> = {}
    for (let i = 0; i < reads.length; i++) {
      const read = reads[i](cursor)
      // A field may be named __proto__: defined, never assigned.
      if (names[i] === '__proto__') Object.defineProperty(value, names[i], { value: read, enumerable: true })
      else value[names[i]] = read
    }
    return value
  }
}

function writer(type: AvroType): Write {
  switch (type.type) {
    case 'null':
      return (value, _, path) => expect(value === null, path, 'null', value)
    case 'boolean':
      return (value, arena, path) => {
        expect(typeof value === 'boolean', path, 'a boolean', value)
        arena.byte(value === true ? 1 : 0)
      }
    case 'int':
    case 'long': {
      const limit = type.type === 'int' ? 0x80000000 : 2 ** 53
      return (value, arena, path) => {
        const fits = typeof value === 'number' && Number.isInteger(value) && value >= -limit
        expect(
          fits && value <= (type.type === 'int' ? limit - 1 : limit),
          path,
          type.type === 'int' ? 'an int' : 'a long',
          value,
        )
        arena.long(value as number)
      }
    }
    case 'float':
    case 'double':
      return (value, arena, path) => {
        expect(typeof value === 'number', path, 'a number', value)
        if (type.type === 'float') arena.float(value as number)
        else arena.double(value as number)
      }
    case 'string':
      return (value, arena, path) => {
        expect(typeof value === 'string', path, 'text', value)
        arena.text(value as string)
      }
    case 'bytes':
      return type.decimal ? writeDecimal : writeBytes
    case 'enum':
      return enumWriter(type)
    case 'nullable': {
      const write = writer(type.of)
      return (value, arena, path) => {
        arena.byte((value === null || value === undefined ? type.nullIndex : 1 - type.nullIndex) << 1)
        if (value !== null && value !== undefined) write(value, arena, path)
      }
    }
    case 'array': {
      const write = writer(type.items)
      return (value, arena, path) => {
        expect(Array.isArray(value), path, 'an array', value)
        const items = value as readonly unknown[]
        if (items.length > 0) arena.long(items.length)
        items.forEach((item, i) => write(item, arena, `${path}[${i}]`))
        arena.byte(0)
      }
    }
    case 'record': {
      const fields = type.fields.map((field) => ({ name: field.name, write: writer(field.type) }))
      return (value, arena, path) => {
        expect(typeof value === 'object' && value !== null, path, 'a record', value)
        const record = value as Record<string, unknown>
        for (const { name, write } of fields) write(record[name], arena, `${path}.${name}`)
      }
    }
    case 'fixed':
    case 'union':
      throw new AvroError(`${type.type} is of other writers only`)
  }
}

const writeBytes: Write = (value, arena, path) => {
  expect(value instanceof Uint8Array, path, 'bytes', value)
  const bytes = value as Uint8Array
  arena.slice(bytes, 0, bytes.length)
}

const writeDecimal: Write = (value, arena, path) => {
  expect(typeof value === 'bigint', path, 'a bigint', value)
  const bytes = decimalBytes(value as bigint)
  arena.slice(bytes, 0, bytes.length)
}

function enumWriter(type: EnumType): Write {
  const indexes = new Map(type.symbols.map((symbol, i) => [symbol, i]))
  return (value, arena, path) => {
    const at = indexes.get(value as string)
    expect(at !== undefined, path, `one of ${type.symbols.join(', ')}`, value)
    arena.long(at as number)
  }
}

function expect(holds: boolean, path: string, what: string, value: unknown): void {
  if (holds) return
  const shown =
    typeof value === 'bigint' || typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value)
  throw new AvroError(`${path}: expected ${what}, got ${shown.slice(0, 80)}`)
}

/** Two's complement, big endian, as short as possible: the form of Avro decimals. */
export function decimalBytes(value: bigint): Uint8Array {
  let size = 1
  while (BigInt.asIntN(size * 8, value) !== value) size++
  const bytes = new Uint8Array(size)
  for (let i = size - 1; i >= 0; i--) {
    bytes[i] = Number(value & 255n)
    value >>= 8n
  }
  return bytes
}

/** The number that decimal bytes stand for. */
export function decimalFrom(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

function fromJson(type: AvroType, json: Json, path: string): unknown {
  switch (type.type) {
    case 'nullable':
      // Avro: the default of a union is of its first branch.
      return type.nullIndex === 0 ? json : fromJson(type.of, json, path)
    case 'bytes': {
      if (typeof json !== 'string') throw new AvroError(`${path}: the default of bytes must be text`)
      const bytes = Uint8Array.from(json, (character) => character.charCodeAt(0))
      return type.decimal ? decimalFrom(bytes) : bytes
    }
    case 'array':
      if (!Array.isArray(json)) throw new AvroError(`${path}: the default must be an array`)
      return (json as readonly Json[]).map((item) => fromJson(type.items, item, path))
    case 'record': {
      if (typeof json !== 'object' || json === null) throw new AvroError(`${path}: the default must be an object`)
      const object = json as Record<string, Json>
      return Object.fromEntries(
        type.fields.map((field) => {
          const value = field.name in object ? object[field.name] : field.default
          if (value === undefined) throw new AvroError(`${path}: the default lacks ${field.name}`)
          return [field.name, fromJson(field.type, value, path)]
        }),
      )
    }
    default:
      return json
  }
}
