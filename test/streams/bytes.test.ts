/** What is kept for long does not keep the fetch that it came in. */

import { expect, test } from 'vitest'
import { ByteReader, ByteWriter, copyOf } from '../../streams/bytes.ts'

test('a copy of a part owns its bytes alone, whatever kind of bytes it was taken from', () => {
  const fetched = Buffer.alloc(1 << 20, 7)
  const kept = copyOf(fetched, 100, 230)
  expect(kept.buffer.byteLength).toBe(130)
  fetched.fill(0)
  expect([...kept]).toEqual(Array.from({ length: 130 }, () => 7))
})

test('what was written is read back: integers up to 2^53, doubles, bytes, text', () => {
  const writer = new ByteWriter(1)
  const numbers = [0, 127, 128, 2 ** 31, 2 ** 53 - 1, 2 ** 53]
  for (const number of numbers) writer.varint(number)
  for (const number of [0, -1, 2 ** 31 - 1, -(2 ** 31)]) writer.int32(number)
  writer.double(Math.PI)
  writer.text('žluťoučký')
  const reader = new ByteReader(writer.take())
  expect(numbers.map(() => reader.varint())).toEqual(numbers)
  expect([0, 0, 0, 0].map(() => reader.int32())).toEqual([0, -1, 2 ** 31 - 1, -(2 ** 31)])
  expect(reader.double()).toBe(Math.PI)
  expect(reader.text()).toBe('žluťoučký')
  expect(reader.done).toBe(true)
  expect(() => reader.varint()).toThrow('cut')
})
