/** Event times from bytes: ISO 8601 with a zone, or epoch milliseconds. */

const dayMs = 86_400_000
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Days since 1970-01-01 of a date of the Gregorian calendar; NaN when there is no such day. Source: H. Hinnant, days_from_civil. */
export function daysOf(year: number, month: number, day: number): number {
  if (!(month >= 1 && month <= 12 && day >= 1)) return Number.NaN
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  if (day > monthDays[month - 1] + (month === 2 && leap ? 1 : 0)) return Number.NaN
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

/** A number of exactly `digits` digits at `at`, or NaN. */
function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) {
    const digit = bytes[i] - 48
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/** Epoch milliseconds, at most 15 digits, with or without a minus; NaN else. */
function epochMs(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === 45
  const from = negative ? start + 1 : start
  if (end === from || end - from > 15) return Number.NaN
  const value = digits(bytes, from, end - from)
  return negative ? -value : value
}

let lastDate = -1
let lastDays = 0

/**
 * Milliseconds since 1970-01-01 UTC of `bytes[start .. end)`, NaN when it is no time. ISO 8601: date, T or a blank, hours
 * and minutes, seconds and their fraction if given (what is finer than a millisecond is cut off), then Z or an offset.
 */
export function readTime(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 17 || bytes[start + 4] !== 45) return epochMs(bytes, start, end)
  const year = digits(bytes, start, 4)
  const month = digits(bytes, start + 5, 2)
  const day = digits(bytes, start + 8, 2)
  const date = year * 10_000 + month * 100 + day
  if (date !== lastDate) {
    lastDays = daysOf(year, month, day)
    lastDate = date
  }
  const mark = bytes[start + 10] | 32
  const hours = digits(bytes, start + 11, 2)
  const minutes = digits(bytes, start + 14, 2)
  if (bytes[start + 7] !== 45 || (mark !== 116 && bytes[start + 10] !== 32) || bytes[start + 13] !== 58) {
    return Number.NaN
  }
  let at = start + 16
  let milliseconds = 0
  if (bytes[at] === 58) {
    const seconds = digits(bytes, at + 1, 2)
    if (!(seconds <= 59)) return Number.NaN
    milliseconds = seconds * 1000
    at += 3
    if (bytes[at] === 46 || bytes[at] === 44) {
      const first = ++at
      let scale = 100
      for (; at < end; at++) {
        const digit = bytes[at] - 48
        if (!(digit >= 0 && digit <= 9)) break
        milliseconds += digit * scale
        scale = scale === 1 ? 0 : scale / 10
      }
      if (at === first) return Number.NaN
    }
  }
  if (!(hours <= 23 && minutes <= 59) || at >= end) return Number.NaN
  return lastDays * dayMs + hours * 3_600_000 + minutes * 60_000 + milliseconds - offsetMs(bytes, at, end)
}

/** Offset from UTC in milliseconds: Z, +hh, +hhmm or +hh:mm; NaN else. */
function offsetMs(bytes: Uint8Array, at: number, end: number): number {
  const sign = bytes[at]
  const length = end - at
  if ((sign | 32) === 122) return length === 1 ? 0 : Number.NaN
  if (sign !== 43 && sign !== 45) return Number.NaN
  const hours = digits(bytes, at + 1, 2)
  let minutes = 0
  if (length === 6 && bytes[at + 3] === 58) minutes = digits(bytes, at + 4, 2)
  else if (length === 5) minutes = digits(bytes, at + 3, 2)
  else if (length !== 3) return Number.NaN
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN
  const offset = (hours * 60 + minutes) * 60_000
  return sign === 45 ? -offset : offset
}
