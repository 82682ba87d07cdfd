/** Currency codes and decimals are those of ISO 4217. */
import { expect, it, test } from 'vitest'
import { currencyCodes, exponentOf, exponentOfBytes, noCurrency } from '../../schemas/currencies.ts'

test.each([
  ['EUR', 2],
  ['USD', 2],
  ['CZK', 2],
  ['JPY', 0],
  ['KRW', 0],
  ['UYI', 0],
  ['BHD', 3],
  ['TND', 3],
  ['CLF', 4],
  ['UYW', 4],
  ['HUF', 2],
  ['XAU', noCurrency],
  ['XTS', noCurrency],
  ['ZZZ', noCurrency],
  ['eur', noCurrency],
  ['EU', noCurrency],
  ['EURO', noCurrency],
  ['ÀBC', noCurrency],
  ['', noCurrency],
])('%s has %i decimals', (code, exponent) => expect(exponentOf(code)).toBe(exponent))

it('is sorted, without doubles, three capitals each', () => {
  expect([...new Set(currencyCodes)].sort()).toEqual(currencyCodes)
  expect(currencyCodes.every((code) => /^[A-Z]{3}$/.test(code))).toBe(true)
  expect(currencyCodes.length).toBeGreaterThan(150)
})

it('answers the same for bytes, and for any bytes', () => {
  for (const code of currencyCodes) {
    const [a, b, c] = Buffer.from(code)
    expect(exponentOfBytes(a, b, c)).toBe(exponentOf(code))
  }
  for (const [a, b, c] of [
    [0, 0, 0],
    [255, 255, 255],
    [64, 65, 65],
    [65, 91, 65],
    [91, 65, 65],
  ]) {
    expect(exponentOfBytes(a, b, c)).toBe(noCurrency)
  }
})

it('differs from two decimals exactly where ISO 4217 does', () => {
  const others = currencyCodes.filter((code) => exponentOf(code) !== 2)
  expect(others.join(' ')).toBe(
    'BHD BIF CLF CLP DJF GNF IQD ISK JOD JPY KMF KRW KWD LYD OMR PYG RWF TND UGX UYI UYW VND VUV XAF XOF XPF',
  )
})
