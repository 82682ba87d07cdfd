/**
 * Writes the JavaScript text of one encoder: a loop over rows, every field inline, room reserved once per run of
 * fields.
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
  readonly kind: Column['kind']
}

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
  /** Where the reservation of the current run of fields stands in `lines`, and what it has to hold. */
  private reserveAt = 0
  private fixedSize = 0
  private variableSizes: string[] = []

  constructor(type: RecordType, options: EncoderOptions, canonical: boolean) {
    this.options = options
    this.canonical = canonical
    this.openRun(5)
    this.record(type, '')
    this.closeRun()
    const known = new Set(this.seen)
    for (const name of [
      ...Object.keys(options.columns ?? {}),
      ...Object.keys(options.constants ?? {}),
      ...(options.raw ?? []),
      ...(options.written ?? []),
      ...(options.optional ?? []),
    ]) {
      if (!known.has(name)) throw new SchemaError(`${type.name}.${name}`, 'is in the options but not a field')
    }
  }

  private readonly seen: string[] = []

  recordsText(id: number): string {
    const prefix = [0, (id >>> 24) & 255, (id >>> 16) & 255, (id >>> 8) & 255, id & 255]
    return `${this.head()}
return function encode(arena, bound, rows, from, to, timestamps, key, writes, onValue) {
  ${this.locals()}
  ${(this.options.written ?? []).map((_, i) => `const w${i} = writes[${i}]`).join('; ')}
  const keyBytes = key === null ? null : key.bytes
  const keyOffsets = key === null ? null : key.offsets
  const keyLengths = key === null ? null : key.lengths
  for (let i = from; i < to; i++) {
    const row = rows[i]
    const start = key === null || keyLengths[row] < 0
      ? arena.open(timestamps[row], null, 0, 0)
      : arena.open(timestamps[row], keyBytes, keyOffsets[row], keyLengths[row])
    let b, view, p
    ${this.lines[0]}
    ${prefix.map((byte, at) => `b[p + ${at}] = ${byte}`).join('; ')}
    p += 5
    ${this.lines.slice(1).join('\n    ')}
    arena.position = p
    const at = arena.close(start)
    if (onValue !== null) onValue(row, at, at + p - start)
  }
}`
  }

  valueText(): string {
    return `${this.head()}
return function encodeValue(arena, bound, row) {
  ${this.locals()}
  let b, view, p
  ${this.lines.join('\n  ')}
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
    const { constants = {}, written = [], raw = [], optional = [] } = this.options
    if (name in constants) {
      this.constant(type, name, constants[name])
      return
    }
    if (written.includes(name)) {
      this.closeRun()
      this.lines.push(`arena.position = p`)
      this.lines.push(`w${written.indexOf(name)}(row, arena)`)
      this.openRun(0)
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
    // What follows was reserved before; the arena may have grown meanwhile, and asks again for the whole row.
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

  private bind(field: string, kind: Column['kind']): number {
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

  /** Starts a run of fields whose room is reserved at once; callbacks in between may move the arena. */
  private openRun(fixedSize: number): void {
    this.reserveAt = this.lines.length
    this.lines.push('')
    this.fixedSize = fixedSize
    this.variableSizes = []
  }

  private closeRun(): void {
    const size = [String(this.fixedSize), ...this.variableSizes].join(' + ')
    this.lines[this.reserveAt] = `arena.reserve(${size}); b = arena.bytes; view = arena.view; p = arena.position`
    for (let at = this.reserveAt + 1; at < this.lines.length; at++) {
      this.lines[at] = this.lines[at].replace('RESERVE', `arena.reserve(${size})`)
    }
  }

  private name(): string {
    return `v${this.names++}`
  }

  private line(text: string): void {
    this.lines.push(text)
  }
}
