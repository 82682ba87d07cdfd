/** Record batches against hand-laid bytes; damaged ones are refused. */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { varintSize, writeVarint } from '../../streams/arena.ts'
import type { Frame } from '../../streams/batch.ts'
import {
  BATCH_HEADER,
  RecordBatchError,
  RecordBatchWriter,
  countRecords,
  grow,
  inflate,
  newFrame,
  setBaseOffset,
  walk,
} from '../../streams/records.ts'

interface Row {
  timestamp: number
  key: Uint8Array | null
  value: Uint8Array | null
}

const rowOf = fc.record({
  timestamp: fc.oneof(
    fc.integer({ min: 0, max: 4_102_444_800_000 }),
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_001_000 }),
  ),
  key: fc.option(fc.uint8Array({ maxLength: 80 })),
  value: fc.option(
    fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 8100, maxLength: 9000, size: 'max' })),
  ),
})

function batchOf(rows: readonly Row[], writer = new RecordBatchWriter(64)): Uint8Array {
  writer.begin(rows[0].timestamp)
  for (const { timestamp, key, value } of rows) writer.append(timestamp, key, 0, key?.length ?? 0, value)
  return writer.finish()
}

function rowsOf(frame: Frame): (Row & { offset: number })[] {
  return Array.from({ length: frame.rows }, (_, row) => ({
    offset: frame.offsets[row],
    timestamp: frame.acceptedAt[row],
    key:
      frame.keyLengths[row] < 0
        ? null
        : frame.bytes.slice(frame.keyOffsets[row], frame.keyOffsets[row] + frame.keyLengths[row]),
    value: frame.valueEnds[row] < 0 ? null : frame.bytes.slice(frame.valueOffsets[row], frame.valueEnds[row]),
  }))
}

/** CRC-32C bit by bit, as RFC 3720 defines it. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

/** A batch with one record, key "k", value "value", at 1700000000000, as the format's documentation lays it out. */
const known = Buffer.from(
  [
    '0000000000000000', // base offset
    '0000003e', // length: 49 + 13
    'ffffffff', // leader epoch
    '02', // magic
    '00000000', // checksum, set below
    '0000', // attributes
    '00000000', // last offset delta
    '0000018bcfe56800', // base timestamp
    '0000018bcfe56800', // max timestamp
    'ffffffffffffffff', // producer id
    'ffff', // producer epoch
    'ffffffff', // base sequence
    '00000001', // records
    '18' + '00' + '00' + '00' + '02' + '6b' + '0a' + '76616c7565' + '00',
  ].join(''),
  'hex',
)
known.writeUInt32BE(slowCrc32c(known.subarray(21)), 17)

describe('record batches', () => {
  test('a known batch is written and read byte for byte', () => {
    const row = { timestamp: 1_700_000_000_000, key: Buffer.from('k'), value: Buffer.from('value') }
    expect(Buffer.from(batchOf([row])).toString('hex')).toBe(known.toString('hex'))
    const frame = newFrame(1)
    expect(walk(new Uint8Array(known), 0, frame)).toBe(1)
    expect(rowsOf(frame)).toEqual([
      { offset: 0, timestamp: row.timestamp, key: new Uint8Array(row.key), value: new Uint8Array(row.value) },
    ])
  })

  test('what is written is read, whatever lengths and times', () => {
    const writer = new RecordBatchWriter(64)
    fc.assert(
      fc.property(
        fc.array(fc.array(rowOf, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 }),
        (batches) => {
          const bytes = new Uint8Array(Buffer.concat(batches.map((rows) => batchOf(rows, writer))))
          const rows = batches.flat()
          expect(setBaseOffset(bytes, 4_294_967_290)).toBe(4_294_967_290 + rows.length)
          expect(countRecords(bytes)).toBe(rows.length)
          const shifted = new Uint8Array(bytes.length + 3)
          shifted.set(bytes, 3)
          const frame = newFrame(1)
          expect(walk(shifted.subarray(3), 4_294_967_291, frame)).toBe(4_294_967_290 + rows.length)
          expect(rowsOf(frame)).toEqual(rows.map((row, i) => ({ ...row, offset: 4_294_967_290 + i })).slice(1))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a value written in place moves when its length needs one byte or three, and says where it is', () => {
    const writer = new RecordBatchWriter(64)
    const key = Buffer.from('account')
    for (const length of [0, 1, 40, 63, 64, 5000, 8190, 8191, 8192, 70_000]) {
      writer.begin(0)
      writer.append(0, null, 0, 0, null)
      const start = writer.open(5, key, 0, key.length)
      writer.reserve(length)
      for (let i = 0; i < length; i++) writer.bytes[writer.position++] = i & 255
      const now = writer.close(start)
      expect(Array.from(writer.bytes.subarray(now, now + length))).toEqual(Array.from({ length }, (_, i) => i & 255))
      const frame = newFrame(2)
      walk(writer.finish(), 0, frame)
      expect(frame.valueEnds[1] - frame.valueOffsets[1]).toBe(length)
      expect(frame.valueOffsets[1]).toBe(now)
    }
  })

  test('the fields of a transactional producer', () => {
    const writer = new RecordBatchWriter()
    writer.begin(1)
    writer.append(1, null, 0, 0, new Uint8Array(3))
    const view = new DataView(writer.finish({ producerId: 77n, epoch: 5, sequence: 1234, transactional: true }).buffer)
    expect([view.getInt16(21), view.getBigInt64(43), view.getInt16(51), view.getInt32(53)]).toEqual([
      0x10,
      77n,
      5,
      1234,
    ])
  })

  test('a batch cut by the end of a fetch is left for the next one', () => {
    const rows: Row[] = [{ timestamp: 1, key: null, value: new Uint8Array(9) }]
    const bytes = new Uint8Array(Buffer.concat([batchOf(rows), batchOf(rows)]))
    setBaseOffset(bytes, 10)
    const frame = newFrame(4)
    for (let cut = bytes.length - 1; cut > bytes.length / 2; cut--) {
      expect(walk(bytes.subarray(0, cut), 10, frame)).toBe(11)
      expect(frame.rows).toBe(1)
    }
    expect(walk(bytes.subarray(0, 30), 10, frame)).toBe(10)
    expect(frame.rows).toBe(0)
  })

  test('control batches move the offset and give no row; append time is the acceptance time', () => {
    const control = batchOf([{ timestamp: 1, key: Buffer.alloc(4), value: Buffer.alloc(6) }])
    reseal(control, (view) => view.setInt16(21, 0x20))
    const appended = batchOf([{ timestamp: 1, key: null, value: Buffer.alloc(6) }])
    reseal(appended, (view) => {
      view.setInt16(21, 0x08)
      view.setBigInt64(35, 1_800_000_000_123n)
    })
    const bytes = new Uint8Array(Buffer.concat([control, appended, control]))
    setBaseOffset(bytes, 0)
    const frame = newFrame(4)
    expect(walk(bytes, 0, frame)).toBe(3)
    expect(rowsOf(frame).map(({ offset, timestamp }) => [offset, timestamp])).toEqual([[1, 1_800_000_000_123]])
  })

  test('any byte that changes behind the length is refused, and the error names the place', () => {
    const bytes = new Uint8Array(Buffer.concat([known, known]))
    setBaseOffset(bytes, 41)
    const frame = newFrame(4)
    for (let at = known.length + 16; at < bytes.length; at++) {
      const damaged = bytes.slice()
      damaged[at] ^= 0x11
      expect(() => walk(damaged, 0, frame, 'transactions/3')).toThrow(
        /^SLUICE_BATCH_DAMAGED: transactions\/3: record batch at offset 42 /,
      )
    }
  })

  test('a batch with a right checksum and wrong records is refused, and never read outside', () => {
    const source = batchOf([
      { timestamp: 1, key: Buffer.from('account-1'), value: Buffer.alloc(20) },
      { timestamp: 2, key: null, value: Buffer.alloc(70) },
    ])
    let refused = 0
    fc.assert(
      fc.property(fc.integer({ min: 57, max: source.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = source.slice()
        bytes[at] ^= flip
        reseal(bytes, () => {})
        const frame = newFrame(2)
        const error = thrownBy(() => walk(bytes, 0, frame))
        if (error !== null) {
          refused++
          return error instanceof RecordBatchError
        }
        for (let row = 0; row < frame.rows; row++) {
          if (frame.keyOffsets[row] + Math.max(0, frame.keyLengths[row]) >= bytes.length) return false
          if (frame.valueEnds[row] >= bytes.length) return false
        }
        return true
      }),
      { numRuns: 5000 },
    )
    expect(refused).toBeGreaterThan(100)
  })
})

describe('compressed batches', () => {
  const rows: Row[] = Array.from({ length: 50 }, (_, i) => ({ timestamp: i, key: null, value: Buffer.alloc(300, i) }))
  const plain = batchOf(rows)
  const packed = (codec: number, compress: (bytes: Uint8Array) => Uint8Array): Uint8Array => {
    const body = compress(plain.subarray(BATCH_HEADER))
    const bytes = new Uint8Array(Buffer.concat([plain.subarray(0, BATCH_HEADER), body]))
    reseal(bytes, (view) => {
      view.setInt32(8, bytes.length - 12)
      view.setInt16(21, codec)
    })
    return bytes
  }
  const codecs: [string, number, (bytes: Uint8Array) => Uint8Array][] = [
    ['gzip', 1, (bytes) => gzipSync(bytes)],
    ['zstd', 4, (bytes) => zstdCompressSync(bytes)],
  ]

  test.each(codecs)('%s inflates to the same rows', (_, codec, compress) => {
    const bytes = new Uint8Array(Buffer.concat([packed(codec, compress), plain]))
    setBaseOffset(bytes, 7)
    const frame = newFrame(1)
    expect(() => walk(bytes, 0, frame)).toThrow(/compressed/)
    expect(walk(inflate(bytes, 1 << 20), 0, frame)).toBe(107)
    expect(rowsOf(frame).map((row) => row.value?.[0])).toEqual([...rows, ...rows].map((row) => row.value?.[0]))
  })

  test.each(codecs)('%s beyond the limit is refused', (_, codec, compress) => {
    expect(() => inflate(packed(codec, compress), 1000)).toThrow(/does not inflate/)
  })

  test('another codec is refused by name, and an uncompressed log is not copied', () => {
    expect(() =>
      inflate(
        packed(3, (bytes) => bytes),
        1000,
      ),
    ).toThrow(/lz4/)
    expect(inflate(plain, 0)).toBe(plain)
  })
})

test('a frame grows with its columns and keeps what is there', () => {
  const frame = newFrame(2)
  frame.offsets[1] = 5
  frame.columns.set('code', { kind: 'code', values: Uint8Array.of(7, 8) })
  frame.columns.set('raw', { kind: 'raw', bytes: known, starts: Int32Array.of(1, 2), ends: Int32Array.of(3, 4) })
  grow(frame, 3)
  expect(frame.offsets.length).toBeGreaterThanOrEqual(3)
  expect(frame.offsets[1]).toBe(5)
  const code = frame.columns.get('code')
  expect(code?.kind === 'code' && [...code.values.subarray(0, 2)]).toEqual([7, 8])
  const raw = frame.columns.get('raw')
  expect(raw?.kind === 'raw' && [raw.bytes, ...raw.ends.subarray(0, 2)]).toEqual([known, 3, 4])
})

test('varints agree with big integers', () => {
  const bytes = new Uint8Array(10)
  const check = (value: number): void => {
    let zigzag = BigInt(value) >= 0n ? BigInt(value) * 2n : BigInt(value) * -2n - 1n
    const expected: number[] = []
    for (; zigzag > 127n; zigzag >>= 7n) expected.push(Number(zigzag & 127n) | 128)
    expected.push(Number(zigzag))
    expect([...bytes.subarray(0, writeVarint(bytes, 0, value))]).toEqual(expected)
    expect(varintSize(value)).toBe(expected.length)
  }
  for (let power = 0; power <= 53; power++) {
    for (const near of [-1, 0, 1]) {
      if (power === 53 && near === 1) continue
      check(2 ** power + near)
      check(-(2 ** power) - (power === 53 ? 0 : near))
    }
  }
  fc.assert(fc.property(fc.maxSafeInteger(), check))
})

function thrownBy(run: () => unknown): unknown {
  try {
    run()
    return null
  } catch (error) {
    return error
  }
}

function reseal(bytes: Uint8Array, change: (view: DataView) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  change(view)
  view.setUint32(17, slowCrc32c(bytes.subarray(21)))
}
