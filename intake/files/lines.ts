/** Splits NDJSON bytes into lines; blank lines are no rows. */
import { END, MORE, maxRowBytes, ROW, Row, type Step } from './row.ts'
import type { Window } from './window.ts'

const LF = 10

export class LineScanner {
  readonly row = new Row(0)
  private readonly window: Window
  private line: number
  private skipping = false

  constructor(window: Window, line: number) {
    this.window = window
    this.line = line
  }

  next(): Step {
    const window = this.window
    for (;;) {
      if (window.at >= window.end) return window.eof ? END : MORE
      const start = window.at
      let at = window.bytes.indexOf(LF, start)
      if (at >= window.end) at = -1
      if (at < 0 && !window.eof) {
        if (this.skipping) window.at = window.end
        else if (window.end - start > maxRowBytes + 1) {
          this.skipping = true
          return this.found(start, window.end, window.end, false)
        }
        return MORE
      }
      const end = at < 0 ? window.end : at
      const next = at < 0 ? window.end : at + 1
      if (this.skipping) {
        this.skipping = false
        window.at = next
        this.line++
        continue
      }
      this.found(start, end, next, at >= 0)
      if (at >= 0) this.line++
      if (!this.isBlank()) return ROW
    }
  }

  /** Takes bytes[start .. end) as the row. */
  split(bytes: Uint8Array, start: number, end: number): void {
    this.set(bytes, start, end, true)
  }

  private found(start: number, end: number, next: number, terminated: boolean): Step {
    this.set(this.window.bytes, start, end, terminated)
    this.row.line = this.line
    this.window.at = next
    return ROW
  }

  private set(bytes: Uint8Array, start: number, end: number, terminated: boolean): void {
    const row = this.row
    row.bytes = bytes
    row.start = start
    row.end = end > start && bytes[end - 1] === 13 ? end - 1 : end
    row.problem = end - start > maxRowBytes ? 'row-too-long' : null
    row.terminated = terminated
    row.ascii = false
  }

  private isBlank(): boolean {
    const { bytes, start, end } = this.row
    for (let at = start; at < end; at++) {
      const byte = bytes[at]
      if (byte !== 32 && byte !== 9 && byte !== 13) return false
    }
    return true
  }
}
