/** Hashes against published vectors: Kafka's murmur2, murmur3, CRC-32C. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Hash128, crc32c, hash128, hash32, murmur2, partitionOf } from '../../streams/hash.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const hex = (lanes: Int32Array): string[] => [...lanes].map((lane) => (lane >>> 0).toString(16).padStart(8, '0'))

/** The bytes inside a larger array at an odd place, so that a read outside the slice shows. */
function embedded(bytes: Uint8Array, before: number): Uint8Array {
  const all = new Uint8Array(before + bytes.length + 7).fill(0xa5)
  all.set(bytes, before)
  return all
}

describe('murmur2 is the partitioner of Kafka', () => {
  // From the tests of Apache Kafka: UtilsTest.testMurmur2.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('%s', (text, expected) => {
    const bytes = utf8(text)
    expect(murmur2(bytes, 0, bytes.length)).toBe(expected)
    expect(murmur2(embedded(bytes, 3), 3, bytes.length)).toBe(expected)
  })

  test('a negative hash gives a partition too', () => {
    expect(partitionOf(utf8('21'), 0, 2, 7)).toBe((-973932308 & 0x7fffffff) % 7)
  })
})

describe('murmur3', () => {
  // Reference values of MurmurHash3_x86_32.
  test.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['I will not buy this record, it is scratched.', 0, 2832214938],
  ])('32 bits of %j with seed %i', (text, seed, expected) => {
    const bytes = utf8(text)
    expect(hash32(bytes, 0, bytes.length, seed) >>> 0).toBe(expected)
    expect(hash32(embedded(bytes, 5), 5, bytes.length, seed) >>> 0).toBe(expected)
  })

  // Reference values of MurmurHash3_x86_128 with seed 0.
  test.each([
    ['', ['00000000', '00000000', '00000000', '00000000']],
    ['The quick brown fox jumps over the lazy dog', ['2f1583c3', 'ecee2c67', '5d7bf66c', 'e5e91d2c']],
    ["I will not buy this tobacconist's, it is scratched.", ['9b5b7ba2', 'ef3f7866', '889adeaf', '00f3f98e']],
  ])('128 bits of %j under a key of zeros', (text, expected) => {
    const bytes = utf8(text)
    const out = new Int32Array(4)
    hash128(bytes, 0, bytes.length, new Int32Array(4), out, 0)
    expect(hex(out)).toEqual(expected)
  })

  test('every length from 0 to 255 agrees with the reference, which reaches the verification value of SMHasher', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
    const results = new Int32Array(256 * 4)
    for (let i = 0; i < 256; i++) results.set(reference128(bytes.subarray(0, i), 256 - i), i * 4)
    expect(reference128(new Uint8Array(results.buffer), 0)[0] >>> 0).toBe(0xb3ece62a)
    const out = new Int32Array(4)
    for (let i = 0; i < 256; i++) {
      hash128(bytes, 0, i, new Int32Array(4), out, 0)
      expect([...out]).toEqual([...reference128(bytes.subarray(0, i), 0)])
    }
  })

  test('slices hash like their concatenation, under any key', () => {
    const sponge = new Hash128()
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 6 }),
        fc.int32Array({ minLength: 4, maxLength: 4 }),
        (slices, key) => {
          const whole = Buffer.concat(slices)
          const out = new Int32Array(12)
          hash128(embedded(whole, 1), 1, whole.length, key, out, 0)
          sponge.reset(key)
          for (const slice of slices) sponge.update(embedded(slice, 2), 2, slice.length)
          sponge.finish(out, 4)
          expect([...out.subarray(4, 8)]).toEqual([...out.subarray(0, 4)])
          expect([...out.subarray(8)]).toEqual([0, 0, 0, 0])
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('every bit of the key and of the input changes about half of the result', () => {
    const bytes = utf8('bank-1/account-000017/transaction-0000000001')
    const base = new Int32Array(4)
    const other = new Int32Array(4)
    const key = Int32Array.of(1, 2, 3, 4)
    hash128(bytes, 0, bytes.length, key, base, 0)
    const changed = (): number =>
      [...base].reduce((sum, lane, i) => sum + ((lane ^ other[i]) >>> 0).toString(2).replaceAll('0', '').length, 0)
    for (let bit = 0; bit < 128 + bytes.length * 8; bit++) {
      const flippedKey = key.slice()
      const flipped = bytes.slice()
      if (bit < 128) flippedKey[bit >> 5] ^= 1 << (bit & 31)
      else flipped[(bit - 128) >> 3] ^= 1 << (bit & 7)
      hash128(flipped, 0, flipped.length, flippedKey, other, 0)
      expect(changed()).toBeGreaterThan(30)
      expect(changed()).toBeLessThan(98)
    }
  })
})

test('crc32c of the check string', () => {
  expect(crc32c(utf8('123456789'))).toBe(0xe3069283)
})

/** MurmurHash3_x86_128, byte by byte as its author wrote it. */
function reference128(bytes: Uint8Array, seed: number): Int32Array {
  const c = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93]
  const add = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17]
  const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))
  const scramble = (k: number, lane: number): number =>
    Math.imul(rotate(Math.imul(k, c[lane]), 15 + lane), c[(lane + 1) % 4])
  const fmix = (x: number): number => {
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return x ^ (x >>> 16)
  }
  const h = [seed, seed, seed, seed]
  const word = (at: number): number => {
    let value = 0
    for (let i = 0; i < 4; i++) if (at + i < bytes.length) value |= bytes[at + i] << (8 * i)
    return value
  }
  const whole = bytes.length - (bytes.length % 16)
  for (let at = 0; at < whole; at += 16) {
    for (let lane = 0; lane < 4; lane++) {
      h[lane] ^= scramble(word(at + lane * 4), lane)
      h[lane] = (Math.imul(rotate(h[lane], 19 - 2 * lane) + h[(lane + 1) % 4], 5) + add[lane]) | 0
    }
  }
  for (let lane = 0; lane < 4; lane++) {
    if (whole + lane * 4 < bytes.length) h[lane] ^= scramble(word(whole + lane * 4), lane)
  }
  for (let lane = 0; lane < 4; lane++) h[lane] ^= bytes.length
  const spread = (): void => {
    h[0] = (h[0] + h[1] + h[2] + h[3]) | 0
    for (let lane = 1; lane < 4; lane++) h[lane] = (h[lane] + h[0]) | 0
  }
  spread()
  for (let lane = 0; lane < 4; lane++) h[lane] = fmix(h[lane])
  spread()
  return Int32Array.from(h)
}
