/**
 * Writes the JavaScript text of one decoder: a loop over rows, every field inline, every bound checked before the read.
 */
import type { ColumnSpec, Nesting } from './columns.ts'
import { arrayText } from './decode-array.ts'
import { encodeDefault } from './object.ts'
import { loopText } from './decode-loop.ts'
import { numberText } from './decode-number.ts'
import type { NumberName } from './decode-number.ts'
import { SchemaError, sameType } from './schema.ts'
import type { AvroType, EnumType, Field, NullableType, RecordType, UnionType } from './schema.ts'

/** Number types that a writer's may be read as. */
const promotions: Record<NumberName, readonly string[]> = {
  int: ['int', 'long', 'float', 'double'],
  long: ['long', 'float', 'double'],
  float: ['float', 'double'],
  double: ['double'],
}

export class DecoderSource {
  /** Lookup tables from a writer's enum index to the reader's; 255 = no such symbol. */
  readonly tables: Uint8Array[] = []
  /** Default texts and nested records, which are not in the arrival buffer. */
  tailBytes = new Uint8Array(0)
  private readonly tailColumns = new Set<string>()
  private readonly lines: string[] = []
  private readonly slots = new Map<string, number>()
  private readonly specs: readonly ColumnSpec[]
  private readonly nesting: Nesting
  private names = 0

  constructor(specs: readonly ColumnSpec[], nesting: Nesting) {
    this.specs = specs
    this.nesting = nesting
    let slot = 0
    for (const spec of specs) {
      this.slots.set(spec.name, slot)
      slot += twoArrays(spec) ? 2 : 1
    }
  }

  /** Columns whose rows may point behind the arrival buffer, into `tailBytes`. */
  tail(): ReadonlySet<string> {
    return this.tailColumns
  }

  /** The body of a function (readVarint, varintOut, tables) that returns the decoder. */
  text(same: boolean, maxBytes: number, fault: { malformed: number; tooLarge: number }): string {
    return loopText({
      tables: this.tables.length,
      arrays: this.specs.reduce((sum, spec) => sum + (twoArrays(spec) ? 2 : 1), 0),
      fields: this.lines,
      nulls: this.specs.map((spec) => this.nullInto(spec)),
      canonical: same,
      maxBytes,
      fault,
    })
  }

  /** The fields of a writer's record, in the order in which they were written, then what only the reader has. */
  record(writer: RecordType, reader: RecordType, prefix = ''): void {
    const byName = new Map(reader.fields.map((field) => [field.name, field]))
    for (const field of writer.fields) {
      const wanted = byName.get(field.name)
      byName.delete(field.name)
      if (wanted === undefined) this.skip(field.type)
      else this.value(field.type, wanted.type, prefix + field.name)
    }
    for (const missing of byName.values()) {
      if (missing.default === undefined) {
        throw new SchemaError(`${reader.name}.${missing.name}`, 'the writer does not have it and it has no default')
      }
      this.defaultOf(missing, prefix + missing.name)
    }
  }

  private value(writer: AvroType, reader: AvroType, name: string): void {
    if (writer.type === 'nullable') {
      this.unionIndex(writer, () => {
        if (reader.type === 'nullable') this.nullOf(reader.of, name)
        else this.line('break decode')
      })
      this.line('else {')
      this.value(writer.of, reader.type === 'nullable' ? reader.of : reader, name)
      this.line('}')
      return
    }
    if (writer.type === 'union') {
      let read = 0
      this.branches(writer, (branch) => (read += this.valueOrFault(branch, reader, name)))
      if (read === 0) throw this.mismatch(writer, reader, name)
      return
    }
    if (reader.type === 'nullable') {
      if (writer.type === 'null') this.nullOf(reader.of, name)
      else this.value(writer, reader.of, name)
      return
    }
    const c = this.slot(name)
    switch (writer.type) {
      case 'boolean':
        this.must(reader.type === 'boolean', writer, reader, name)
        this.line(`if (p >= end || bytes[p] > 1) break decode`)
        this.line(`c${c}[row] = bytes[p++]`)
        return
      case 'int':
      case 'long':
      case 'float':
      case 'double':
        this.must(promotions[writer.type].includes(reader.type), writer, reader, name)
        this.number(writer.type, reader.type === 'float' && writer.type !== 'float', (value) => `c${c}[row] = ${value}`)
        return
      case 'string':
      case 'bytes':
        this.must(reader.type === 'string' || reader.type === 'bytes', writer, reader, name)
        this.textInto(c)
        return
      case 'enum':
        if (reader.type !== 'enum') throw this.mismatch(writer, reader, name)
        this.enumInto(writer, reader, c)
        return
      case 'record':
        if (reader.type !== 'record') throw this.mismatch(writer, reader, name)
        if (this.nesting === 'columns') this.record(writer, reader, `${name}.`)
        else this.raw(writer, reader, c, name)
        return
      case 'array':
        this.raw(writer, reader, c, name)
        return
      case 'null':
      case 'fixed':
        throw this.mismatch(writer, reader, name)
    }
  }

  /** 1 when values of this branch can be read; else the rows that have one fault, and 0. */
  private valueOrFault(branch: AvroType, reader: AvroType, name: string): number {
    const before = this.lines.length
    try {
      this.value(branch, reader, name)
      return 1
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error
      this.lines.length = before
      this.line('break decode')
      return 0
    }
  }

  /** Reads the index of a union's branch, and does for each branch what `each` writes. */
  private branches(union: UnionType, each: (branch: AvroType) => void): void {
    const x = this.name()
    this.line(`p = readVarint(bytes, p, end); if (p < 0) break decode`)
    this.line(`if (varintOut[1] !== 0) canonical = 0`)
    this.line(`const ${x} = varintOut[0]`)
    union.branches.forEach((branch, i) => {
      this.line(`if (${x} === ${i}) {`)
      each(branch)
      this.line('} else')
    })
    this.line('break decode')
  }

  private raw(writer: AvroType, reader: AvroType, c: number, name: string): void {
    if (!sameType(writer, reader)) {
      throw new SchemaError(
        name,
        'differs between writer and reader; nested data is kept as bytes only when it is the same',
      )
    }
    this.line(`c${c}[row] = p`)
    this.skip(writer)
    this.line(`c${c + 1}[row] = p`)
  }

  /** if (index is null's) { then } - the caller goes on with else. */
  private unionIndex(union: NullableType, onNull: () => void): void {
    const x = this.name()
    this.line(`if (p >= end) break decode`)
    this.line(`let ${x} = bytes[p++]`)
    this.line(`if (${x} > 2 || ${x} === 1) {`)
    this.line(`p = readVarint(bytes, p - 1, end)`)
    this.line(`if (p < 0) break decode`)
    this.line(`${x} = varintOut[0] * 2`)
    this.line(`if (${x} !== 0 && ${x} !== 2) break decode`)
    this.line(`canonical = 0`)
    this.line('}')
    this.line(`if (${x} === ${union.nullIndex * 2}) {`)
    onNull()
    this.line('}')
  }

  private number(type: NumberName, rounded: boolean, then: (value: string) => string): void {
    this.lines.push(...numberText(type, rounded, then, [this.name(), this.name(), this.name()]))
  }

  /** Reads a length into a variable and checks that so many bytes follow. */
  private length(): string {
    const n = this.name()
    this.line(`if (p >= end) break decode`)
    this.line(`let ${n} = bytes[p]`)
    this.line(`if (${n} < 128) { if ((${n} & 1) !== 0) break decode; ${n} >>= 1; p++ }`)
    this.line(`else { p = readVarint(bytes, p, end); if (p < 0) break decode; ${n} = varintOut[0]`)
    this.line(`if (varintOut[1] !== 0) canonical = 0 }`)
    this.line(`if (${n} < 0 || ${n} > end - p) break decode`)
    return n
  }

  private textInto(c: number): void {
    const n = this.length()
    this.line(`c${c}[row] = p`)
    this.line(`c${c + 1}[row] = ${n}`)
    this.line(`p += ${n}`)
  }

  private enumInto(writer: EnumType, reader: EnumType, c: number): void {
    const x = this.enumIndex(writer)
    if (sameType(writer, reader)) {
      this.line(`c${c}[row] = ${x}`)
      return
    }
    const fallback = reader.default === null ? 255 : reader.symbols.indexOf(reader.default)
    const table = Uint8Array.from(writer.symbols, (symbol) => {
      const at = reader.symbols.indexOf(symbol)
      return at < 0 ? fallback : at
    })
    this.tables.push(table)
    const t = `t${this.tables.length - 1}`
    if (table.includes(255)) this.line(`if (${t}[${x}] === 255) break decode`)
    this.line(`c${c}[row] = ${t}[${x}]`)
  }

  private enumIndex(type: EnumType): string {
    const x = this.name()
    this.line(`if (p >= end) break decode`)
    this.line(`let ${x} = bytes[p]`)
    this.line(`if (${x} < 128) { if ((${x} & 1) !== 0) break decode; ${x} >>= 1; p++ }`)
    this.line(`else { p = readVarint(bytes, p, end); if (p < 0) break decode; ${x} = varintOut[0]`)
    this.line(`if (varintOut[1] !== 0) canonical = 0 }`)
    this.line(`if (${x} < 0 || ${x} >= ${type.symbols.length}) break decode`)
    return x
  }

  /** Moves p over a value, with every check. */
  private skip(type: AvroType): void {
    switch (type.type) {
      case 'null':
        return
      case 'boolean':
        this.line(`if (p >= end || bytes[p++] > 1) break decode`)
        return
      case 'int':
      case 'long':
      case 'float':
      case 'double':
        this.number(type.type, false, () => '')
        return
      case 'string':
      case 'bytes': {
        this.line(`p += ${this.length()}`)
        return
      }
      case 'enum':
        this.enumIndex(type)
        return
      case 'nullable':
        this.unionIndex(type, () => {})
        this.line('else {')
        this.skip(type.of)
        this.line('}')
        return
      case 'record':
        for (const field of type.fields) this.skip(field.type)
        return
      case 'array':
        this.skipArray(type.items)
        return
      case 'fixed':
        this.line(`if (end - p < ${type.size}) break decode`)
        this.line(`p += ${type.size}`)
        return
      case 'union':
        this.branches(type, (branch) => this.skip(branch))
    }
  }

  private skipArray(items: AvroType): void {
    const { before, after } = arrayText([this.name(), this.name(), this.name(), this.name()])
    before.forEach((text) => this.line(text))
    this.skip(items)
    after.forEach((text) => this.line(text))
  }

  private defaultOf(field: Field, name: string): void {
    const { type } = field
    const json = field.default as NonNullable<typeof field.default> | null
    const of = type.type === 'nullable' ? type.of : type
    if (json === null) {
      if (type.type !== 'nullable' || type.nullIndex !== 0)
        throw new SchemaError(name, 'has the default null and is not nullable')
      this.nullOf(of, name)
      return
    }
    const c = this.slot(name)
    switch (of.type) {
      case 'record':
        if (this.nesting === 'columns') {
          const values = json as Record<string, Field['default']>
          for (const inner of of.fields) {
            this.defaultOf({ ...inner, default: values[inner.name] ?? inner.default }, `${name}.${inner.name}`)
          }
          return
        }
        this.tailInto(c, name, encodeDefault(of, json, name), true)
        return
      case 'array':
        this.tailInto(c, name, encodeDefault(of, json, name), true)
        return
      case 'string':
      case 'bytes': {
        const encoded = encodeDefault(of, json, name)
        const prefix = encoded.findIndex((byte) => byte < 128) + 1
        this.tailInto(c, name, encoded.subarray(prefix), false)
        return
      }
      case 'enum': {
        const at = of.symbols.indexOf(json as string)
        if (at < 0) throw new SchemaError(name, `has the default ${JSON.stringify(json)}, which is no symbol`)
        this.line(`c${c}[row] = ${at}`)
        return
      }
      case 'boolean':
        this.line(`c${c}[row] = ${json === true ? 1 : 0}`)
        return
      default:
        if (typeof json !== 'number')
          throw new SchemaError(name, `has the default ${JSON.stringify(json)}, which is no number`)
        this.line(`c${c}[row] = ${json}`)
    }
  }

  private tailInto(c: number, name: string, bytes: Uint8Array, raw: boolean): void {
    const at = this.tailBytes.length
    this.tailBytes = new Uint8Array([...this.tailBytes, ...bytes])
    this.tailColumns.add(name)
    this.line(`c${c}[row] = tailAt + ${at}`)
    this.line(`c${c + 1}[row] = ${raw ? `tailAt + ${at} + ${bytes.length}` : bytes.length}`)
  }

  private nullOf(type: AvroType, name: string): void {
    if (type.type === 'record' && this.nesting === 'columns') {
      for (const field of type.fields) {
        this.nullOf(field.type.type === 'nullable' ? field.type.of : field.type, `${name}.${field.name}`)
      }
      return
    }
    const spec = this.specs.find((candidate) => candidate.name === name)
    if (spec !== undefined) this.line(this.nullInto(spec))
  }

  private nullInto(spec: ColumnSpec): string {
    const c = this.slot(spec.name)
    switch (spec.kind) {
      case 'text':
        return `c${c}[row] = 0; c${c + 1}[row] = -1`
      case 'number':
        return `c${c}[row] = NaN`
      case 'code':
        return `c${c}[row] = 255`
      case 'raw':
        return `c${c}[row] = -1; c${c + 1}[row] = -1`
    }
  }

  private slot(name: string): number {
    return this.slots.get(name) ?? 0
  }

  private name(): string {
    return `v${this.names++}`
  }

  private line(text: string): void {
    if (text !== '') this.lines.push(text)
  }

  private must(holds: boolean, writer: AvroType, reader: AvroType, name: string): void {
    if (!holds) throw this.mismatch(writer, reader, name)
  }

  private mismatch(writer: AvroType, reader: AvroType, name: string): SchemaError {
    return new SchemaError(name, `was written as ${writer.type} and cannot be read as ${reader.type}`)
  }
}

const twoArrays = (spec: ColumnSpec): boolean => spec.kind === 'text' || spec.kind === 'raw'
