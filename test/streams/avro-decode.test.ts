/** Compiled decoders against avsc as oracle: the same values, the same refusals, nothing read outside a value. */
import assert from 'node:assert/strict'
import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { columnsOf } from '../../streams/avro/columns.ts'
import type { Nesting } from '../../streams/avro/columns.ts'
import { compileDecoder } from '../../streams/avro/decode.ts'
import { canonicalEncoder } from '../../streams/avro/encode.ts'
import { objectCodec } from '../../streams/avro/object.ts'
import { readVarint, varintOut } from '../../streams/avro/varint.ts'
import { Arena, writeVarint } from '../../streams/arena.ts'
import type { Column } from '../../streams/batch.ts'
import { EXACT, cell, cellOf, frameOf, recordShape, schemaOf, valueOf } from './avro-shapes.ts'
import type { RecordShape, Shape } from './avro-shapes.ts'

const oracleOf = (schema: unknown): avro.Type => avro.Type.forSchema(schema as avro.Schema)

interface Decoded {
  fault: number
  canonical: number
  cells: unknown[]
}

function decoderOf(writer: unknown, reader: unknown, nesting: Nesting): (bytes: Uint8Array, fill: number) => Decoded {
  const decode = compileDecoder(JSON.stringify(writer), JSON.stringify(reader), nesting)
  const specs = columnsOf(JSON.stringify(reader), nesting)
  const columns = new Map<string, Column>()
  return (bytes, fill) => {
    const fault = Uint8Array.of(9)
    const frame = frameOf(bytes, fill)
    const faults = decode(frame, Int32Array.of(0), 1, columns, fault)
    expect(faults).toBe(fault[0] === 0 ? 0 : 1)
    const canonical = columns.get('canonical')
    return {
      fault: fault[0],
      canonical: canonical?.kind === 'code' ? canonical.values[0] : -1,
      cells: specs.map((spec) => cell(columns, spec)),
    }
  }
}

/** Cells of a value that avsc read, in the order of the columns. */
function cellsOf(shape: RecordShape, type: avro.Type, value: Record<string, unknown>, nesting: Nesting): unknown[] {
  const fieldTypes = (type as avro.types.RecordType).fields
  return shape.fields.flatMap((field, i) => {
    const of = field.shape.t === 'nullable' ? field.shape.of : field.shape
    const got = value[field.name]
    const fieldType = fieldTypes[i].type
    const branch =
      field.shape.t === 'nullable'
        ? (fieldType as unknown as { types: avro.Type[] }).types[field.shape.nullFirst ? 1 : 0]
        : fieldType
    if (of.t === 'record' && nesting === 'columns') {
      if (got === null) return nulls(of)
      return cellsOf(of, branch, got as Record<string, unknown>, nesting)
    }
    if (of.t === 'enum') return [got ?? null]
    return [cellOf(got, (nested) => branch.toBuffer(nested))]
  })
}

const nulls = (shape: RecordShape): null[] =>
  shape.fields.flatMap(({ shape: field }) => {
    const of = field.t === 'nullable' ? field.of : field
    return of.t === 'record' ? nulls(of) : [null]
  })

const hasArray = (shape: Shape): boolean =>
  shape.t === 'array' ||
  (shape.t === 'nullable' && hasArray(shape.of)) ||
  (shape.t === 'record' && shape.fields.some((field) => hasArray(field.shape)))

const withValues = (count: number): fc.Arbitrary<{ shape: RecordShape; values: unknown[]; nesting: Nesting }> =>
  recordShape.chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      values: fc.array(valueOf(shape), { minLength: 1, maxLength: count }),
      nesting: fc.constantFrom<Nesting>('raw', 'columns'),
    }),
  )

describe('the compiled decoder against avsc', () => {
  test('agrees on every value of random schemas, and calls it canonical', () => {
    fc.assert(
      fc.property(withValues(5), ({ shape, values, nesting }) => {
        const schema = schemaOf(shape)
        const type = oracleOf(schema)
        const decode = decoderOf(schema, schema, nesting)
        const codec = objectCodec<unknown>(JSON.stringify(schema))
        for (const value of values) {
          const bytes = type.toBuffer(value)
          const expected = cellsOf(shape, type, type.fromBuffer(bytes) as Record<string, unknown>, nesting)
          expect(decode(bytes, 0xff)).toEqual({ fault: 0, canonical: 1, cells: expected })
          expect(Buffer.from(codec.encode(codec.decode(bytes))).equals(bytes)).toBe(true)
        }
      }),
      { numRuns: 400 },
    )
  })

  test('bytes that were cut, flipped, padded or lengthened: nothing crashes, nothing outside is read, avsc agrees', () => {
    const count = { accepted: 0, refused: 0, loose: 0, unsure: 0 }
    const property = fc.property(
      withValues(2),
      fc.array(mutation, { minLength: 8, maxLength: 16 }),
      (given, mutations) => {
        const schema = schemaOf(given.shape)
        const type = oracleOf(schema)
        const decode = decoderOf(schema, schema, 'raw')
        for (const value of given.values) {
          const bytes = type.toBuffer(value)
          for (const change of mutations) count[judge(given.shape, schema, type, decode, mutated(bytes, change))]++
        }
      },
    )
    fc.assert(property, { numRuns: 500 })
    expect(count.accepted).toBeGreaterThan(100)
    expect(count.refused).toBeGreaterThan(1000)
    expect(count.loose).toBeGreaterThan(100)
  })
})

const fraction = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
const mutation = fc.record({
  cut: fc.option(fraction, { freq: 2 }),
  more: fc.option(fc.uint8Array({ maxLength: 3 }), { freq: 2 }),
  flips: fc.array(fc.tuple(fraction, fc.constantFrom(1, 2, 128, 255, 127, 64)), { maxLength: 3 }),
  pad: fc.option(fraction, { freq: 2 }),
})
type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never

function mutated(bytes: Buffer, { cut, more, flips, pad }: Mutation): Buffer {
  let changed = Buffer.from(bytes)
  if (pad !== null && changed.length > 0) {
    // A varint's last byte gets a successor of zero: the same number, one byte longer.
    const at = Math.floor(pad * changed.length)
    changed[at] |= 128
    return Buffer.concat([changed.subarray(0, at + 1), Buffer.alloc(1), changed.subarray(at + 1)])
  }
  for (const [where, bits] of flips) if (changed.length > 0) changed[Math.floor(where * changed.length)] ^= bits
  if (cut !== null) changed = changed.subarray(0, Math.floor(cut * changed.length))
  return more === null ? changed : Buffer.concat([changed, more])
}

/** What became of some bytes; throws when that is not what avsc says. */
function judge(
  shape: RecordShape,
  schema: unknown,
  type: avro.Type,
  decode: (bytes: Uint8Array, fill: number) => Decoded,
  bytes: Buffer,
): 'accepted' | 'refused' | 'loose' | 'unsure' {
  const decoded = decode(bytes, 0xff)
  assert.deepEqual(decode(bytes, 0x00), decoded, 'bytes outside the value were read')
  const codec = objectCodec<unknown>(JSON.stringify(schema))
  if (decoded.fault !== 0) {
    assert.ok(decoded.cells.every((one) => one === null))
    assert.throws(() => codec.decode(bytes))
    // avsc would fill the memory from a wrong count of items, so it is not asked about arrays that we refuse.
    if (!hasArray(shape)) assert.equal(canonicalFor(type, bytes), false)
    return 'refused'
  }
  const oracle = readBy(type, bytes)
  if (oracle === null) {
    // avsc reads no integer beyond 2^53 - 1, and gives up when it meets one; all else that we read, it reads.
    assert.ok(hasLong(shape), 'avsc refuses it')
    return 'unsure'
  }
  if (inexact(oracle) || JSON.stringify(oracle).includes('\ufffd')) return 'unsure'
  const canonical = type.toBuffer(oracle)
  assert.equal(canonical.equals(bytes), decoded.canonical === 1)
  if (decoded.canonical === 1) {
    assert.deepEqual(cellsOf(shape, type, oracle as Record<string, unknown>, 'raw'), decoded.cells)
    return 'accepted'
  }
  assert.deepEqual(recoded(schema, bytes), canonical)
  return 'loose'
}

const hasLong = (shape: Shape): boolean =>
  shape.t === 'long' ||
  ((shape.t === 'nullable' || shape.t === 'array') && hasLong(shape.of)) ||
  (shape.t === 'record' && shape.fields.some((field) => hasLong(field.shape)))

/** Decodes and encodes the row again as its canonical bytes. */
function recoded(schema: unknown, bytes: Uint8Array): Buffer {
  const text = JSON.stringify(schema)
  const frame = frameOf(bytes, 0xee)
  compileDecoder(text, text)(frame, Int32Array.of(0), 1, frame.columns, new Uint8Array(1))
  const arena = new Arena(4)
  canonicalEncoder(text)(frame, 0, arena)
  return Buffer.from(arena.toBytes())
}

function readBy(type: avro.Type, bytes: Buffer): unknown {
  try {
    const { value, offset } = type.decode(bytes, 0)
    return offset === bytes.length ? value : null
  } catch {
    return null
  }
}

/** Whether avsc reads the bytes and would write the same. */
function canonicalFor(type: avro.Type, bytes: Buffer): boolean {
  const value = readBy(type, bytes)
  try {
    return value !== null && type.toBuffer(value).equals(bytes)
  } catch {
    return false
  }
}

/** Holds a number that avsc does not write as it read it. */
function inexact(value: unknown): boolean {
  if (typeof value === 'number') return Number.isNaN(value) || Math.abs(value) > EXACT
  return typeof value === 'object' && value !== null && Object.values(value).some(inexact)
}

const one = (fieldType: unknown, extra: object = {}): unknown => ({
  type: 'record',
  name: 'One',
  fields: [{ name: 'x', type: fieldType, ...extra }],
})

describe('integers', () => {
  const read = (type: string, hex: string): Decoded =>
    decoderOf(one(type), one(type), 'raw')(Buffer.from(hex, 'hex'), 0xff)

  test.each([
    ['long', '00', 0, 1],
    ['long', '8000', 0, 0],
    ['long', '80808080808080808000', 0, 0],
    ['long', '8080808080808020', 2 ** 53, 1],
    ['long', '8280808080808020', Infinity, 1],
    ['long', 'ffffffffffffff1f', -(2 ** 53), 1],
    ['long', '8180808080808020', -Infinity, 1],
    ['long', 'feffffffffffffffff01', Infinity, 1],
    ['long', 'ffffffffffffffffff01', -Infinity, 1],
    ['int', 'feffffff0f', 2 ** 31 - 1, 1],
    ['int', 'ffffffff0f', -(2 ** 31), 1],
  ])('%s %s is %d', (type, hex, value, canonical) => {
    const got = read(type, hex)
    expect(got.fault).toBe(0)
    expect(got.canonical).toBe(canonical)
    expect(got.cells).toEqual([value])
  })

  test('what is written is read, exactly, up to 2^53', () => {
    const bytes = new Uint8Array(10)
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const end = writeVarint(bytes, 0, value)
        expect(readVarint(bytes, 0, end)).toBe(end)
        expect([...varintOut]).toEqual([value, 0])
        expect(readVarint(bytes, 0, end - 1)).toBe(-1)
        expect(read('long', Buffer.from(bytes.subarray(0, end)).toString('hex')).cells).toEqual([value])
      }),
    )
  })

  test.each([
    ['long', ''],
    ['long', '80'],
    ['long', 'ffffffffffffffffff02'],
    ['long', '8080808080808080808000'],
    ['int', '8080808010'],
    ['int', '8180808010'],
    ['int', 'feffffffffffffffff01'],
  ])('%s %s is refused', (type, hex) => {
    expect(read(type, hex)).toEqual({ fault: 1, canonical: 0, cells: [null] })
  })
})

describe('bombs', () => {
  test.each([
    ['array of null', one({ type: 'array', items: 'null' }), /at least one byte/],
    [
      'array of empty records',
      one({ type: 'array', items: { type: 'record', name: 'E', fields: [] } }),
      /at least one byte/,
    ],
    ['recursion', one(['null', 'One']), /contains itself/],
    ['map of itself', one({ type: 'map', values: 'One' }), /contains itself/],
    ['fixed to be read', one({ type: 'fixed', name: 'F', size: 4 }), /written as fixed|fixed is of other writers/],
    ['fixed of no size', one({ type: 'fixed', name: 'F' }), /must have a size/],
    ['union of two types to be read', one(['null', 'int', 'string']), /written as union|union is of other writers/],
    ['union in a union', one(['null', ['int', 'string']]), /must not hold another/],
    [
      'name that is code',
      { type: 'record', name: 'One', fields: [{ name: "x'] = 0; //", type: 'int' }] },
      /valid name/,
    ],
    ['top level that is no record', { type: 'enum', name: 'E', symbols: ['A'] }, /must be a record/],
  ])('%s is refused as a schema', (_, schema, message) => {
    const text = JSON.stringify(schema)
    expect(() => compileDecoder(text, text)).toThrow(message)
    expect(() => objectCodec(text)).toThrow(message)
  })

  test('a count of items beyond the value is refused before anything is reserved', () => {
    const schema = one({ type: 'array', items: 'boolean' })
    const bomb = Buffer.from('feffffffffffffff7f', 'hex')
    expect(decoderOf(schema, schema, 'raw')(bomb, 0).fault).toBe(1)
    expect(() => objectCodec(JSON.stringify(schema)).decode(bomb)).toThrow(/beyond the value/)
  })

  test('a field named __proto__ is a field', () => {
    const schema = { type: 'record', name: 'One', fields: [{ name: '__proto__', type: 'string' }] }
    const value = objectCodec<object>(JSON.stringify(schema)).decode(Buffer.from('0261', 'hex'))
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.entries(value)).toEqual([['__proto__', 'a']])
  })

  test('a value of more than 64 KiB is a fault of its own, and a value without wire prefix is malformed', () => {
    const schema = one('bytes')
    const decode = decoderOf(schema, schema, 'raw')
    const type = oracleOf(schema)
    expect(decode(type.toBuffer({ x: Buffer.alloc(65_536 - 5 - 3) }), 0).fault).toBe(0)
    expect(decode(type.toBuffer({ x: Buffer.alloc(65_536 - 5 - 2) }), 0)).toEqual({
      fault: 2,
      canonical: 0,
      cells: [null],
    })
    const frame = frameOf(new Uint8Array(0), 0)
    const text = JSON.stringify(schema)
    for (const end of [-1, 20, 23, 25]) {
      frame.valueEnds[0] = end
      const fault = new Uint8Array(1)
      compileDecoder(text, text)(frame, Int32Array.of(0), 1, frame.columns, fault)
      expect(fault[0]).toBe(1)
    }
  })
})
