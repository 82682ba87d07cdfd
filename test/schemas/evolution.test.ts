/** An older and a newer writer are read by the reader of today. */
import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { records } from '../../schemas/topics.ts'
import { columnsOf } from '../../streams/avro/columns.ts'
import type { ColumnSpec } from '../../streams/avro/columns.ts'
import { compileDecoder } from '../../streams/avro/decode.ts'
import { canonicalEncoder } from '../../streams/avro/encode.ts'
import { Arena } from '../../streams/arena.ts'
import type { Column, Frame } from '../../streams/batch.ts'
import { RecordBatchWriter, newFrame, walk } from '../../streams/records.ts'

type Json = Record<string, unknown>
interface Avsc {
  type: string
  name: string
  fields: (Json & { name: string })[]
}

const parse = (schema: string): Avsc => JSON.parse(schema) as Avsc
const typeOf = (schema: string): avro.Type => avro.Type.forSchema(JSON.parse(schema) as avro.Schema)

function frameOf(values: Uint8Array[]): Frame {
  const writer = new RecordBatchWriter()
  writer.begin(0)
  for (const value of values) writer.append(0, null, 0, 0, Buffer.concat([Buffer.alloc(5), value]))
  const frame = newFrame(values.length)
  walk(writer.finish(), 0, frame)
  return frame
}

/** A row of the frame as a plain object, text and bytes as text. */
function rowOf(columns: ReadonlyMap<string, Column>, specs: readonly ColumnSpec[], row: number): Json {
  return Object.fromEntries(specs.map((spec) => [spec.name, cellOf(columns.get(spec.name) as Column, spec, row)]))
}

function cellOf(column: Column, spec: ColumnSpec, row: number): unknown {
  switch (column.kind) {
    case 'text':
      if (column.lengths[row] < 0) return null
      return Buffer.from(column.bytes).toString('utf8', column.offsets[row], column.offsets[row] + column.lengths[row])
    case 'number':
      return Number.isNaN(column.values[row]) ? null : column.values[row]
    case 'code':
      if (column.values[row] === 255) return null
      return spec.type.type === 'enum' ? spec.type.symbols[column.values[row]] : column.values[row] === 1
    case 'raw':
      return column.starts[row] < 0
        ? null
        : Buffer.from(column.bytes.slice(column.starts[row], column.ends[row])).toString('hex')
  }
}

/** One value written with one schema and read as another. */
function readAs(writer: string, reader: string, value: Json): Json | number {
  const frame = frameOf([typeOf(writer).toBuffer(value)])
  const fault = new Uint8Array(1)
  compileDecoder(writer, reader)(frame, Int32Array.of(0), 1, frame.columns, fault)
  return fault[0] === 0 ? rowOf(frame.columns, columnsOf(reader), 0) : fault[0]
}

const v1 = records.transactionV1.schema
const v2 = records.transaction.schema
const payment = {
  producer: 'acquirer',
  payerAccount: 'ACC-1',
  transactionId: 'T-1',
  kind: 'PAYMENT',
  occurredAt: 1_767_225_600_123,
  payerBank: 'BANKDE2L',
  payeeAccount: 'ACC-2',
  payeeBank: 'BANKFR2L',
  merchant: null,
  amountMinor: 12_345,
  currency: 'EUR',
  country: 'DE',
  originalTransactionId: null,
}

describe('a transaction is read by the version in force', () => {
  test('written by the version before: what it did not say takes the default', () => {
    expect(readAs(v1, v2, payment)).toEqual({ ...payment, timePrecision: 'MILLISECOND' })
  })

  test('written by this version, read by the one before: what is unknown is skipped', () => {
    expect(readAs(v2, v1, { ...payment, timePrecision: 'DAY' })).toEqual(payment)
  })

  test('written by a later version: other order, new fields, a new symbol, a number where null may be', () => {
    const schema = parse(v2)
    const fields = schema.fields.toReversed()
    const precision = fields.find((field) => field.name === 'timePrecision') as Json
    precision['type'] = {
      type: 'enum',
      name: 'TimePrecision',
      symbols: ['MICROSECOND', 'DAY', 'SECOND', 'MILLISECOND'],
    }
    const merchant = fields.find((field) => field.name === 'merchant') as Json
    merchant['type'] = 'string'
    delete merchant['default']
    fields.splice(3, 0, {
      name: 'device',
      type: {
        type: 'record',
        name: 'Device',
        fields: [
          { name: 'ip', type: ['null', 'bytes'] },
          { name: 'tags', type: { type: 'array', items: 'string' } },
        ],
      },
    })
    fields.splice(7, 0, { name: 'risk', type: ['double', 'null'] })
    const v3 = JSON.stringify({ ...schema, fields })
    const extra = { merchant: 'MER-1', device: { ip: Buffer.from([1, 2]), tags: ['a', 'b'] }, risk: 0.25 }
    expect(readAs(v3, v2, { ...payment, ...extra, timePrecision: 'DAY' })).toEqual({
      ...payment,
      merchant: 'MER-1',
      timePrecision: 'DAY',
    })
    expect(readAs(v3, v2, { ...payment, ...extra, timePrecision: 'MICROSECOND' })).toEqual({
      ...payment,
      merchant: 'MER-1',
      timePrecision: 'MILLISECOND',
    })
  })

  test('rows of both versions stand in one frame, and have one canonical content', () => {
    const frame = frameOf([
      typeOf(v1).toBuffer(payment),
      typeOf(v2).toBuffer({ ...payment, timePrecision: 'MILLISECOND' }),
      typeOf(v1).toBuffer({ ...payment, country: null }),
    ])
    const fault = new Uint8Array(3)
    compileDecoder(v2, v2)(frame, Int32Array.of(1), 1, frame.columns, fault)
    compileDecoder(v1, v2)(frame, Int32Array.of(0, 2), 2, frame.columns, fault)
    expect([...fault]).toEqual([0, 0, 0])
    expect([...(frame.columns.get('canonical') as { values: Uint8Array }).values]).toEqual([0, 1, 0])
    const specs = columnsOf(v2)
    expect(rowOf(frame.columns, specs, 0)).toEqual(rowOf(frame.columns, specs, 1))
    const encode = canonicalEncoder(v2)
    const content = (row: number): string => {
      const arena = new Arena(8)
      encode(frame, row, arena)
      return Buffer.from(arena.toBytes()).toString('hex')
    }
    expect(content(0)).toBe(content(1))
    expect(content(1)).toBe(
      Buffer.from(frame.bytes.slice(frame.valueOffsets[1] + 5, frame.valueEnds[1])).toString('hex'),
    )
    expect(content(2)).not.toBe(content(1))
  })
})

const schemaWith = (name: string, fields: Json[]): string => JSON.stringify({ type: 'record', name, fields })

describe('resolution', () => {
  test('defaults of every type, also texts and lists that are in no arrival buffer', () => {
    const a = schemaWith('R', [{ name: 'x', type: 'string' }])
    const b = schemaWith('R', [
      { name: 'b', type: 'boolean', default: true },
      { name: 'n', type: 'long', default: -7 },
      { name: 'd', type: 'double', default: 0.5 },
      { name: 't', type: 'string', default: 'größe' },
      { name: 'y', type: 'bytes', default: 'A\u007f' },
      { name: 'o', type: ['string', 'null'], default: 'given' },
      { name: 'u', type: ['null', 'int'], default: null },
      { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] }, default: 'B' },
      { name: 'l', type: { type: 'array', items: 'int' }, default: [1, 2] },
      { name: 'r', type: { type: 'record', name: 'I', fields: [{ name: 'i', type: 'int' }] }, default: { i: 3 } },
      { name: 'x', type: 'string' },
    ])
    const expected = {
      b: true,
      n: -7,
      d: 0.5,
      t: 'größe',
      y: 'A\u007f',
      o: 'given',
      u: null,
      e: 'B',
      l: '04020400',
      r: '06',
      x: 'here',
    }
    expect(readAs(a, b, { x: 'here' })).toEqual(expected)
    // Two writers share the columns of one frame, in either order, without losing each other's texts.
    const whole = typeOf(b).toBuffer({ ...expected, y: Buffer.from('zz'), t: 'own', l: [9], r: { i: 1 } })
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      const frame = frameOf([typeOf(a).toBuffer({ x: 'here' }), whole])
      for (const writer of [...order, ...order]) {
        compileDecoder(writer, b)(frame, Int32Array.of(writer === a ? 0 : 1), 1, frame.columns, new Uint8Array(2))
      }
      expect(rowOf(frame.columns, columnsOf(b), 0)).toEqual(expected)
      expect(rowOf(frame.columns, columnsOf(b), 1)).toEqual({ ...expected, y: 'zz', t: 'own', l: '021200', r: '02' })
    }
  })

  test.each([
    ['int', 'long', -5, -5],
    ['int', 'float', 16_777_217, 16_777_216],
    ['long', 'double', 2 ** 52, 2 ** 52],
    ['long', 'float', 16_777_217, 16_777_216],
    ['float', 'double', 0.5, 0.5],
    ['string', 'bytes', 'é', 'é'],
    ['bytes', 'string', Buffer.from('é'), 'é'],
  ])('%s is read as %s', (from, to, value, expected) => {
    const writer = schemaWith('R', [{ name: 'x', type: from }])
    expect(readAs(writer, schemaWith('R', [{ name: 'x', type: to }]), { x: value })).toEqual({ x: expected })
    expect(readAs(writer, schemaWith('R', [{ name: 'x', type: ['null', to] }]), { x: value })).toEqual({ x: expected })
  })

  test('null where the reader has none, and a symbol unknown without default, are faults', () => {
    const nullable = schemaWith('R', [{ name: 'x', type: ['null', 'int'] }])
    expect(readAs(nullable, schemaWith('R', [{ name: 'x', type: 'long' }]), { x: null })).toBe(1)
    expect(readAs(nullable, schemaWith('R', [{ name: 'x', type: 'long' }]), { x: 4 })).toEqual({ x: 4 })
    const symbols = (...list: string[]): string =>
      schemaWith('R', [{ name: 'x', type: { type: 'enum', name: 'E', symbols: list } }])
    expect(readAs(symbols('A', 'B'), symbols('B'), { x: 'A' })).toBe(1)
    expect(readAs(symbols('A', 'B'), symbols('B'), { x: 'B' })).toEqual({ x: 'B' })
  })

  test.each([
    ['a field without default', [{ name: 'y', type: 'int' }], [{ name: 'x', type: 'int' }], /x.*no default/],
    ['a narrower number', [{ name: 'x', type: 'long' }], [{ name: 'x', type: 'int' }], /x.*long.*int/],
    ['another type', [{ name: 'x', type: 'string' }], [{ name: 'x', type: 'int' }], /x.*string.*int/],
    [
      'a list of other items',
      [{ name: 'x', type: { type: 'array', items: 'int' } }],
      [{ name: 'x', type: { type: 'array', items: 'long' } }],
      /x.*differs/,
    ],
    [
      'a field named canonical',
      [{ name: 'x', type: 'int' }],
      [
        { name: 'x', type: 'int' },
        { name: 'canonical', type: 'boolean', default: true },
      ],
      /canonical/,
    ],
  ])('%s is refused when compiled', (_, writer, reader, message) => {
    expect(() => compileDecoder(schemaWith('R', writer), schemaWith('R', reader))).toThrow(message)
  })

  test('random changes of a schema are read as avsc reads them', () => {
    const kinds = ['int', 'long', 'float', 'double', 'string', 'bytes', 'boolean'] as const
    const wider: Record<string, readonly string[]> = {
      int: ['int', 'long', 'float', 'double'],
      long: ['long', 'float', 'double'],
      float: ['float', 'double'],
      double: ['double'],
      string: ['string', 'bytes'],
      bytes: ['bytes', 'string'],
      boolean: ['boolean'],
    }
    const values: Record<string, fc.Arbitrary<unknown>> = {
      int: fc.integer(),
      long: fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
      float: fc.float({ noNaN: true }),
      double: fc.double({ noNaN: true }),
      string: fc.string({ maxLength: 80 }),
      bytes: fc.string({ maxLength: 80 }).map((text) => Buffer.from(text)),
      boolean: fc.boolean(),
    }
    const field = fc.constantFrom(...kinds).chain((kind) =>
      fc.record({
        kind: fc.constant(kind),
        readAs: fc.constantFrom(...wider[kind]),
        value: values[kind],
        nullable: fc.boolean(),
        isNull: fc.boolean(),
        readNullable: fc.boolean(),
        nullFirst: fc.boolean(),
        fate: fc.constantFrom('kept', 'kept', 'kept', 'dropped', 'added'),
        order: fc.nat(),
      }),
    )
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 8 }), (list) => {
        const fields = list.map((one, i) => ({ ...one, name: `f${i}` }))
        const written = fields.filter((one) => one.fate !== 'added')
        const read = fields.filter((one) => one.fate !== 'dropped').toSorted((x, y) => x.order - y.order)
        const union = (kind: string, nullFirst: boolean): string[] => (nullFirst ? ['null', kind] : [kind, 'null'])
        const writer = schemaWith(
          'R',
          written.map((one) => ({ name: one.name, type: one.nullable ? union(one.kind, one.nullFirst) : one.kind })),
        )
        const reader = schemaWith(
          'R',
          read.map((one) => {
            if (one.fate === 'added') return { name: one.name, type: ['null', one.readAs], default: null }
            return {
              name: one.name,
              type: one.nullable || one.readNullable ? union(one.readAs, !one.nullFirst) : one.readAs,
            }
          }),
        )
        const value = Object.fromEntries(
          written.map((one) => [one.name, one.nullable && one.isNull ? null : one.value]),
        )
        const bytes = typeOf(writer).toBuffer(value)
        const readerType = typeOf(reader)
        const expected = readerType.fromBuffer(bytes, readerType.createResolver(typeOf(writer))) as Json
        const plain = Object.entries(expected).map(([name, got]): [string, unknown] => {
          if (got instanceof Uint8Array) return [name, Buffer.from(got).toString()]
          const as = read.find((one) => one.name === name)?.readAs
          return [name, as === 'float' && typeof got === 'number' ? Math.fround(got) : got]
        })
        expect(readAs(writer, reader, value)).toEqual(Object.fromEntries(plain))
      }),
      { numRuns: 1000 },
    )
  })
})
