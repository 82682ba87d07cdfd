/** Amounts and instants as the page writes them; the page has a currency table of its own, which must be ours. */
import { describe, expect, test } from 'vitest'
import { currencyCodes, exponentOf } from '../../schemas/currencies.ts'

interface Money {
  decimalsOf(currency: string): number
  amount(minor: string, currency: string): string
  rate(perSecond: number): string
  duration(millis: number): string
  words(name: string): string
}
const money = (await import(new URL('../../dashboard/page/money.js', import.meta.url).href)) as Money

test('every currency has the decimals that ISO 4217 gives it', () => {
  const differing = currencyCodes.filter((code) => money.decimalsOf(code) !== exponentOf(code))
  expect(differing).toEqual([])
})

describe('amounts', () => {
  const table: [minor: string, currency: string, text: string][] = [
    ['0', 'EUR', '0.00'],
    ['5', 'EUR', '0.05'],
    ['-1', 'EUR', '−0.01'],
    ['123456789', 'EUR', '1\u202f234\u202f567.89'],
    ['1234', 'JPY', '1\u202f234'],
    ['1234', 'KWD', '1.234'],
    ['-90071992547409930000', 'CZK', '−900\u202f719\u202f925\u202f474\u202f099\u202f300.00'],
  ]
  test.each(table)('%s %s is %s', (minor, currency, text) => expect(money.amount(minor, currency)).toBe(text))
})

test.each([
  [0, '0'],
  [0.04, '0.0'],
  [9.94, '9.9'],
  [12.4, '12'],
  [1_234, '1.2\u202fk'],
  [45_678, '46\u202fk'],
])('a rate of %d is %s', (perSecond, text) => expect(money.rate(perSecond)).toBe(text))

test.each([
  [-5, '0\u202fms'],
  [850, '850\u202fms'],
  [3_200, '3.2\u202fs'],
  [240_000, '4\u202fmin'],
  [7_200_000, '2\u202fh'],
  [3 * 86_400_000, '3\u202fd'],
])('%d ms are %s', (millis, text) => expect(money.duration(millis)).toBe(text))

test.each([
  ['tooLate', 'too late'],
  ['dead-letters', 'dead letters'],
  ['payments1m', 'payments1m'],
])('%s reads as %s', (name, text) => expect(money.words(name)).toBe(text))
