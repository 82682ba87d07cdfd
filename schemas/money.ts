/**
 * Money: decimal text to integer minor units and back, without a rounding anywhere, and shares that sum to the whole.
 */
import { exponentOf, noCurrency } from './currencies.ts'
import type { DeadLetterReason } from './reasons.ts'

/** Largest amount of one transaction: the integers up to here are exact as numbers. */
export const maxAmountMinor = 2 ** 53

/** What can be wrong with an amount; the codes of schemas/reasons.ts. */
export type AmountFault = Extract<
  DeadLetterReason,
  'unreadable-amount' | 'invalid-currency' | 'invalid-amount' | 'amount-precision'
>

const unsigned = /^[0-9]+(?:\.[0-9]+)?$/
const signed = /^[+-][0-9]+(?:\.[0-9]+)?$/

/**
 * Minor units of a decimal text in major units: ('12.3', 2) -> 1230n. Digits with at most one dot between digits; a
 * decimal comma or grouping is for the caller to take away first. A signed number is 'invalid-amount', more decimals
 * than `exponent` 'amount-precision' (zeros too: nothing is guessed), anything else that is not a plain decimal
 * 'unreadable-amount'.
 */
export function minorUnits(
  text: string,
  exponent: number,
): bigint | 'unreadable-amount' | 'invalid-amount' | 'amount-precision' {
  if (!unsigned.test(text)) return signed.test(text) ? 'invalid-amount' : 'unreadable-amount'
  const dot = text.indexOf('.')
  if (dot < 0) return BigInt(text + '0'.repeat(exponent))
  const decimals = text.length - dot - 1
  if (decimals > exponent) return 'amount-precision'
  return BigInt(text.slice(0, dot) + text.slice(dot + 1) + '0'.repeat(exponent - decimals))
}

/**
 * Amount of a transaction from decimal text in major units and an ISO 4217 code: minor units from 1 to 2^53, or what
 * is wrong.
 */
export function amountMinorOf(text: string, currency: string): number | AmountFault {
  const exponent = exponentOf(currency)
  if (exponent === noCurrency)
    return unsigned.test(text) || signed.test(text) ? 'invalid-currency' : 'unreadable-amount'
  // 40 digits are beyond 2^53 whatever the zeros in front; a longer text would only buy time for who sends it.
  const minor = text.length > 40 && unsigned.test(text) ? 'invalid-amount' : minorUnits(text, exponent)
  if (typeof minor === 'string') return minor
  return minor >= 1n && minor <= BigInt(maxAmountMinor) ? Number(minor) : 'invalid-amount'
}

/**
 * Decimal text in major units with all decimals of the currency: (-1230n, 'EUR') -> '-12.30'. Throws on an unknown
 * currency.
 */
export function majorText(minor: bigint | number, currency: string): string {
  const exponent = exponentOf(currency)
  if (exponent === noCurrency)
    throw new RangeError(`'${currency}' is not an ISO 4217 code: cannot place its decimal point.`)
  const value = BigInt(minor)
  const digits = (value < 0n ? -value : value).toString().padStart(exponent + 1, '0')
  const sign = value < 0n ? '-' : ''
  const whole = digits.slice(0, digits.length - exponent)
  return exponent === 0 ? sign + whole : `${sign}${whole}.${digits.slice(-exponent)}`
}

/**
 * Shares of `total` in proportion to `weights`, by largest remainder: the shares sum to the whole, each is off by less
 * than one unit, ties go to the earlier one. A negative total is the mirror of the positive one. Throws when a weight
 * is negative or all are zero.
 */
export function allocate(total: bigint, weights: readonly bigint[]): bigint[] {
  const sum = weights.reduce((a, b) => a + b, 0n)
  if (sum <= 0n || weights.some((w) => w < 0n)) {
    throw new RangeError('allocate: weights must not be negative and one must be above zero.')
  }
  if (total < 0n) return allocate(-total, weights).map((share) => -share)
  const shares = weights.map((w) => (total * w) / sum)
  const remainders = weights.map((w) => (total * w) % sum)
  let left = total - shares.reduce((a, b) => a + b, 0n)
  const order = weights.map((_, i) => i).sort((a, b) => compare(remainders[b], remainders[a]) || a - b)
  for (const i of order) {
    if (left === 0n) break
    shares[i] += 1n
    left -= 1n
  }
  return shares
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)
