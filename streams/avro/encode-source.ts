/**
 * Writes the JavaScript text of one encoder: a loop over rows, every field inline, room reserved once per row.
 */
import type { Column } from '../batch.ts'
import { kindOf } from './columns.ts'
import type { EncoderOptions } from './encode.ts'
import { encodeDefault } from './object.ts'
import { SchemaError } from './schema.ts'
import type { AvroType, RecordType } from './schema.ts'

/** A field that is read from a column. */
export interface Binding {
  readonly field: string
  readonly column: string
  /** value: a number or a code column. */
  readonly kind: Column['kind'] | 'value'
}

/** Longest written field that is kept from row to row, bytes. */
const MEMO = 64

export class EncoderSource {
  readonly bindings: Binding[] = []
  /** Encoded constants. */
  readonly constantBytes: Uint8Array[] = []
  /** Types of the raw fields, for canonical encoding. */
  readonly rawTypes: AvroType[] = []
  private readonly options: EncoderOptions
  private readonly canonical: boolean
  private readonly lines: string[] = []
  private readonly slots = new Map<string, number>()
  private slotCount = 0
  private names = 0
  /** What the room for a row has to hold. */
  private fixedSize = 0
  private readonly variableSizes: string[] = []
  /** Columns whose last value is kept, for the written fields that are functions of them. */
  private memos = 0

  constructor(type: RecordType, options: EncoderOptions, canonical: boolean) {
    this.options = options
    this.canonical = canonical
    this.record(type, '')
    const known = new Set(this.seen)
    for (const name of [
      ...Object.keys(options.columns ?? {}),
      ...Object.keys(options.constants ?? {}),
      ...(options.raw ?? []),
      ...Object.keys(options.written ?? {}),
      ...(options.optional ?? []),
    ]) {
      if (!known.has(name)) throw new SchemaError(`${type.name}.${name}`, 'is in the options but not a field')
    }
  }

  private readonly seen: string[] = []

  /**
   * Whole records, length prefixes and keys included: nothing is called for a row whose numbers are small and whose
   * written fields are those of the row before.
   */
  recordsText(id: number): string {
    const prefix = [0, (id >>> 24) & 255, (id >>> 16) & 255, (id >>> 8) & 255, id & 255]
    const written = Object.keys(this.options.written ?? {})
    return `${this.head()}
return function encode(arena, bound, rows, from, to, timestamps, key, writes, values) {
  ${this.locals()}
  ${written.map((_, i) => `const w${i} = writes[${i}]; let m${i} = null`).join('; ')}
  ${Array.from({ length: this.memos }, (_, i) => `let x${i} = NaN`).join('; ')}
  const keyed = key !== null
  const keyBytes = keyed ? key.bytes : arena.bytes, keyOffsets = keyed ? key.offsets : rows
  const keyLengths = keyed ? key.lengths : rows
  const base = arena.baseTime
  let b = arena.bytes, view = arena.view, p = arena.position, count = arena.count, latest = arena.maxTime
  for (let i = from; i < to; i++) {
    const row = rows[i]
    const keyLength = keyed ? keyLengths[row] : -1
    const size = ${this.size(64 + written.length * MEMO)} + (keyLength > 0 ? keyLength : 0)
    if (p + size > b.length) { arena.position = p; arena.reserve(size); b = arena.bytes; view = arena.view }
    const record = p
    b[p + 2] = 0
    p += 3
    const time = timestamps[row], since = time - base, small = since | 0
    if (time > latest) latest = time
    if (small !== since || small < 0 || small > 1073741823) p = writeVarint(b, p, since)
    else if (small < 64) b[p++] = small << 1
    else p = writeSmall(b, p, small)
    if (count < 64) b[p++] = count << 1
    else p = writeSmall(b, p, count)
    count++
    if (keyLength < 0) b[p++] = 1
    else {
      if (keyLength < 64) b[p++] = keyLength << 1
      else p = writeSmall(b, p, keyLength)
      for (let at = keyOffsets[row], end = at + keyLength; at < end; at++) b[p++] = keyBytes[at]
    }
    p += 2
    let start = p
    ${prefix.map((byte, at) => `b[p + ${at}] = ${byte}`).join('; ')}
    p += 5
    ${this.lines.join('\n    ')}
    const length = p - start, body = p - record - 1
    if (length > 63 && body < 8192) {
      b[start - 2] = (length << 1 & 127) | 128
      b[start - 1] = length >> 6
      b[p++] = 0
      b[record] = (body << 1 & 127) | 128
      b[record + 1] = body >> 6
    } else {
      arena.position = p
      start = arena.closeAt(record, start)
      b = arena.bytes; view = arena.view; p = arena.position
    }
    if (values !== null) { values.starts[i - from] = start; values.ends[i - from] = start + length }
  }
  arena.wrote(p, count, latest)
}`
  }

  valueText(): string {
    const size = this.size(0)
    return `${this.head()}
return function encodeValue(arena, bound, row) {
  ${this.locals()}
  arena.reserve(${size})
  let b = arena.bytes, view = arena.view, p = arena.position
  ${this.lines.join('\n  ').replaceAll('RESERVE', `arena.reserve(${size})`)}
  arena.position = p
}`
  }

  private head(): string {
    return `'use strict'
const { writeVarint, writeSmall, writeTime, writeNumber, notNull, canonicalRaw } = helpers
${this.constantBytes.map((_, i) => `const k${i} = constants[${i}]`).join('\n')}`
  }

  private locals(): string {
    return Array.from({ length: this.slotCount }, (_, i) => `const c${i} = bound[${i}]`).join('; ')
  }

  private record(type: RecordType, prefix: string): void {
    for (const field of type.fields) {
      const name = prefix + field.name
      this.seen.push(name)
      this.field(field.type, name)
    }
  }

  private field(type: AvroType, name: string): void {
    const { constants = {}, written = {}, raw = [], optional = [] } = this.options
    if (name in constants) {
      this.constant(type, name, constants[name])
      return
    }
    if (name in written) {
      this.written(Object.keys(written).indexOf(name), written[name])
      return
    }
    const of = type.type === 'nullable' ? type.of : type
    if (of.type === 'record' && !raw.includes(name)) {
      const present = type.type === 'nullable' ? (1 - type.nullIndex) * 2 : -1
      if (present < 0) this.record(of, `${name}.`)
      else if (!optional.includes(name)) {
        this.put(present)
        this.record(of, `${name}.`)
      } else {
        const c = this.bind(name, 'code')
        this.put(`c${c}[row] === 1 ? ${present} : ${2 - present}`)
        this.line(`if (c${c}[row] === 1) {`)
        this.record(of, `${name}.`)
        this.line('}')
      }
      return
    }
    if (of.type === 'array' && !raw.includes(name)) {
      throw new SchemaError(name, `is an array: name it in 'written' (a callback writes it) or in 'raw' (a raw column)`)
    }
    this.fromColumn(of, name, type.type === 'nullable' ? type.nullIndex : -1)
  }

  /** `nullIndex`: of the union with null, -1 when the field is not nullable. */
  private fromColumn(type: AvroType, name: string, nullIndex: number): void {
    if (type.type === 'null') return
    const c = this.bind(name, kindOf(type))
    const kind = kindOf(type)
    const [n, v] = [this.name(), this.name()]
    const isNull = { text: `${n} < 0`, raw: `c${c}[row] < 0`, number: `${v} !== ${v}`, code: `${v} === 255` }[kind]
    if (kind === 'text') this.line(`const ${n} = c${c + 1}[row]`)
    else if (kind === 'raw') this.line(`const ${n} = c${c + 1}[row] - c${c}[row]`)
    else this.line(`const ${v} = c${c}[row]`)
    if (nullIndex >= 0) {
      this.line(`if (${isNull}) b[p++] = ${nullIndex * 2}`)
      this.line(`else { b[p++] = ${(1 - nullIndex) * 2}`)
      this.fixedSize++
      // A number that is not nullable needs no check: NaN is a value of float and double, and writeNumber refuses it.
    } else if (kind === 'text' || kind === 'raw' || kind === 'code') this.line(`if (${isNull}) notNull('${name}', row)`)
    this.plain(type, name, c, n, v)
    if (nullIndex >= 0) this.line('}')
  }

  private plain(type: AvroType, name: string, c: number, n: string, v: string): void {
    switch (type.type) {
      case 'string':
      case 'bytes':
        this.variableSizes.push(`(c${c + 1}[row] > 0 ? c${c + 1}[row] : 0)`)
        this.fixedSize += 10
        this.line(`if (${n} < 64) b[p++] = ${n} << 1; else p = writeVarint(b, p, ${n})`)
        this.copy(c, n)
        return
      case 'boolean':
        this.fixedSize++
        this.line(`b[p++] = ${v}`)
        return
      case 'enum':
        this.fixedSize += 2
        this.line(`if (${v} < 64) b[p++] = ${v} << 1; else p = writeVarint(b, p, ${v})`)
        return
      case 'int':
      case 'long': {
        // Only the shortest form stands here: what is called with small integers costs nothing to call, and a loop with
        // every form of every field is compiled anew each time that one of them is met first.
        const i = this.name()
        this.fixedSize += 10
        this.line(`const ${i} = ${v} | 0`)
        this.line(`if (${i} === ${v} && ${i} >= 0 && ${i} < 1073741824)`)
        this.line(`{ if (${i} < 64) b[p++] = ${i} << 1; else p = writeSmall(b, p, ${i}) }`)
        if (type.type === 'long') {
          // Times take six bytes. High and low part meet at 2^27; a fraction is not ours.
          const [h, l] = [this.name(), this.name()]
          this.line(`else if (${v} >= 17179869184 && ${v} < 2199023255552 && ${v} === Math.floor(${v})) {`)
          this.line(`const ${h} = ${v} / 134217728 | 0, ${l} = ${v} - ${h} * 134217728 | 0`)
          this.line(`p = writeTime(b, p, ${h}, ${l}) }`)
        }
        this.line(`else p = writeNumber(b, p, ${v}, '${name}')`)
        return
      }
      case 'float':
        this.fixedSize += 4
        this.line(`view.setFloat32(p, ${v}, true); p += 4`)
        return
      case 'double':
        this.fixedSize += 8
        this.line(`view.setFloat64(p, ${v}, true); p += 8`)
        return
      default:
        if (this.canonical) this.reencoded(type, c)
        else {
          this.variableSizes.push(`(c${c}[row] < 0 ? 0 : c${c + 1}[row] - c${c}[row])`)
          this.copy(c, n)
        }
    }
  }

  private reencoded(type: AvroType, c: number): void {
    this.rawTypes.push(type)
    this.line(`arena.position = p`)
    this.line(`canonicalRaw(${this.rawTypes.length - 1}, c${c + 2}, c${c}[row], c${c + 1}[row], arena)`)
    // What follows was reserved before; the arena may have grown meanwhile, and is asked again for the whole row.
    this.line(`p = arena.position; RESERVE; b = arena.bytes; view = arena.view`)
  }

  /** Copies n bytes from the column's place, four at a time. */
  private copy(c: number, n: string): void {
    const [s, j, e] = [this.name(), this.name(), this.name()]
    this.line(`if (${n} > 64) { b.set(c${c + 2}.subarray(c${c}[row], c${c}[row] + ${n}), p); p += ${n} }`)
    this.line(`else { let ${s} = c${c}[row]; const ${e} = ${s} + ${n}; const ${j} = ${e} - 3`)
    this.line(`for (; ${s} < ${j}; ${s} += 4, p += 4) view.setInt32(p, c${c + 3}.getInt32(${s}, true), true)`)
    this.line(`for (; ${s} < ${e}; ${s}++) b[p++] = c${c + 2}[${s}] }`)
  }

  private constant(type: AvroType, name: string, value: string | number | boolean | null): void {
    let bytes: Uint8Array
    if (type.type === 'nullable') {
      const index = value === null ? type.nullIndex : 1 - type.nullIndex
      const rest = value === null ? new Uint8Array(0) : encodeDefault(type.of, value, name)
      bytes = Uint8Array.of(index * 2, ...rest)
    } else bytes = encodeDefault(type, value, name)
    this.constantBytes.push(bytes)
    const k = `k${this.constantBytes.length - 1}`
    this.fixedSize += bytes.length
    this.line(`for (let j = 0; j < ${bytes.length}; j++) b[p++] = ${k}[j]`)
  }

  private put(byte: number | string): void {
    this.fixedSize++
    this.line(`b[p++] = ${byte}`)
  }

  private bind(field: string, kind: Binding['kind']): number {
    const column = this.options.columns?.[field] ?? field
    const key = `${kind} ${column}`
    let slot = this.slots.get(key)
    if (slot === undefined) {
      slot = this.slotCount
      this.slots.set(key, slot)
      this.bindings.push({ field, column, kind })
      this.slotCount += kind === 'text' || kind === 'raw' ? 4 : 1
    }
    return slot
  }

  /** A field that a callback writes: its bytes are kept, and copied while the columns that it depends on say the same. */
  private written(index: number, of: readonly string[]): void {
    const values = of.map((column) => {
      const slot = this.bind(column, 'value')
      return { now: `c${slot}[row]`, last: `x${this.memos++}` }
    })
    const m = `m${index}`
    const same = [`${m} !== null`, ...values.map(({ now, last }) => `${now} === ${last}`)].join(' && ')
    if (values.length > 0) this.line(`if (${same}) { for (let j = 0; j < ${m}.length; j++) b[p++] = ${m}[j] } else {`)
    this.line('arena.position = p')
    this.line(`w${index}(row, arena)`)
    if (values.length > 0) {
      // Room for a kept one is reserved with the row; a longer one is written anew each time.
      this.line(`${m} = arena.position - p > ${MEMO} ? null : arena.bytes.slice(p, arena.position)`)
      this.line(values.map(({ now, last }) => `${last} = ${now}`).join('; '))
    }
    this.line('p = arena.position; arena.reserve(size); b = arena.bytes; view = arena.view')
    if (values.length > 0) this.line('}')
  }

  /** Room for a row: `more` bytes beside its fields. */
  private size(more: number): string {
    return [String(this.fixedSize + more), ...this.variableSizes].join(' + ')
  }

  private name(): string {
    return `v${this.names++}`
  }

  private line(text: string): void {
    this.lines.push(text)
  }
}
