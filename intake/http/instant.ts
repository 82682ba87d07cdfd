/** Instants as they come over HTTP: ISO 8601 with a zone, or epoch milliseconds. Nothing is guessed. */

const iso = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))$/
/** Bounds of JavaScript's own dates: epoch milliseconds beyond them are no instant. */
const maxInstant = 8.64e15

/**
 * Milliseconds since 1970-01-01 UTC of a JSON value: a text in ISO 8601 with zone (digits behind the millisecond are cut
 * off), or an integer, or digits as text. Null for everything else, days that do not exist and leap seconds included.
 */
export function instantOf(value: unknown): number | null {
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) <= maxInstant ? value : null
  if (typeof value !== 'string') return null
  if (/^-?\d{1,16}$/.test(value)) return instantOf(Number(value))
  const match = iso.exec(value)
  if (match === null) return null
  const [, year, month, day, hour, minute, second = '0', fraction = '', , sign, zoneHour = '0', zoneMinute = '0'] =
    match
  const utc = new Date(0)
  utc.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  // A day that does not exist rolls over into another one: then it is not the one that was written.
  if (utc.getUTCMonth() !== Number(month) - 1 || utc.getUTCDate() !== Number(day)) return null
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null
  if (Number(zoneHour) > 23 || Number(zoneMinute) > 59) return null
  const ofDay = (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1000
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -60_000 : 60_000)
  return utc.getTime() + ofDay + Number(fraction.padEnd(3, '0').slice(0, 3)) - zone
}
