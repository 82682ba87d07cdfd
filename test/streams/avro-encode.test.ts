/** Compiled encoders against avsc as oracle. */
import avro from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { records } from '../../schemas/topics.ts'
import { columnsOf, newColumn } from '../../streams/avro/columns.ts'
import { compileDecoder } from '../../streams/avro/decode.ts'
import { canonicalEncoder, compileEncoder } from '../../streams/avro/encode.ts'
import { objectCodec } from '../../streams/avro/object.ts'
import { Arena } from '../../streams/arena.ts'
import type { Column, TextColumn } from '../../streams/batch.ts'
import { RecordBatchWriter, newFrame, walk } from '../../streams/records.ts'

const texts = ['producer-1', 'ACC-00000001', 'T-1', 'BANKDE2LXXX', 'é€𝄞', '', 'x'.repeat(200)]
const arrivals = Buffer.from(texts.join(''))
const place = (text: string): [number, number] => [arrivals.indexOf(text), Buffer.byteLength(text)]

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Columns of a schema with something in every row, nulls where they may be. */
function filled(schema: string, rows: number): Map<string, Column> {
  const columns = new Map<string, Column>()
  columnsOf(schema, 'columns').forEach((spec, c) => {
    const column = newColumn(spec.kind, rows, arrivals)
    columns.set(spec.name, column)
    for (let row = 0; row < rows; row++) {
      const isNull = spec.nullable && !spec.name.endsWith('Saturated') && (row + c) % 3 === 0
      if (column.kind === 'text') {
        const [at, length] = place(texts[(row + c) % texts.length])
        column.offsets[row] = at
        column.lengths[row] = isNull ? -1 : length
      } else if (column.kind === 'number') {
        const sign = (row + c) % 5 === 0 && spec.name.includes('Deviation') ? -1 : 1
        const value = sign * ((row * 7919 + c * 104_729) % (spec.type.type === 'int' ? 3000 : 2 ** 47))
        column.values[row] = isNull ? Number.NaN : value
      } else if (column.kind === 'code') column.values[row] = isNull ? 255 : (row + c) % 2
    }
  })
  return columns
}

test('a decision with nested features and arrays from callbacks is what avsc reads', () => {
  const rows = 300
  const columns = filled(records.decision.schema, rows)
  const present: Column = {
    kind: 'code',
    values: Uint8Array.from({ length: rows }, (_, row) => (row % 4 === 0 ? 0 : 1)),
  }
  columns.set('features', present)
  const encode = compileEncoder(records.decision.schema, {
    id: 21,
    written: { reasons: ['three'], contributions: [] },
    optional: ['features'],
    constants: { ruleVersion: 'rules-7', late: true },
  })
  const writer = new RecordBatchWriter(64)
  const timestamps = Float64Array.from({ length: rows }, (_, row) => 1_767_225_600_000 + row)
  const selection = Int32Array.from({ length: rows / 2 }, (_, i) => i * 2 + 1)
  // What `reasons` is a function of.
  columns.set('three', { kind: 'code', values: Uint8Array.from({ length: rows }, (_, row) => row % 3) })
  const values = { starts: new Int32Array(rows), ends: new Int32Array(rows) }
  writer.begin(timestamps[0])
  encode(writer, columns, selection, 1, selection.length, {
    timestamps,
    key: columns.get('payerAccount') as TextColumn,
    arrays: {
      reasons(row, arena) {
        if (row % 3 === 0) {
          arena.long(2)
          arena.text('velocity')
          arena.text('größe')
        }
        arena.byte(0)
      },
      contributions(row, arena) {
        arena.long(1)
        arena.text('spend')
        arena.long(-row)
        arena.byte(0)
      },
    },
    values,
  })
  const seen = Array.from(values.starts, (start, i) => hex(writer.bytes.subarray(start, values.ends[i])))
  const frame = newFrame(1)
  walk(writer.finish(), 0, frame)
  expect(frame.rows).toBe(selection.length - 1)

  const type = avro.Type.forSchema(JSON.parse(records.decision.schema) as avro.Schema)
  const textAt = (name: string, row: number): string => {
    const column = columns.get(name) as TextColumn
    return arrivals.toString('utf8', column.offsets[row], column.offsets[row] + column.lengths[row])
  }
  const numberAt = (name: string, row: number): number => (columns.get(name) as { values: Float64Array }).values[row]
  for (let i = 0; i < frame.rows; i++) {
    const row = selection[i + 1]
    const bytes = Buffer.from(frame.bytes.slice(frame.valueOffsets[i], frame.valueEnds[i]))
    expect(seen[i]).toBe(bytes.toString('hex'))
    expect(bytes.subarray(0, 5).toString('hex')).toBe('0000000015')
    expect(frame.acceptedAt[i]).toBe(timestamps[row])
    expect(
      arrivals.toString('utf8', 0, 0) +
        Buffer.from(frame.bytes).toString('utf8', frame.keyOffsets[i], frame.keyOffsets[i] + frame.keyLengths[i]),
    ).toBe(textAt('payerAccount', row))
    const value = type.fromBuffer(bytes.subarray(5)) as Record<string, unknown>
    expect(type.toBuffer(value).equals(bytes.subarray(5))).toBe(true)
    expect(value['producer']).toBe(textAt('producer', row))
    expect(value['seq']).toBe(numberAt('seq', row))
    expect(value['logicalTime']).toBe(numberAt('logicalTime', row))
    expect(value['late']).toBe(true)
    expect(value['ruleVersion']).toBe('rules-7')
    expect(value['reasons']).toEqual(row % 3 === 0 ? ['velocity', 'größe'] : [])
    expect(JSON.parse(JSON.stringify(value['contributions']))).toEqual([{ rule: 'spend', points: -row }])
    const features = value['features'] as Record<string, unknown> | null
    expect(features === null).toBe(row % 4 === 0)
    const amount = numberAt('features.amount1h', row)
    expect(features?.['amount1h']).toEqual(features === null ? undefined : Number.isNaN(amount) ? null : amount)
  }
})

test('a nested record is copied from a raw column', () => {
  const schema = records.transactionOutcome.schema
  const type = avro.Type.forSchema(JSON.parse(schema) as avro.Schema)
  const inner = avro.Type.forSchema(JSON.parse(records.transaction.schema) as avro.Schema)
  const transaction = {
    producer: 'p',
    payerAccount: 'a',
    transactionId: 't',
    kind: 'REFUND',
    occurredAt: 1_767_225_600_000,
    payerBank: 'b',
    payeeAccount: 'c',
    payeeBank: 'd',
    merchant: null,
    amountMinor: 2 ** 52 + 1,
    currency: 'EUR',
    country: 'DE',
    originalTransactionId: 'o',
    timePrecision: 'DAY',
  }
  const bytes = Buffer.concat([Buffer.from('..'), inner.toBuffer(transaction)])
  const encode = compileEncoder(schema, { id: 20, raw: ['transaction'], columns: { outcome: 'novelty' } })
  const columns = new Map<string, Column>([
    ['task', { kind: 'number', values: Float64Array.of(3) }],
    ['seq', { kind: 'number', values: Float64Array.of(99) }],
    ['logicalTime', { kind: 'number', values: Float64Array.of(5) }],
    ['novelty', { kind: 'code', values: Uint8Array.of(2) }],
    ['firstSeenAt', { kind: 'number', values: Float64Array.of(Number.NaN) }],
    ['transaction', { kind: 'raw', bytes, starts: Int32Array.of(2), ends: Int32Array.of(bytes.length) }],
  ])
  const writer = new RecordBatchWriter()
  writer.begin(0)
  encode(writer, columns, Int32Array.of(0), 0, 1, { timestamps: Float64Array.of(0), key: null })
  const frame = newFrame(1)
  walk(writer.finish(), 0, frame)
  expect(frame.keyLengths[0]).toBe(-1)
  const value = type.fromBuffer(Buffer.from(frame.bytes.subarray(frame.valueOffsets[0] + 5, frame.valueEnds[0])))
  expect(JSON.parse(JSON.stringify(value))).toEqual({
    task: 3,
    seq: 99,
    logicalTime: 5,
    outcome: 'CONFLICTING',
    firstSeenAt: null,
    transaction,
  })
})

test('what the schema does not allow is refused with the name of the field', () => {
  const schema = records.closedThrough.schema
  const rows = Int32Array.of(0)
  const call = { timestamps: Float64Array.of(0), key: null }
  const run = (change: (columns: Map<string, Column>) => void): (() => void) => {
    const columns = filled(schema, 1)
    change(columns)
    const writer = new RecordBatchWriter()
    writer.begin(0)
    return () => compileEncoder(schema, { id: 31 })(writer, columns, rows, 0, 1, call)
  }
  expect(run(() => {})).not.toThrow()
  expect(run((columns) => columns.delete('seq'))).toThrow(/'seq' has no column/)
  for (const bad of [Number.NaN, 1.5, 2 ** 53 + 2, Number.POSITIVE_INFINITY]) {
    expect(run((columns) => columns.set('seq', { kind: 'number', values: Float64Array.of(bad) }))).toThrow(
      /seq.*whole number/,
    )
  }
  expect(run((columns) => columns.set('seq', { kind: 'code', values: Uint8Array.of(1) }))).toThrow(
    /needs a number column/,
  )
  expect(() => compileEncoder(records.decision.schema, { id: 21 })).toThrow(/reasons.*array/)
  expect(() => compileEncoder(schema, { id: 31, constants: { sequence: 1 } })).toThrow(/sequence.*not a field/)
})

test('rows that are not canonical are encoded to the canonical bytes', () => {
  const plain = avro.Type.forSchema(JSON.parse(records.memberList.schema) as avro.Schema)
  const canonical = plain.toBuffer({
    version: 'v1',
    anyBank: false,
    members: [{ bank: 'a', currencies: ['EUR', 'CZK'], settlementAccount: 's' }],
  })
  const list = Buffer.from('02' + '0261' + '04' + '06455552' + '06435a4b' + '00' + '0273' + '00', 'hex')
  expect(canonical.subarray(-list.length).equals(list)).toBe(true)
  // The same list with a length of two bytes, one block per currency, and a block with its size.
  const loose = Buffer.from(
    '84007631' + '00' + '011e' + '0261' + '02' + '06455552' + '02' + '06435a4b' + '00' + '0273' + '00',
    'hex',
  )
  expect(JSON.stringify(plain.fromBuffer(loose))).toBe(JSON.stringify(plain.fromBuffer(canonical)))
  const writer = new RecordBatchWriter()
  writer.begin(0)
  for (const avroBytes of [loose, canonical]) writer.append(0, null, 0, 0, Buffer.concat([Buffer.alloc(5), avroBytes]))
  const frame = newFrame(2)
  walk(writer.finish(), 0, frame)
  const decode = compileDecoder(records.memberList.schema, records.memberList.schema)
  expect(decode(frame, Int32Array.of(0, 1), 2, frame.columns, new Uint8Array(2))).toBe(0)
  expect([...(frame.columns.get('canonical') as { values: Uint8Array }).values]).toEqual([0, 1])
  const encode = canonicalEncoder(records.memberList.schema)
  for (const row of [0, 1, 0]) {
    const arena = new Arena(1)
    encode(frame, row, arena)
    expect(Buffer.from(arena.toBytes()).toString('hex')).toBe(canonical.toString('hex'))
  }
})

test('every whole number is written as the object codec writes it', () => {
  const schema = records.closedThrough.schema
  const encode = compileEncoder(schema, {
    id: 31,
    columns: { logicalTime: 'seq', closedThrough: 'seq' },
    constants: { cut: true },
  })
  const codec = objectCodec<object>(schema)
  const writer = new RecordBatchWriter()
  const check = (value: number): void => {
    const columns = new Map<string, Column>([
      ['task', { kind: 'number', values: Float64Array.of(value % 2 ** 31) }],
      ['seq', { kind: 'number', values: Float64Array.of(value) }],
    ])
    const values = { starts: new Int32Array(1), ends: new Int32Array(1) }
    writer.begin(0)
    encode(writer, columns, Int32Array.of(0), 0, 1, {
      timestamps: Float64Array.of(0),
      key: null,
      values,
    })
    const written = hex(writer.bytes.subarray(values.starts[0] + 5, values.ends[0]))
    const expected = codec.encode({
      task: value % 2 ** 31,
      seq: value,
      logicalTime: value,
      closedThrough: value,
      cut: true,
    })
    expect(written).toBe(Buffer.from(expected).toString('hex'))
  }
  for (let power = 0; power <= 53; power++) {
    for (const near of power === 53 ? [-1, 0] : [-1, 0, 1]) {
      check(2 ** power + near)
      check(-(2 ** power + near))
    }
  }
  fc.assert(fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 0, max: 2 ** 41 })), check))
})
