/** The input and the oracle of pay-1 against what the first, Java, ones gave: the same bytes, the same digests. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { defaultPay1, generatePay1, type Pay1Options } from '../../bench/peers/generator.ts'
import { judgePay1 } from '../../bench/peers/oracle.ts'

const of = (given: Partial<Pay1Options>): Pay1Options => ({ ...defaultPay1, ...given })

describe('the input of pay-1', () => {
  it.each([
    ['zipf', 1_000, 109_152, 'feceed1fb26904d83d3357de2488accf992d4bfd1b2ba676768e0b10412a19db'],
    ['zipf', 200_000, 21_831_962, '36704fe9ae8222b8d00d5b674a7fdd039e03beca47a59b7938a80028962a8219'],
    ['uniform', 200_000, 21_831_962, '1da471518d1fb840fe4ad542aa4c6834fef08ecc92b77169b860a01d0e8a4e10'],
  ] as const)('%s keys, %i events: the bytes of the Java generator', (keys, events, bytes, digest) => {
    const hash = createHash('sha256')
    let length = 0
    for (const { value } of generatePay1(of({ keys, events }))) {
      hash.update(value)
      length += value.length
    }
    expect({ length, digest: hash.digest('hex') }).toEqual({ length: bytes, digest })
  })

  it('gives a copy as the very same record', () => {
    const seen = new Set<object>()
    let copies = 0
    for (const tx of generatePay1(of({ events: 20_000 }))) {
      if (seen.has(tx)) copies++
      seen.add(tx)
    }
    expect(copies).toBe(20_000 - 19_636)
  })
})

describe('the oracle of pay-1', () => {
  it('agrees with the Java oracle where windows close', () => {
    expect(judgePay1(of({ events: 200_000 }), 10_000)).toEqual({
      decisions: 196_114,
      declined: 39_182,
      decisionDigest: '80a26d2ba882168e',
      settlements: 1_731,
      settledCount: 47_498,
      settledMinor: 237_320_040,
      settlementDigest: '1e3ea0cad22ce16a',
    })
  })

  it('agrees with the Java oracle over stretched event time', () => {
    expect(judgePay1(of({ events: 20_000, eventRate: 50 }), 10_000)).toEqual({
      decisions: 19_636,
      declined: 958,
      decisionDigest: 'dbb6d016206999eb',
      settlements: 5_267,
      settledCount: 14_082,
      settledMinor: 70_272_572,
      settlementDigest: '621e83e6a29df60d',
    })
  })
})
