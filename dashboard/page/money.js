/** Amounts, counts and instants as people read them. Amounts stay texts and integers: no float ever holds one. */

const decimals = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0]),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3]),
  ...'CLF UYW'.split(' ').map((code) => [code, 4]),
])

/** Decimals of a currency as ISO 4217 has them. */
export const decimalsOf = (currency) => decimals.get(currency) ?? 2

/** Narrow no-break space between groups of three: right in every language, and never a decimal sign. */
const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, '\u202f')

export const count = (number) => group(String(Math.round(number)))

/** Minor units as text -> '1 234.50', with a real minus sign. */
export function amount(minor, currency) {
  const negative = minor.startsWith('-')
  const exponent = decimalsOf(currency)
  const digits = (negative ? minor.slice(1) : minor).padStart(exponent + 1, '0')
  const whole = group(digits.slice(0, digits.length - exponent))
  const text = exponent === 0 ? whole : `${whole}.${digits.slice(-exponent)}`
  return negative ? `−${text}` : text
}

/** With its currency, on one line. */
export const money = (minor, currency) => `${amount(minor, currency)}\u00a0${currency}`

/** Rates: '0.4', '12', '3.4 k'. */
export function rate(perSecond) {
  if (perSecond >= 10_000) return `${(perSecond / 1000).toFixed(0)}\u202fk`
  if (perSecond >= 1000) return `${(perSecond / 1000).toFixed(1)}\u202fk`
  return perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : String(Math.round(perSecond))
}

/** Instants in UTC: banks and logs have no summer time. */
export const clockTime = (millis) => new Date(millis).toISOString().slice(11, 19)
export const shortTime = (millis) => new Date(millis).toISOString().slice(11, 16)
export const day = (millis) => new Date(millis).toISOString().slice(0, 10)
export const instant = (millis) => `${day(millis)} ${clockTime(millis)} UTC`

/** '850 ms', '3.2 s', '4 min', '2 h', '3 d'. */
export function duration(millis) {
  if (millis < 1000) return `${Math.max(0, Math.round(millis))}\u202fms`
  if (millis < 60_000) return `${(millis / 1000).toFixed(1)}\u202fs`
  if (millis < 3_600_000) return `${Math.floor(millis / 60_000)}\u202fmin`
  if (millis < 172_800_000) return `${Math.floor(millis / 3_600_000)}\u202fh`
  return `${Math.floor(millis / 86_400_000)}\u202fd`
}

/** 'tooLate' -> 'too late', 'HIGH_VELOCITY' -> 'high velocity'. */
export const words = (name) =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/[_-]/g, ' ')
    .toLowerCase()
