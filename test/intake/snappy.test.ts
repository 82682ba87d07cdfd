/** Snappy as container files have it: what another implementation packs is unpacked, what is damaged is told, bombs cost nothing. */
import { crc32 } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { expect, test } from 'vitest'
import { SnappyError, unsnap } from '../../intake/avro/snappy.ts'
import { seeded } from '../../intake/random.ts'

const summed = (packed: Uint8Array, bytes: Uint8Array): Buffer => {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return Buffer.concat([packed, sum])
}
const snap = (bytes: Buffer): Buffer => summed(compressionsAlgorithms.snappy.compressSync(bytes), bytes)
const random = seeded(20_260_107)

/** Bytes that repeat themselves near and far, so that every kind of copy and of literal is there. */
function sample(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size;) {
    const run = 1 + random.below(300)
    if (at > 0 && random.below(3) > 0) {
      const back = 1 + random.below(random.below(2) === 0 ? Math.min(at, 8) : at)
      for (let i = 0; i < run && at < size; i++, at++) bytes[at] = bytes[at - back]
    } else for (let i = 0; i < run && at < size; i++) bytes[at++] = random.below(256)
  }
  return bytes
}

test('what another implementation packs is unpacked as it was', () => {
  for (const size of [0, 1, 59, 60, 61, 255, 256, 257, 65_535, 65_536, 70_000, 300_000]) {
    for (let round = 0; round < 20; round++) {
      const bytes = sample(size)
      expect(Buffer.compare(unsnap(snap(bytes), size) as Uint8Array, bytes)).toBe(0)
    }
  }
})

test('copies that are far back, and literals whose length takes three bytes, are read', () => {
  const long = sample(70_000)
  const literal = Buffer.concat([
    Buffer.from([62 << 2, ...[0, 1, 2].map((i) => ((70_000 - 1) >> (8 * i)) & 255)]),
    long,
  ])
  const copy = Buffer.from([(9 << 2) | 3, ...[0, 1, 2, 3].map((i) => (69_999 >> (8 * i)) & 255)])
  const all = Buffer.concat([long, long.subarray(1, 11)])
  const size = Buffer.from([(70_010 & 127) | 128, ((70_010 >> 7) & 127) | 128, 70_010 >> 14])
  expect(Buffer.compare(unsnap(summed(Buffer.concat([size, literal, copy]), all), 1 << 20) as Uint8Array, all)).toBe(0)
})

test('one byte that differs, and one that is missing, is told', () => {
  const bytes = sample(2_000)
  const packed = snap(bytes)
  for (let at = 0; at < packed.length; at++) {
    const damaged = Buffer.from(packed)
    damaged[at] ^= 1 << random.below(8)
    expect(() => unsnap(damaged, 1 << 20), `byte ${at}`).toThrow(SnappyError)
    expect(() => unsnap(packed.subarray(0, at), 1 << 20), `up to ${at}`).toThrow(SnappyError)
  }
})

test('what says that it is larger than it can be, or is larger than wanted, is not allocated', () => {
  expect(() => unsnap(Buffer.from([255, 255, 255, 255, 15, 0, 0, 0, 0, 0]), 2 ** 40)).toThrow(/larger than it can be/)
  expect(unsnap(snap(Buffer.alloc(1 << 20)), 1000)).toBeNull()
})
