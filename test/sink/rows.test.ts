/** Avro bytes become rows that ClickHouse reads as the same values, whatever they are; damaged bytes become errors. */
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { Arena } from '../../streams/arena.ts'
import { objectCodec } from '../../streams/avro/object.ts'
import { compileRows } from '../../sink/rows.ts'
import { Feed } from '../../sink/feed.ts'
import { monthOf } from '../../sink/blocks.ts'
import { fedTopics } from '../../sink/topics.ts'
import { temporaryDirectory } from './temporary.ts'
import { noon, openWarehouse, type Value } from './world.ts'

const warehouse = await openWarehouse(temporaryDirectory('rows'))
const { admin } = warehouse
afterAll(() => warehouse.close())

type Json = { type: unknown; [name: string]: unknown }

/** Any value of an Avro type, edges of numbers and lengths included. */
function valueOf(type: unknown): fc.Arbitrary<unknown> {
  if (Array.isArray(type)) return fc.oneof(...type.map(valueOf))
  if (typeof type !== 'string') {
    const node = type as Json
    if (node.logicalType === 'timestamp-millis') return fc.integer({ min: 0, max: Date.UTC(2200, 0) })
    if (node.logicalType === 'decimal') return fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n })
    if (node.type === 'enum') return fc.constantFrom(...(node.symbols as string[]))
    if (node.type === 'array') return fc.oneof(fc.array(valueOf(node.items), { maxLength: 3 }), long(node.items))
    if (node.type === 'record') {
      const fields = (node.fields as Json[]).map((field) => [field.name as string, valueOf(field.type)])
      return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>)
    }
    return valueOf(node.type)
  }
  if (type === 'null') return fc.constant(null)
  if (type === 'boolean') return fc.boolean()
  if (type === 'int') return fc.integer()
  if (type === 'long')
    return fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(0, 2 ** 53, -1, 2 ** 32, -(2 ** 31)))
  const text = fc.oneof(
    fc.string({ maxLength: 20, unit: 'grapheme' }),
    fc.constant('é'.repeat(64)),
    fc.constant('x'.repeat(300)),
  )
  return type === 'bytes' ? text.map((value) => new Uint8Array(Buffer.from(value))) : text
}
/** More than 127 items: their number takes two bytes. */
const long = (items: unknown): fc.Arbitrary<unknown[]> =>
  valueOf(items).map((value) => Array.from({ length: 130 }, () => value))

/** The row that a record should be, as ClickHouse gives it in JSON: the flattening written down a second time, plainly. */
function expected(
  schema: Json,
  value: Value,
  row: Record<string, unknown> = {},
  outer: string[] = [],
): Record<string, unknown> {
  const fields = schema.fields as Json[]
  const names = [...outer, ...fields.map((field) => field.name as string)]
  for (const field of fields) {
    const name = field.name as string
    if (outer.includes(name)) continue
    const types = Array.isArray(field.type) ? (field.type as unknown[]) : [field.type]
    const nested = types.find((type) => (type as Json).type === 'record') as Json | undefined
    if (nested !== undefined) expected(nested, (value?.[name] ?? {}) as Value, row, names)
    else row[{ task: '_src_task', seq: '_src_seq' }[name] ?? name] = told(types, value[name] ?? null)
  }
  return row
}
function told(types: unknown[], value: unknown): unknown {
  const type = types.find((candidate) => candidate !== 'null') as Json | string
  if (value === null) return null
  if (type === 'long') return String(value as number)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (typeof value === 'bigint') return String(value)
  if (typeof type === 'object') {
    if (type.logicalType === 'timestamp-millis')
      return new Date(value as number).toISOString().replace('T', ' ').replace('Z', '')
    if (type.type === 'array') return (value as unknown[]).map((item) => told([type.items], item))
    if (type.type === 'record') {
      const fields = type.fields as Json[]
      return Object.fromEntries(
        fields.map((field) => [field.name, told([field.type], (value as Value)[field.name as string])]),
      )
    }
  }
  return value
}

function outcome(run: () => void): string {
  try {
    run()
    return 'a row'
  } catch (error) {
    return String((error as { code?: string }).code ?? error)
  }
}
const silent = { off: {}, on: {} }

describe.each(fedTopics)('$name', (topic) => {
  const schema = JSON.parse(topic.record.schema) as Json
  const codec = objectCodec<Value>(topic.record.schema)
  const writer = compileRows(topic.record.schema)

  test('the table has just the columns that the topic fills', async () => {
    await new Feed(topic).check(admin)
    const dropped = (schema.fields as Json[])[5].name as string
    const other = { ...schema, fields: (schema.fields as Json[]).filter((field) => field.name !== dropped) }
    const wrong = new Feed({ ...topic, record: { id: 1, schema: JSON.stringify(other) } })
    await expect(wrong.check(admin)).rejects.toMatchObject({ code: 'SLUICE_SINK_TABLE' })
  })

  test('ClickHouse reads what was written', async () => {
    const samples = fc.sample(valueOf(schema) as fc.Arbitrary<Value>, { numRuns: 200, seed: 7 })
    const values = samples.map((value, seq) => ({ ...value, task: 3, seq, logicalTime: noon }))
    const arena = new Arena(64)
    for (const value of values) {
      const bytes = codec.encode(value)
      writer.write(bytes, 0, bytes.length, arena)
    }
    const feed = new Feed(topic)
    const body = arena.bytes.subarray(0, arena.position)
    const block = { firstSeq: 0, lastSeq: values.length - 1, rows: values.length, body, nextOffset: 0 }
    await feed.insert(admin, 'topic', 3, block, { token: true, guard: true }, silent.on)
    const rows = await admin.rows<Record<string, unknown>>(
      `SELECT * EXCEPT (_sub, _blk, _blk_rows) FROM ${topic.table} ORDER BY _src_seq`,
      {},
      { output_format_json_named_tuples_as_objects: 1 },
    )
    expect(rows.length).toBe(values.length)
    for (const [i, row] of rows.entries()) {
      expect(row).toEqual({ ...expected(schema, values[i]), _src_task: 3, _src_seq: String(i) })
    }
  })

  test('bytes that are cut, too many or broken are refused and leave nothing behind', () => {
    const [value] = fc.sample(valueOf(schema) as fc.Arbitrary<Value>, { numRuns: 1, seed: 11 })
    const bytes = codec.encode(value)
    const arena = new Arena(64)
    const refused = { code: 'SLUICE_SINK_RECORD' }
    for (const end of [0, 1, bytes.length >> 1, bytes.length - 1]) {
      expect(() => writer.write(bytes, 0, end, arena)).toThrow(expect.objectContaining(refused))
    }
    const longer = new Uint8Array([...bytes, 0])
    expect(() => writer.write(longer, 0, longer.length, arena)).toThrow(expect.objectContaining(refused))
    expect(arena.position).toBe(0)
    // Whatever the bytes: an error or a row, never a write outside the arena, never another kind of error.
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const broken = Uint8Array.from(bytes)
        broken[at] ^= flip
        arena.clear()
        expect(outcome(() => writer.write(broken, 0, broken.length, arena))).toMatch(/^(a row|SLUICE_SINK_RECORD)$/)
        expect(arena.position).toBeLessThanOrEqual(arena.bytes.length)
      }),
      { numRuns: 2_000, seed: 5 },
    )
  })
})

test('months are those of UTC', () => {
  expect(monthOf(Date.UTC(2026, 0, 31, 23, 59, 59, 999)) + 1).toBe(monthOf(Date.UTC(2026, 1, 1)))
  expect(monthOf(Date.UTC(2026, 11, 31)) + 1).toBe(monthOf(Date.UTC(2027, 0, 1)))
})
