/** Records as plain objects: round trips, and errors that name the field. */
import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { InstructionRecord, SettlementRecord, TickRecord } from '../../schemas/generated.ts'
import { records } from '../../schemas/topics.ts'
import { AvroError, decimalBytes, decimalFrom, objectCodec, unwire, wire } from '../../streams/avro/object.ts'

const instruction: InstructionRecord = {
  task: 0,
  seq: 7,
  logicalTime: 1_767_225_900_000,
  instructionId: 'id',
  scheme: 'demo',
  cycleStart: 1_767_225_600_000,
  cycleLengthMs: 300_000,
  member: 'BANKDE2L',
  currency: 'EUR',
  direction: 'RECEIVE',
  amount: 123_456_789_012_345_678_901_234_567n,
  settlementAccount: 'TARGET-1',
}

describe('records as objects', () => {
  test('an instruction is what avsc reads, amounts as big integers', () => {
    const bytes = objectCodec<InstructionRecord>(records.instruction.schema).encode(instruction)
    const type = avro.Type.forSchema(JSON.parse(records.instruction.schema) as avro.Schema)
    const read = type.fromBuffer(Buffer.from(bytes)) as Record<string, unknown>
    expect({ ...read, amount: decimalFrom(read['amount'] as Uint8Array) }).toEqual(instruction)
    expect(type.toBuffer(read).equals(bytes)).toBe(true)
    expect(objectCodec<InstructionRecord>(records.instruction.schema).decode(bytes)).toEqual(instruction)
  })

  test('a settlement with its lists comes back as it was', () => {
    const settlement: SettlementRecord = {
      task: 0,
      seq: 1,
      logicalTime: 2,
      cycleStart: 3,
      cycleLengthMs: 4,
      currency: 'CZK',
      count: 2 ** 53,
      onUsCount: 0,
      gross: 10n ** 37n,
      onUs: 0n,
      net: 128n,
      bilateral: [{ debtor: 'a', creditor: 'ž', amount: 255n }],
      positions: [
        { member: 'a', debit: 1n, credit: 0n, net: -1n },
        { member: 'ž', debit: 0n, credit: 1n, net: 1n },
      ],
    }
    const codec = objectCodec<SettlementRecord>(records.settlement.schema)
    expect(codec.decode(codec.encode(settlement))).toEqual(settlement)
  })

  test('a nullable field may be left out, and is null when read', () => {
    const codec = objectCodec<TickRecord>(records.tick.schema)
    const bytes = codec.encode({ at: 5, clock: 'WALL' } as TickRecord)
    expect(Buffer.from(bytes).toString('hex')).toBe('0a0200')
    expect(codec.decode(bytes)).toEqual({ at: 5, clock: 'WALL', closeThrough: null })
  })

  test.each([
    ['cut off', '0a02', /Tick\.closeThrough: cut off/],
    ['going on', '0a020000', /1 bytes after the record/],
    ['unknown symbol', '0a0600', /clock: index 3, expected 0 to 2/],
    ['negative symbol', '0a0100', /clock: index -1/],
    ['unknown branch', '0a0204', /closeThrough: index 2/],
    ['number beyond 2^53', 'feffffffffffffffff010200', /at: integer out of range/],
  ])('bytes %s are refused with the field', (_, hex, message) => {
    const codec = objectCodec<TickRecord>(records.tick.schema)
    expect(() => codec.decode(Buffer.from(hex, 'hex'))).toThrow(message)
    expect(() => codec.decode(Buffer.from(hex, 'hex'))).toThrow(AvroError)
  })

  test.each([
    ['a fraction', { at: 0.5 }, /Tick\.at: expected a long, got 0.5/],
    ['beyond 2^53', { at: 2 ** 53 + 2 }, /Tick\.at/],
    ['nothing', { at: undefined }, /Tick\.at/],
    ['an unknown symbol', { clock: 'SUNDIAL' }, /clock: expected one of FILES, WALL, SIMULATED, got "SUNDIAL"/],
    ['text for a number', { closeThrough: '5' }, /closeThrough/],
  ])('%s is not encoded', (_, change, message) => {
    const tick = { at: 5, clock: 'WALL', closeThrough: null, ...change } as unknown as TickRecord
    expect(() => objectCodec<TickRecord>(records.tick.schema).encode(tick)).toThrow(message)
  })
})

test.each([
  [0n, '00'],
  [127n, '7f'],
  [128n, '0080'],
  [-1n, 'ff'],
  [-128n, '80'],
  [-129n, 'ff7f'],
  [65_535n, '00ffff'],
])('the decimal %s is %s', (value, hex) => {
  expect(Buffer.from(decimalBytes(value)).toString('hex')).toBe(hex)
  expect(decimalFrom(Buffer.from(hex, 'hex'))).toBe(value)
})

test('decimals come back, whatever their size', () => {
  fc.assert(
    fc.property(fc.bigInt(), (value) => {
      expect(decimalFrom(decimalBytes(value))).toBe(value)
    }),
  )
})

test('the wire prefix', () => {
  const value = wire(0x01020304, Uint8Array.of(9, 8))
  expect([...value]).toEqual([0, 1, 2, 3, 4, 9, 8])
  expect(unwire(value)).toEqual({ id: 0x01020304, avro: Uint8Array.of(9, 8) })
  for (const bad of [[], [0, 1, 2, 3], [1, 0, 0, 0, 1, 5]]) {
    expect(() => unwire(Uint8Array.from(bad))).toThrow(/wire prefix/)
  }
})
