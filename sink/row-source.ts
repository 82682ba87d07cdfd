/** Generates the loop that turns the Avro bytes of one record into one RowBinary row, column by column, without an object. */
import type { AvroType, RecordType } from '../streams/avro/schema.ts'

/** A column of a table as a record fills it; `type` as ClickHouse writes it, without LowCardinality. */
export interface RowColumn {
  readonly name: string
  readonly type: string
}

/** Names of the first fields of every output record and the columns they fill; task and seq identify it. */
const provenance: Readonly<Record<string, string>> = { task: '_src_task', seq: '_src_seq' }

/**
 * Statements of the loop body and the columns in the order in which they are written. Nested records are flattened; a
 * nested field named like one of the record around it is the same thing and is left out (asserted by a test).
 */
export class RowSource {
  readonly columns: RowColumn[] = []
  private readonly lines: string[] = []
  private readonly times: ReadonlySet<string>
  private names = 0

  /** `times`: names of the fields that are instants (the schema tree does not keep logical types of longs). */
  constructor(times: ReadonlySet<string>) {
    this.times = times
  }

  record(type: RecordType, outer: ReadonlySet<string> = new Set(), nullable = false): this {
    const here = new Set([...outer, ...type.fields.map((field) => field.name)])
    for (const { name, type: field } of type.fields) {
      if (outer.has(name)) this.lines.push(this.skip(field))
      else this.field(provenance[name] ?? name, field, here, nullable)
    }
    return this
  }

  text(): string {
    return this.lines.join('\n')
  }

  private field(name: string, type: AvroType, outer: ReadonlySet<string>, nullable: boolean): void {
    const inner = type.type === 'nullable' ? type.of : type
    if (inner.type !== 'record') {
      const wrapped: AvroType =
        nullable && type.type !== 'nullable' ? { type: 'nullable', nullIndex: -1, of: type } : type
      this.columns.push({ name, type: this.columnType(wrapped, name) })
      this.lines.push(this.value(wrapped))
      return
    }
    if (type.type !== 'nullable') {
      this.record(inner, outer, nullable)
      return
    }
    // An absent record: null in every column that it would fill.
    const nested = new RowSource(this.times)
    nested.names = this.names + 100
    nested.record(inner, outer, true)
    this.columns.push(...nested.columns)
    this.lines.push(
      `if (bytes[p++] === ${type.nullIndex * 2}) {`,
      `for (let i = 0; i < ${nested.columns.length}; i++) out[o++] = 1`,
      '} else {',
      nested.text(),
      '}',
    )
  }

  /** Statement that reads one value at p and writes it at o. */
  private value(type: AvroType): string {
    switch (type.type) {
      case 'null':
        throw new Error('a column of nulls has no type')
      case 'boolean':
        return 'out[o++] = bytes[p++]'
      case 'int':
        return `${READ_LONG} outView.setInt32(o, n, true); o += 4`
      case 'long':
        return `${READ_LONG} outView.setUint32(o, n >>> 0, true); outView.setInt32(o + 4, Math.floor(n / 4294967296), true); o += 8`
      case 'enum':
        return `out[o] = bytes[p++] >>> 1; if (out[o++] >= ${type.symbols.length}) fail('an unknown enum symbol')`
      case 'string':
        return `${READ_LENGTH} ${WRITE_LENGTH} ${COPY}`
      case 'bytes':
        return type.decimal ? `${READ_LENGTH} ${INT128}` : `${READ_LENGTH} ${WRITE_LENGTH} ${COPY}`
      case 'nullable':
        if (type.nullIndex < 0) return `out[o++] = 0; ${this.value(type.of)}`
        return `if (bytes[p++] === ${type.nullIndex * 2}) out[o++] = 1; else { out[o++] = 0; ${this.value(type.of)} }`
      case 'array':
        return this.array(type.items)
      case 'record':
        return type.fields.map((field) => `{ ${this.value(field.type)} }`).join('\n')
      default:
        throw new Error(`no column for Avro ${type.type}`)
    }
  }

  /** The number of items comes before them in RowBinary and, block by block, in Avro: it is written when all are. */
  private array(items: AvroType): string {
    const at = `a${this.names}`
    const total = `t${this.names}`
    const left = `c${this.names++}`
    return `{ const ${at} = o++; let ${total} = 0
      for (;;) { ${READ_LONG} let ${left} = n; if (${left} === 0) break
        if (${left} < 0) { ${left} = -${left}; ${READ_LONG} }
        if (!(${left} <= end - p)) fail('an array longer than the record')
        ${total} += ${left}
        for (; ${left} > 0; ${left}--) { ${this.value(items)} } }
      if (${total} < 128) out[${at}] = ${total}; else o = widen(out, ${at}, o, ${total}) }`
  }

  private skip(type: AvroType): string {
    switch (type.type) {
      case 'boolean':
        return 'p++'
      case 'int':
      case 'long':
      case 'enum':
        return 'while (bytes[p++] > 127);'
      case 'string':
      case 'bytes':
        return `${READ_LENGTH} p += n`
      default:
        throw new Error(`a nested field of Avro ${type.type} cannot be left out`)
    }
  }

  private columnType(type: AvroType, name: string): string {
    switch (type.type) {
      case 'boolean':
        return 'Bool'
      case 'int':
        return 'Int32'
      case 'long':
        return this.times.has(name) ? "DateTime64(3, 'UTC')" : 'Int64'
      case 'string':
        return 'String'
      case 'bytes':
        return type.decimal ? 'Int128' : 'String'
      case 'enum':
        return `Enum8(${type.symbols.map((symbol, i) => `'${symbol}' = ${i}`).join(', ')})`
      case 'nullable':
        return `Nullable(${this.columnType(type.of, name)})`
      case 'array':
        return `Array(${this.columnType(type.items, name)})`
      case 'record':
        return `Tuple(${type.fields.map((field) => `${field.name} ${this.columnType(field.type, field.name)}`).join(', ')})`
      default:
        throw new Error(`${name}: no column for Avro ${type.type}`)
    }
  }
}

/**
 * Declares nothing: n, b, s, g and z are the loop's own. n: a zigzag varint, exact up to 2^53 both ways: the sign (g) is
 * taken off first, since a zigzag of 54 bits would lose it in a double.
 */
const READ_LONG = `b = bytes[p++]
  if (b < 128) n = (b >>> 1) ^ -(b & 1)
  else { g = b & 1; z = (b & 127) >>> 1; s = 64
    do { b = bytes[p++]; z += (b & 127) * s; s *= 128 } while (b > 127 && p < end)
    n = g === 0 ? z : -z - 1 }`
const READ_LENGTH = `${READ_LONG}
  if (!(n >= 0 && n <= end - p)) fail('text longer than the record');`
const WRITE_LENGTH = 'if (n < 128) out[o++] = n; else o = varuint(out, o, n);'
const COPY =
  'if (n < 48) { for (const to = p + n; p < to; ) out[o++] = bytes[p++] } else { out.set(bytes.subarray(p, p + n), o); p += n; o += n }'
const INT128 = `if (n < 1 || n > 16) fail('a decimal of ' + n + ' bytes')
  b = bytes[p] > 127 ? 255 : 0
  for (let i = n - 1; i >= 0; i--) out[o++] = bytes[p + i]
  for (let i = n; i < 16; i++) out[o++] = b
  p += n`
