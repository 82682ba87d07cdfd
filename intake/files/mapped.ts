/** Reads rows through a mapping: a plain object per row in, a transaction or a reason for skipping out, both checked. */
import { isUtf8 } from 'node:buffer'
import { TextDecoder } from 'node:util'
import type { DeadLetterReason } from '../../schemas/reasons.ts'
import { Arena } from '../../streams/arena.ts'
import { Skip } from '../mapping.ts'
import { precisions } from './encode.ts'
import { parseJson } from './json.ts'
import type { LoadedMapping } from './load-mapping.ts'
import type { Reading } from './reading.ts'
import type { Row } from './row.ts'
import { ownColumns, slot, slots } from './slots.ts'

/** Most different reasons of one import: they stand in the position record, which holds 4,096 characters. */
export const mostSkipReasons = 24
const required = new Set<string>([
  'transactionId',
  'payerAccount',
  'payeeAccount',
  'payerBank',
  'payeeBank',
  'amount',
  'currency',
])
const known = new Set<string>(ownColumns)
/** Printable ASCII without what JSON escapes: so that reasons have a known length in the position record. */
const reasonShape = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/

export class MappedReading implements Reading {
  problem: DeadLetterReason | null = null
  detail = ''
  skip: string | null = null
  readonly precision: number
  /** `bytes` is another array after the arena has grown. */
  readonly fields: { bytes: Uint8Array; readonly starts: Int32Array; readonly ends: Int32Array }
  private readonly mapping: LoadedMapping
  private readonly columns: readonly string[] | null
  /** A column may be called anything; but only rows with a prototype are fast to make. */
  private readonly plain: boolean
  private readonly decoder: TextDecoder | null
  private readonly arena = new Arena(1024)
  private readonly starts = new Int32Array(slots)
  private readonly ends = new Int32Array(slots)

  /** `columns`: names of the CSV columns, by slot; null for NDJSON. */
  constructor(mapping: LoadedMapping, columns: readonly string[] | null) {
    this.mapping = mapping
    this.columns = columns
    this.plain = columns === null || !columns.includes('__proto__')
    const encoding = mapping.declaration.encoding ?? 'utf-8'
    this.decoder = /^utf-?8$/i.test(encoding) ? null : new TextDecoder(encoding)
    this.precision = precisions.indexOf(mapping.declaration.timePrecision ?? 'second')
    this.fields = { bytes: this.arena.bytes, starts: this.starts, ends: this.ends }
  }

  time(row: Row): number {
    this.problem = row.problem
    this.detail = ''
    this.skip = null
    if (row.problem !== null) return Number.NaN
    if (this.decoder === null && !row.ascii && !isUtf8(row.bytes.subarray(row.start, row.end))) {
      return this.fail('text-encoding', '')
    }
    const source = this.columns === null ? this.jsonRow(row) : this.csvRow(row, this.columns)
    if (source === null) return this.fail(row.terminated ? 'json-syntax' : 'row-cut', '')
    let result: unknown
    try {
      result = this.mapping.declaration.map(source, this.mapping.tools)
    } catch (error) {
      return this.fail('mapping-threw', thrown(error))
    }
    try {
      return this.take(result)
    } catch (error) {
      // A getter or a proxy in the result.
      return this.fail('mapping-threw', thrown(error))
    }
  }

  private fail(reason: DeadLetterReason, detail: string): number {
    this.problem = reason
    this.detail = detail
    return Number.NaN
  }

  private csvRow(row: Row, columns: readonly string[]): Record<string, string> {
    const source: Record<string, string> = this.plain ? {} : (Object.create(null) as Record<string, string>)
    const { starts, ends } = row
    if (row.fields === row.bytes && (row.ascii || this.decoder !== null)) {
      // One byte a character: the row is decoded once, and its fields are slices of it.
      const text = this.text(row.bytes, row.start, row.end)
      for (let index = 0; index < columns.length; index++) {
        source[columns[index]] = text.slice(starts[index] - row.start, ends[index] - row.start)
      }
      return source
    }
    for (let index = 0; index < columns.length; index++) {
      source[columns[index]] = this.text(row.fields, starts[index], ends[index])
    }
    return source
  }

  private jsonRow(row: Row): Record<string, string> | null {
    try {
      const value = parseJson(this.text(row.bytes, row.start, row.end))
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
      return value as Record<string, string>
    } catch {
      // Whatever JSON.parse minds, the line becomes a dead letter with its bytes.
      return null
    }
  }

  private text(bytes: Uint8Array, start: number, end: number): string {
    if (this.decoder !== null) return this.decoder.decode(bytes.subarray(start, end))
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
  }

  /** Writes a text into the arena as UTF-8. */
  private put(value: string): void {
    const { arena } = this
    const { length } = value
    arena.reserve(length)
    const { bytes, position } = arena
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 127) {
        const utf8 = Buffer.from(value, 'utf8')
        arena.copy(utf8, 0, utf8.length)
        return
      }
      bytes[position + i] = code
    }
    arena.position = position + length
  }

  /** Checks a result and lays its fields out by slot. */
  private take(result: unknown): number {
    if (result instanceof Skip) {
      if (!reasonShape.test(String(result.reason))) {
        return this.fail('mapping-result', 'A reason has 1 to 64 printable ASCII characters, without " and \\.')
      }
      this.skip = result.reason
      return Number.NaN
    }
    if (result instanceof Promise) {
      // Nobody waits for it; its failure must not end the process.
      result.catch(() => undefined)
      return this.fail('mapping-result', 'It gave a promise: a mapping is not asynchronous.')
    }
    if (typeof result !== 'object' || result === null) return this.fail('mapping-result', `It gave ${named(result)}.`)
    const values = result as Record<string, unknown>
    for (const name of Object.keys(values)) {
      if (!known.has(name))
        return this.fail('mapping-result', `It gave a field '${name.slice(0, 40)}', which is not known.`)
    }
    const { occurredAt } = values
    if (typeof occurredAt !== 'number')
      return this.fail('mapping-result', `occurredAt is ${named(occurredAt)}, not a number.`)
    this.arena.clear()
    for (let index = 0; index < slots; index++) {
      const name = ownColumns[index]
      this.starts[index] = this.arena.position
      const value = index === slot.occurredAt ? '' : (values[name] ?? (required.has(name) ? undefined : ''))
      if (typeof value !== 'string') return this.fail('mapping-result', `${name} is ${named(value)}, not a text.`)
      this.put(value)
      this.ends[index] = this.arena.position
    }
    this.fields.bytes = this.arena.bytes
    return Number.isSafeInteger(occurredAt) ? occurredAt : Number.NaN
  }
}

const named = (value: unknown): string => (value === null ? 'null' : typeof value)

function thrown(error: unknown): string {
  let text = 'something that is no Error'
  try {
    text = error instanceof Error ? error.message : String(error)
  } catch {
    // Not even its message can be read.
  }
  return `It said: ${text.slice(0, 200)}.`
}
