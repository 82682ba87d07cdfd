/** Amounts are read and written exactly, shares sum to the whole, and validity is told in the order of precedence. */
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { decimalBytes, decimalOf } from '../../schemas/decimal.ts'
import { cycleId, instructionId } from '../../schemas/ids.ts'
import { allocate, amountMinorOf, majorText, minorUnits } from '../../schemas/money.ts'
import { faultOf, timeFault } from '../../schemas/validate.ts'

describe('decimal text to minor units', () => {
  test.each([
    ['12.3', 'EUR', 1230],
    ['12.34', 'EUR', 1234],
    ['12', 'EUR', 1200],
    ['0012.30', 'EUR', 1230],
    ['0.01', 'EUR', 1],
    ['1000', 'JPY', 1000],
    ['1.234', 'KWD', 1234],
    ['0.0001', 'CLF', 1],
    ['90071992547409.92', 'EUR', 2 ** 53],
    ['90071992547409.93', 'EUR', 'invalid-amount'],
    ['9007199254740992', 'JPY', 2 ** 53],
    ['9007199254740993', 'JPY', 'invalid-amount'],
    [`${'0'.repeat(30)}1`, 'JPY', 1],
    ['9'.repeat(1000), 'EUR', 'invalid-amount'],
    ['0', 'EUR', 'invalid-amount'],
    ['0.00', 'EUR', 'invalid-amount'],
    ['-12.30', 'EUR', 'invalid-amount'],
    ['+12.30', 'EUR', 'invalid-amount'],
    ['12.345', 'EUR', 'amount-precision'],
    ['12.340', 'EUR', 'amount-precision'],
    ['1.0', 'JPY', 'amount-precision'],
    ['12,30', 'EUR', 'unreadable-amount'],
    ['1 234', 'EUR', 'unreadable-amount'],
    [' 12', 'EUR', 'unreadable-amount'],
    ['12\n', 'EUR', 'unreadable-amount'],
    ['1e3', 'EUR', 'unreadable-amount'],
    ['12.', 'EUR', 'unreadable-amount'],
    ['.5', 'EUR', 'unreadable-amount'],
    ['0x10', 'EUR', 'unreadable-amount'],
    ['NaN', 'EUR', 'unreadable-amount'],
    ['', 'EUR', 'unreadable-amount'],
    ['١٢', 'EUR', 'unreadable-amount'],
    ['12', 'EUX', 'invalid-currency'],
    ['12', 'eur', 'invalid-currency'],
    ['twelve', 'EUX', 'unreadable-amount'],
  ])('%s %s', (text, currency, expected) => expect(amountMinorOf(text, currency)).toBe(expected))

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        fc.constantFrom('EUR', 'JPY', 'KWD', 'CLF'),
        (minor, currency) => {
          const exponent = { EUR: 2, JPY: 0, KWD: 3, CLF: 4 }[currency]
          expect(minorUnits(majorText(minor, currency), exponent)).toBe(minor)
        },
      ),
    )
  })

  test.each([
    [0n, 'EUR', '0.00'],
    [-5n, 'EUR', '-0.05'],
    [123456n, 'EUR', '1234.56'],
    [-7n, 'JPY', '-7'],
    [7, 'KWD', '0.007'],
  ])('%s %s is written %s', (minor, currency, text) => expect(majorText(minor, currency)).toBe(text))

  it('does not place the point of an unknown currency', () => expect(() => majorText(1n, 'ABC')).toThrow(/ISO 4217/))
})

describe('allocate', () => {
  test.each([
    [100n, [1n, 1n, 1n], [34n, 33n, 33n]],
    [5n, [3n, 7n], [2n, 3n]],
    [-100n, [1n, 1n, 1n], [-34n, -33n, -33n]],
    [1n, [0n, 0n, 9n], [0n, 0n, 1n]],
    [0n, [1n, 2n], [0n, 0n]],
  ])('%s by %s', (total, weights, shares) => expect(allocate(total, weights)).toEqual(shares))

  it('gives shares that sum to the whole, each off by less than one unit', () => {
    const weights = fc.array(fc.bigInt({ min: 0n, max: 10n ** 12n }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), weights, (total, weights) => {
        const sum = weights.reduce((a, b) => a + b, 0n)
        fc.pre(sum > 0n)
        const shares = allocate(total, weights)
        expect(shares.reduce((a, b) => a + b, 0n)).toBe(total)
        for (const [i, share] of shares.entries()) {
          const off = share * sum - total * weights[i]
          expect((off < 0n ? -off : off) < sum).toBe(true)
        }
      }),
    )
  })

  it('refuses weights that are negative or all zero', () => {
    expect(() => allocate(1n, [1n, -1n, 5n])).toThrow(/weights/)
    expect(() => allocate(1n, [0n])).toThrow(/weights/)
    expect(() => allocate(1n, [])).toThrow(/weights/)
  })
})

describe('Avro decimal', () => {
  test.each([
    [0n, '00'],
    [127n, '7f'],
    [128n, '0080'],
    [-1n, 'ff'],
    [-128n, '80'],
    [-129n, 'ff7f'],
    [2n ** 64n, '010000000000000000'],
  ])('%s is %s', (value, hex) => expect(decimalBytes(value).toString('hex')).toBe(hex))

  it('reads back what it wrote, also padded', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }), (value) => {
        const bytes = decimalBytes(value)
        const sign = Buffer.from([value < 0n ? 255 : 0])
        expect(decimalOf(bytes)).toBe(value)
        expect(decimalOf(Buffer.concat([sign, bytes]))).toBe(value)
      }),
    )
    expect(() => decimalOf(Buffer.alloc(0))).toThrow(/at least one byte/)
  })
})

describe('ids', () => {
  it('names a cycle by start and length', () => {
    expect(cycleId(Date.UTC(2026, 0, 5, 12), 300_000)).toBe('2026-01-05T12:00:00.000Z/PT300S')
  })
  it('derives an instruction id from scheme, cycle, member and currency', () => {
    // printf 'sluice|1767614400000|300000|bank-a|EUR' | sha256sum
    expect(instructionId('sluice', 1767614400000, 300_000, 'bank-a', 'EUR')).toBe('5c85b9f8b539b8dc0e55321aba0d3cd9')
  })
})

describe('validity', () => {
  const good = {
    producer: 'shop',
    payerAccount: 'acc-1',
    transactionId: 'P1',
    kind: 'PAYMENT' as const,
    payerBank: 'bank-a',
    payeeAccount: 'acc-2',
    payeeBank: 'bank-b',
    merchant: null,
    amountMinor: 100,
    currency: 'EUR',
    country: null,
    originalTransactionId: null,
  }
  const long = 'x'.repeat(65)
  test.each([
    [{}, null],
    [{ producer: '' }, 'invalid-producer'],
    [{ producer: long, transactionId: '' }, 'invalid-producer'],
    [{ transactionId: '' }, 'invalid-transaction-id'],
    [{ transactionId: 'x'.repeat(64) }, null],
    [{ transactionId: '💶'.repeat(64) }, null],
    [{ transactionId: '💶'.repeat(65) }, 'invalid-transaction-id'],
    [{ transactionId: '\ud800' }, 'invalid-transaction-id'],
    [{ payerAccount: long }, 'invalid-payer-account'],
    [{ payeeAccount: '' }, 'invalid-payee-account'],
    [{ payerBank: '' }, 'invalid-payer-bank'],
    [{ payeeBank: '' }, 'invalid-payee-bank'],
    [{ merchant: long }, 'invalid-merchant'],
    [{ country: 'cz' }, 'invalid-country'],
    [{ country: 'CZE' }, 'invalid-country'],
    [{ currency: 'XAU' }, 'invalid-currency'],
    [{ amountMinor: 0 }, 'invalid-amount'],
    [{ amountMinor: 1.5 }, 'invalid-amount'],
    [{ amountMinor: 2 ** 53 }, null],
    [{ amountMinor: 2 ** 53 + 2 }, 'invalid-amount'],
    [{ kind: 'REFUND' as const }, 'invalid-original'],
    [{ kind: 'REFUND' as const, originalTransactionId: '' }, 'invalid-original'],
    [{ kind: 'REFUND' as const, originalTransactionId: 'P0' }, null],
    [{ originalTransactionId: '' }, null],
  ])('%j', (change, fault) => expect(faultOf({ ...good, ...change })).toBe(fault))

  test.each([
    [999, 5000, 'time-too-early'],
    [1000, 5000, null],
    [35_000, 5000, null],
    [35_001, 5000, 'time-too-late'],
  ])('time %i accepted at %i', (at, accepted, fault) => expect(timeFault(at, accepted, 1000, 30_000)).toBe(fault))
})
