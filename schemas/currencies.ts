/** ISO 4217 in our own table: which currency codes are valid, and how many decimals each one has. */

/**
 * The active national codes of ISO 4217 (list one, maintained by SIX), funds codes included; metals, test codes and
 * units of account of institutions (XAU, XTS, XDR, ...) are not money that settles here. BGN and ANG left the list
 * lately and stay, for returns of payments made in them. Own table because Node's Intl gives other decimals than ISO
 * 4217 for many codes.
 */
const codes =
  'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD ' +
  'CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP ' +
  'GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK ' +
  'LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR ' +
  'PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL ' +
  'THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF ' +
  'YER ZAR ZMW ZWG'

const otherThanTwo: Record<number, string> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
}

/** What exponentOf answers for a code that is not in the table. */
export const noCurrency = 255

/** Every code, sorted. */
export const currencyCodes: readonly string[] = codes.split(' ')

/** Slot of three capital letters in a table of 26^3. */
const slot = (a: number, b: number, c: number): number => ((a - 65) * 26 + (b - 65)) * 26 + (c - 65)
const slotOf = (code: string): number => slot(code.charCodeAt(0), code.charCodeAt(1), code.charCodeAt(2))

const exponents = new Uint8Array(26 ** 3).fill(noCurrency)
for (const code of currencyCodes) exponents[slotOf(code)] = 2
for (const [exponent, list] of Object.entries(otherThanTwo)) {
  for (const code of list.split(' ')) exponents[slotOf(code)] = Number(exponent)
}

/** Decimals of the currency whose code is these three bytes, or 255 (noCurrency). For hot loops. */
export function exponentOfBytes(a: number, b: number, c: number): number {
  if (a < 65 || a > 90 || b < 65 || b > 90 || c < 65 || c > 90) return noCurrency
  return exponents[slot(a, b, c)]
}

/**
 * Decimals of a currency ('EUR' -> 2), or 255 (noCurrency) when the code is not one: lower case and blanks are not
 * forgiven.
 */
export function exponentOf(code: string): number {
  return code.length === 3 ? exponentOfBytes(code.charCodeAt(0), code.charCodeAt(1), code.charCodeAt(2)) : noCurrency
}

const indexes = new Uint8Array(26 ** 3).fill(noCurrency)
currencyCodes.forEach((code, index) => (indexes[slotOf(code)] = index))

/** Index in currencyCodes of the currency whose code is these three bytes, or 255 (noCurrency). For hot loops. */
export function currencyIndexOfBytes(a: number, b: number, c: number): number {
  if (a < 65 || a > 90 || b < 65 || b > 90 || c < 65 || c > 90) return noCurrency
  return indexes[slot(a, b, c)]
}
