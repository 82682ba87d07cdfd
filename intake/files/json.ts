/** Reads an NDJSON line: flat objects by a walk over the bytes, anything else by JSON.parse with numbers kept as written. */
import { Arena } from '../../streams/arena.ts'
import type { Fields } from './row.ts'
import { ownColumns, slots } from './slots.ts'

/** A JSON value with every number as the text that was written, so that no cent is lost in a double. */
export type JsonValue = string | boolean | null | JsonValue[] | { [name: string]: JsonValue }

/** Parses a line; numbers become their text. Throws SyntaxError, or RangeError when it is nested too deeply. */
export function parseJson(line: string): JsonValue {
  // `context.source` is in V8 since 11.4; the library of TypeScript does not know it yet.
  const numbersAsText = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' ? (context?.source ?? String(value)) : value
  return JSON.parse(line, numbersAsText) as JsonValue
}

const QUOTE = 34
const BACKSLASH = 92

/** Fills fields by slot from lines with our own names. */
export class FlatJson {
  fields: Fields
  /** What byte of a line above 127 there was; meaningful after `read` answered true. */
  private readonly starts = new Int32Array(slots)
  private readonly ends = new Int32Array(slots)
  private readonly arena = new Arena(4096)
  private readonly names = ownColumns.map((name) => Buffer.from(name))

  constructor() {
    this.fields = { bytes: new Uint8Array(0), starts: this.starts, ends: this.ends }
  }

  /** Reads bytes[start .. end); false when it is not a JSON object. Valid UTF-8 is the caller's to check. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.starts.fill(0)
    this.ends.fill(0)
    if (this.flat(bytes, start, end)) {
      this.fields = { bytes, starts: this.starts, ends: this.ends }
      return true
    }
    return this.parsed(bytes, start, end)
  }

  /** The fast walk; false when the line needs the slow one, whether it is right or wrong. */
  private flat(bytes: Uint8Array, start: number, end: number): boolean {
    let p = blanks(bytes, start, end)
    if (bytes[p] !== 123) return false
    p = blanks(bytes, p + 1, end)
    for (;;) {
      if (p >= end || bytes[p] !== QUOTE) return false
      const nameAt = p + 1
      p = stringEnd(bytes, nameAt, end)
      if (p < 0) return false
      const target = this.slotOf(bytes, nameAt, p)
      p = blanks(bytes, p + 1, end)
      if (bytes[p] !== 58) return false
      p = blanks(bytes, p + 1, end)
      let from = p
      let to = p
      if (bytes[p] === QUOTE) {
        from = p + 1
        to = stringEnd(bytes, from, end)
        if (to < 0) return false
        p = to + 1
      } else if (bytes[p] >= 48 && bytes[p] <= 57) {
        p = numberEnd(bytes, p, end)
        if (p < 0) return false
        to = p
      } else if (bytes[p] === 110 && bytes[p + 1] === 117 && bytes[p + 2] === 108 && bytes[p + 3] === 108) p += 4
      else return false
      if (target >= 0) {
        this.starts[target] = from
        this.ends[target] = to
      }
      p = blanks(bytes, p, end)
      if (p >= end) return false
      if (bytes[p] === 125) return blanks(bytes, p + 1, end) === end
      if (bytes[p] !== 44) return false
      p = blanks(bytes, p + 1, end)
    }
  }

  private parsed(bytes: Uint8Array, start: number, end: number): boolean {
    let value: JsonValue
    try {
      value = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8'))
    } catch {
      // Whatever JSON.parse minds, the line becomes a dead letter with its bytes.
      return false
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    this.arena.clear()
    for (let index = 0; index < slots; index++) {
      const name = ownColumns[index]
      const field = Object.hasOwn(value, name) ? value[name] : null
      this.starts[index] = this.arena.position
      if (typeof field === 'string') {
        const utf8 = Buffer.from(field, 'utf8')
        this.arena.copy(utf8, 0, utf8.length)
      }
      this.ends[index] = this.arena.position
    }
    this.fields = { bytes: this.arena.bytes, starts: this.starts, ends: this.ends }
    return true
  }

  private slotOf(bytes: Uint8Array, start: number, end: number): number {
    for (let index = 0; index < slots; index++) {
      const name = this.names[index]
      if (name.length !== end - start || name[0] !== bytes[start]) continue
      let i = 1
      while (i < name.length && name[i] === bytes[start + i]) i++
      if (i === name.length) return index
    }
    return -1
  }
}

function blanks(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && (bytes[at] === 32 || bytes[at] === 9)) at++
  return at
}

/** Where a string without escapes ends (at its quote), or -1. */
function stringEnd(bytes: Uint8Array, at: number, end: number): number {
  for (; at < end; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) return at
    if (byte === BACKSLASH || byte < 32) return -1
  }
  return -1
}

/** Where an unsigned decimal number ends, or -1 when it is written in another way (a sign, leading zeros, an exponent). */
function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  const start = at
  let dots = 0
  for (; at < end; at++) {
    const byte = bytes[at]
    if (byte >= 48 && byte <= 57) continue
    if (byte === 46 && dots === 0 && bytes[at + 1] >= 48 && bytes[at + 1] <= 57) dots++
    else break
  }
  if (bytes[start] === 48 && at - start > 1 && bytes[start + 1] !== 46) return -1
  const byte = bytes[at]
  return byte === 44 || byte === 125 || byte === 32 || byte === 9 ? at : -1
}
