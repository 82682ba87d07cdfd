/**
 * Splits CSV bytes into rows and fields, without an object per field.
 *
 * Quotes as in RFC 4180; a quote inside an unquoted field, or text after a closing quote, is a missing quote. A quoted
 * field may contain line ends only as far as `maxQuotedLines` and `maxQuotedBytes`, and only if the row then has as many
 * fields as the header; else the row is taken to end at its first line end, so one missing quote costs one row. Which
 * bytes make a row never depends on how the file arrives in pieces.
 */
import type { DeadLetterReason } from '../../schemas/reasons.ts'
import { END, MORE, maxQuotedBytes, maxQuotedLines, maxRowBytes, ROW, Row, type Step } from './row.ts'
import type { Window } from './window.ts'

const PLAIN = 0
const DELIMITER = 1
const LINE_END = 2
const QUOTE = 3
const HIGH = 4
const LF = 10
const CR = 13

export interface CsvDialect {
  /** One ASCII character. */
  readonly delimiter: string
  /** One ASCII character, or '' when the file knows no quotes. */
  readonly quote: string
  /** Slot of each column, -1 for columns that nobody reads. */
  readonly targets: readonly number[]
  /** Number of slots. */
  readonly slots: number
}

export class CsvScanner {
  readonly row: Row
  private readonly window: Window
  private readonly kinds = new Uint8Array(256)
  private readonly quote: number
  private readonly targets: Int32Array
  private readonly columns: number
  private readonly spare: number
  private line: number
  private skipping = false
  private blank = false
  private lineEnds = 0
  private readonly escaped: number[] = []
  private copy = new Uint8Array(256)

  /** `line`: the line at which the window stands. */
  constructor(window: Window, dialect: CsvDialect, line: number) {
    this.window = window
    this.line = line
    this.columns = dialect.targets.length
    this.spare = dialect.slots
    this.row = new Row(dialect.slots)
    this.targets = Int32Array.from(dialect.targets, (slot) => (slot < 0 ? dialect.slots : slot))
    this.kinds.fill(HIGH, 128)
    this.kinds[dialect.delimiter.charCodeAt(0)] = DELIMITER
    this.kinds[LF] = LINE_END
    this.quote = dialect.quote === '' ? -1 : dialect.quote.charCodeAt(0)
    if (this.quote >= 0) this.kinds[this.quote] = QUOTE
  }

  /** The next row of the window into `row`; MORE: fill the window and ask again. */
  next(): Step {
    const window = this.window
    if (this.skipping && !this.skipLine()) return window.eof ? END : MORE
    for (;;) {
      if (window.at >= window.end) return window.eof ? END : MORE
      const next = this.scan(window.bytes, window.at, window.end, window.eof)
      if (next < 0) return MORE
      window.at = next
      this.row.line = this.line
      this.line += this.lineEnds
      if (!this.blank) return ROW
    }
  }

  /** Splits the row that is exactly bytes[start .. end), as it was found before. */
  split(bytes: Uint8Array, start: number, end: number): void {
    this.scan(bytes, start, end, true)
  }

  /** Passes over the rest of a row that was given up; false when its end is not in the window. */
  private skipLine(): boolean {
    const window = this.window
    const at = window.bytes.indexOf(LF, window.at)
    if (at < 0 || at >= window.end) {
      window.at = window.end
      return false
    }
    window.at = at + 1
    this.line++
    this.skipping = false
    return true
  }

  /** Scans the row at `start`; returns where the next one starts, or -1 when its end is not known yet. */
  private scan(bytes: Uint8Array, start: number, limit: number, eof: boolean): number {
    const { kinds, targets, columns, spare, quote, row } = this
    const { starts, ends } = row
    let p = start
    let column = 0
    let high = 0
    let firstLineEnd = -1
    let lineEnds = 0
    this.escaped.length = 0
    for (;;) {
      const slot = column < columns ? targets[column] : spare
      if (p < limit && bytes[p] === quote) {
        starts[slot] = ++p
        let doubled = false
        for (;;) {
          if (p >= limit) return this.openAt(bytes, start, firstLineEnd, limit, eof)
          const byte = bytes[p]
          if (byte === quote) {
            if (p + 1 >= limit && !eof) return this.openAt(bytes, start, firstLineEnd, limit, eof)
            if (p + 1 >= limit || bytes[p + 1] !== quote) break
            doubled = true
            p++
          } else if (byte === LF) {
            if (firstLineEnd < 0) firstLineEnd = p
            if (++lineEnds > maxQuotedLines || p - firstLineEnd > maxQuotedBytes) {
              return this.broken(bytes, start, firstLineEnd)
            }
          } else high |= byte
          p++
        }
        if (firstLineEnd >= 0 && p - firstLineEnd > maxQuotedBytes) return this.broken(bytes, start, firstLineEnd)
        ends[slot] = p++
        if (doubled && slot !== spare) this.escaped.push(slot)
        if (p + 1 >= limit && !eof) return this.unfinished(bytes, start, firstLineEnd, limit)
        if (p < limit && kinds[bytes[p]] === DELIMITER) {
          p++
          column++
          continue
        }
        if (p < limit && bytes[p] === CR && (p + 1 === limit || bytes[p + 1] === LF)) p++
        if (p < limit && bytes[p] !== LF) {
          if (firstLineEnd >= 0) return this.broken(bytes, start, firstLineEnd)
          return this.badLine(bytes, start, p, limit, eof)
        }
      } else {
        const from = p
        let kind = PLAIN
        for (; p < limit; p++) {
          kind = kinds[bytes[p]]
          if (kind === PLAIN) continue
          if (kind !== HIGH) break
          high = 128
        }
        starts[slot] = from
        ends[slot] = p
        if (p < limit) {
          if (kind === DELIMITER) {
            p++
            column++
            continue
          }
          if (kind === QUOTE) {
            if (firstLineEnd >= 0) return this.broken(bytes, start, firstLineEnd)
            return this.badLine(bytes, start, p, limit, eof)
          }
        } else if (!eof) return this.unfinished(bytes, start, firstLineEnd, limit)
        if (p > from && bytes[p - 1] === CR) ends[slot] = p - 1
      }
      break
    }
    const found = column + 1
    if (firstLineEnd >= 0) {
      const fits = found === columns && p - start <= maxRowBytes && p - firstLineEnd <= maxQuotedBytes
      if (!fits) return this.broken(bytes, start, firstLineEnd)
    }
    const terminated = p < limit
    let problem: DeadLetterReason | null = null
    if (found !== columns) problem = terminated || found > columns ? 'column-count' : 'row-cut'
    if (p - start > maxRowBytes) problem = 'row-too-long'
    this.found(bytes, start, p, problem)
    row.found = found
    row.terminated = terminated
    row.ascii = high < 128
    this.lineEnds = lineEnds + (terminated ? 1 : 0)
    this.blank = row.end === start
    if (this.escaped.length > 0 && problem === null) this.unescape(start)
    return terminated ? p + 1 : p
  }

  /** The window ends inside a quoted field. */
  private openAt(bytes: Uint8Array, start: number, firstLineEnd: number, limit: number, eof: boolean): number {
    if (!eof) return this.unfinished(bytes, start, firstLineEnd, limit)
    if (firstLineEnd >= 0) return this.broken(bytes, start, firstLineEnd)
    this.found(bytes, start, limit, limit - start > maxRowBytes ? 'row-too-long' : 'row-cut')
    this.lineEnds = 0
    return limit
  }

  /** The window ends inside the row: more of it has to be read, unless it is too long already. */
  private unfinished(bytes: Uint8Array, start: number, firstLineEnd: number, limit: number): number {
    if (firstLineEnd >= 0) {
      return limit - firstLineEnd > maxQuotedBytes + 2 ? this.broken(bytes, start, firstLineEnd) : -1
    }
    if (limit - start <= maxRowBytes + 1) return -1
    this.found(bytes, start, limit, 'row-too-long')
    this.skipping = true
    this.lineEnds = 0
    return limit
  }

  /** A quote is wrong in the first line of the row: it ends where that line ends. */
  private badLine(bytes: Uint8Array, start: number, from: number, limit: number, eof: boolean): number {
    const lineEnd = bytes.indexOf(LF, from)
    if (lineEnd >= 0 && lineEnd < limit) return this.broken(bytes, start, lineEnd)
    if (!eof) return this.unfinished(bytes, start, -1, limit)
    this.found(bytes, start, limit, limit - start > maxRowBytes ? 'row-too-long' : 'csv-quote')
    this.lineEnds = 0
    return limit
  }

  /** The row has a quote missing and is taken to end at its first line end. */
  private broken(bytes: Uint8Array, start: number, lineEnd: number): number {
    this.found(bytes, start, lineEnd, lineEnd - start > maxRowBytes ? 'row-too-long' : 'csv-quote')
    this.lineEnds = 1
    return lineEnd + 1
  }

  private found(bytes: Uint8Array, start: number, end: number, problem: DeadLetterReason | null): void {
    const row = this.row
    row.bytes = bytes
    row.fields = bytes
    row.start = start
    row.end = end > start && bytes[end - 1] === CR ? end - 1 : end
    row.problem = problem
    this.blank = false
  }

  /** Takes doubled quotes out of the fields that have them, in a copy of the row. */
  private unescape(start: number): void {
    const { row, targets, spare, quote } = this
    const length = row.end - start
    if (this.copy.length < length) this.copy = new Uint8Array(length * 2)
    const copy = this.copy
    copy.set(row.bytes.subarray(start, row.end))
    row.fields = copy
    for (const slot of targets) {
      if (slot === spare) continue
      row.starts[slot] -= start
      row.ends[slot] -= start
    }
    for (const slot of this.escaped) {
      let to = row.starts[slot]
      for (let at = to; at < row.ends[slot]; at++) {
        copy[to++] = copy[at]
        if (copy[at] === quote) at++
      }
      row.ends[slot] = to
    }
  }
}
