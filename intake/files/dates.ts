/** Dates and times in a bank's own writing, read in a time zone. */
import { daysOf } from './time.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
/** Transitions of every zone lie on quarters of an hour. */
const stepMs = 900_000
/** Offsets kept per zone: three years of quarters, a few megabytes. */
const mostOffsets = 100_000

/** Reads local times of one zone. */
export class Zone {
  readonly name: string
  private readonly format: Intl.DateTimeFormat
  private readonly offsets = new Map<number, number>()

  /** `name`: as in the tz database, 'Europe/Prague' or 'UTC'. Throws RangeError for another. */
  constructor(name: string) {
    this.name = name
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  /** Offset from UTC in force at an instant, milliseconds. */
  private offsetAt(instant: number): number {
    const step = Math.floor(instant / stepMs)
    const known = this.offsets.get(step)
    if (known !== undefined) return known
    const part: Record<string, string> = {}
    for (const { type, value } of this.format.formatToParts(step * stepMs)) part[type] = value
    const year = part.era === 'BC' ? 1 - Number(part.year) : Number(part.year)
    const time = Number(part.hour) * hourMs + Number(part.minute) * 60_000 + Number(part.second) * 1000
    const offset = daysOf(year, Number(part.month), Number(part.day)) * dayMs + time - step * stepMs
    if (this.offsets.size >= mostOffsets) this.offsets.clear()
    this.offsets.set(step, offset)
    return offset
  }

  /**
   * The instant of a local time (given as if it were UTC). A time that the clock skips takes the later offset (the one
   * in force after the gap), one that it shows twice the earlier.
   */
  instantOf(local: number): number {
    if (this.name === 'UTC' || Number.isNaN(local)) return local
    const before = this.offsetAt(local - dayMs)
    const after = this.offsetAt(local + dayMs)
    if (before === after) return local - before
    return this.offsetAt(local - before) === before ? local - before : local - after
  }
}

interface Part {
  readonly field: 'year' | 'shortYear' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'millisecond' | 'literal'
  readonly least: number
  readonly most: number
  readonly literal: string
}

const words: Record<string, Omit<Part, 'literal'>> = {
  YYYY: { field: 'year', least: 4, most: 4 },
  YY: { field: 'shortYear', least: 2, most: 2 },
  MM: { field: 'month', least: 2, most: 2 },
  M: { field: 'month', least: 1, most: 2 },
  DD: { field: 'day', least: 2, most: 2 },
  D: { field: 'day', least: 1, most: 2 },
  HH: { field: 'hour', least: 2, most: 2 },
  H: { field: 'hour', least: 1, most: 2 },
  mm: { field: 'minute', least: 2, most: 2 },
  ss: { field: 'second', least: 2, most: 2 },
  SSS: { field: 'millisecond', least: 3, most: 3 },
}

/** A pattern such as 'YYMMDD' or 'D.M.YYYY HH:mm:ss', ready to read with. */
export class DatePattern {
  private readonly parts: readonly Part[]
  private readonly pivot: number | null

  /** `pivot`: two-digit years from it on are 19xx, smaller ones 20xx; null when there is none. Throws on a faulty pattern. */
  constructor(pattern: string, pivot: number | null) {
    this.pivot = pivot
    this.parts = [...pattern.matchAll(/YYYY|YY|MM|M|DD|D|HH|H|mm|ss|SSS|[^A-Za-z]+|./gs)].map(([word]) => {
      const known = words[word]
      if (known !== undefined) return { ...known, literal: '' }
      if (/[A-SU-Za-z]/.test(word)) throw new Error(`date pattern '${pattern}': '${word}' means nothing.`)
      return { field: 'literal', least: 0, most: 0, literal: word }
    })
    const has = new Set(this.parts.map((part) => part.field))
    if (!has.has('day') || !has.has('month') || (!has.has('year') && !has.has('shortYear'))) {
      throw new Error(`date pattern '${pattern}' needs a year, a month and a day.`)
    }
    if (has.has('shortYear') && pivot === null) {
      throw new Error(`date pattern '${pattern}' has two-digit years: declare twoDigitYearPivot in the mapping.`)
    }
  }

  /** Local time as if it were UTC, milliseconds; NaN when the text does not fit or there is no such day. */
  local(text: string): number {
    const value = { year: 0, shortYear: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0, millisecond: 0, literal: 0 }
    let at = 0
    for (const { field, least, most, literal } of this.parts) {
      if (field === 'literal') {
        if (!text.startsWith(literal, at)) return Number.NaN
        at += literal.length
        continue
      }
      const from = at
      let number = 0
      while (at < text.length && at - from < most) {
        const digit = text.charCodeAt(at) - 48
        if (!(digit >= 0 && digit <= 9)) break
        number = number * 10 + digit
        at++
      }
      if (at - from < least) return Number.NaN
      value[field] = number
      if (field === 'shortYear') value.year = number + (number >= (this.pivot ?? 0) ? 1900 : 2000)
    }
    if (at !== text.length || value.hour > 23 || value.minute > 59 || value.second > 59) return Number.NaN
    const time = value.hour * hourMs + value.minute * 60_000 + value.second * 1000 + value.millisecond
    return daysOf(value.year, value.month, value.day) * dayMs + time
  }
}
