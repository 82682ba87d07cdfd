/** Amounts in a bank's own writing, to plain decimal text: digits, a dot, a minus in front; nothing is ever rounded. */

/** What stands for an amount that cannot be read: no number, so that the row becomes `unreadable-amount`. */
const unreadable = (text: string): string => `unreadable: ${text}`

/** Digits, whole or parted into groups of three by blanks, an apostrophe or `thousands`, and decimals. Made once: it is slow to make. */
const shapeOf = (decimal: string, thousands: string): RegExp => {
  const parted = `[ \\u00a0\\u202f'\\${thousands}]`
  return new RegExp(`^(?:\\d+|\\d{1,3}(?:${parted}\\d{3})+)(?:\\${decimal}\\d+)?$`)
}
const withDot = shapeOf('.', ',')
const withComma = shapeOf(',', '.')
const plain = /^\d+$/

/**
 * '1.234,50' -> '1234.50' with a decimal comma, '1,234.50' -> '1234.50' without. Thousands may be parted by blanks, by an
 * apostrophe or by the other sign of the two, in groups of three; a minus may stand in front, behind, or be brackets.
 */
export function plainAmount(text: string, decimalComma: boolean): string {
  let rest = text.trim()
  let negative = false
  if (rest.startsWith('(') && rest.endsWith(')')) {
    negative = true
    rest = rest.slice(1, -1).trim()
  } else if (rest.startsWith('-') || rest.startsWith('\u2212')) {
    negative = true
    rest = rest.slice(1).trim()
  } else if (rest.endsWith('-')) {
    negative = true
    rest = rest.slice(0, -1).trim()
  } else if (rest.startsWith('+')) rest = rest.slice(1).trim()
  const decimal = decimalComma ? ',' : '.'
  const shape = decimalComma ? withComma : withDot
  if (!shape.test(rest)) return unreadable(text)
  const [whole, decimals] = rest.split(decimal)
  const digits = plain.test(whole) ? whole : whole.replaceAll(/\D/g, '')
  return `${negative ? '-' : ''}${digits}${decimals === undefined ? '' : `.${decimals}`}`
}

/** An amount from a debit and a credit column, of which one is empty or zero. */
export interface Sided {
  readonly side: 'debit' | 'credit' | 'none'
  /** Plain decimal text without a sign. */
  readonly amount: string
}

/** Takes the sign away. */
export const unsigned = (amount: string): string => (amount.startsWith('-') ? amount.slice(1) : amount)

export function debitOrCredit(debit: string, credit: string, decimalComma: boolean): Sided {
  const given = (text: string): boolean => text.trim() !== '' && !/^[-+]?0*(?:[.,]0*)?$/.test(text.trim())
  if (given(debit) && given(credit)) return { side: 'debit', amount: unreadable(`${debit} and ${credit}`) }
  if (given(debit)) return { side: 'debit', amount: unsigned(plainAmount(debit, decimalComma)) }
  if (given(credit)) return { side: 'credit', amount: unsigned(plainAmount(credit, decimalComma)) }
  return { side: 'none', amount: '0' }
}
