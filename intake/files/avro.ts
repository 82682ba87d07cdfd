/** Rows of an Avro container file: one per record, one per damaged piece; its records as fields in our own columns. */
import { isUtf8 } from 'node:buffer'
import { exponentOf, noCurrency } from '../../schemas/currencies.ts'
import { majorText } from '../../schemas/money.ts'
import type { DeadLetterReason } from '../../schemas/reasons.ts'
import { parseSchema, type RecordType } from '../../streams/avro/schema.ts'
import { readVarint, varintOut } from '../../streams/avro/varint.ts'
import { fits, skip, SYNC_BYTES, unpack, type Header } from '../avro/container.ts'
import { TransactionReader, type TextField } from '../avro/transactions.ts'
import { precisions } from './encode.ts'
import type { Reading } from './reading.ts'
import { END, MORE, ROW, Row, type Fields, type Step } from './row.ts'
import { slot, slots, type OwnColumn } from './slots.ts'
import type { Window } from './window.ts'

/** Writers cut blocks at 16 to 64 KB, some at 2 MB; one beyond this is damage, and is read over. */
const MAX_BLOCK = 16 << 20
const MAX_UNPACKED = 64 << 20

/**
 * A block that is whole gives a row per record; where a record in it is malformed, the ones behind it cannot be found:
 * each of them is a row that cannot be read. A damaged piece, from where it was to be a block up to the next sync marker,
 * is one such row, and so is a block that cannot be unpacked.
 */
export class AvroScanner {
  readonly row = new Row(0)
  private readonly window: Window
  private readonly header: Header
  private readonly type: RecordType
  private block: Uint8Array = new Uint8Array(0)
  private at = 0
  /** Records of the block that were not given yet; of them those that cannot be read. */
  private left = 0
  private lost = 0
  /** Looking for a sync marker; the row of the damaged piece was given. */
  private damaged = false

  /** The window stands behind the header. */
  constructor(window: Window, header: Header) {
    this.window = window
    this.header = header
    this.type = parseSchema(header.schema)
  }

  next(): Step {
    for (;;) {
      if (this.lost > 0) {
        this.lost--
        return this.give(this.block, this.at, this.block.length, 'undecodable')
      }
      if (this.left > 0) return this.record()
      if (this.at < this.block.length) {
        const rest = this.at
        this.at = this.block.length
        return this.give(this.block, rest, this.block.length, 'undecodable')
      }
      if (this.damaged && !this.resynced()) return this.window.eof ? END : MORE
      const step = this.open()
      if (step !== null) return step
    }
  }

  /** Takes bytes[start .. end) as the row, as it was found before. */
  split(bytes: Uint8Array, start: number, end: number): void {
    this.set(bytes, start, end, null)
  }

  private record(): Step {
    const end = skip(this.type, this.block, this.at, this.block.length)
    if (end < 0) {
      this.lost = this.left - 1
      this.left = 0
      const start = this.at
      this.at = this.block.length
      return this.give(this.block, start, this.block.length, 'undecodable')
    }
    this.left--
    const start = this.at
    this.at = end
    return this.give(this.block, start, end, null)
  }

  /** Opens the next block; null: go on. */
  private open(): Step | null {
    const { window, header } = this
    const { bytes, at, end } = window
    if (at >= end) return window.eof ? END : MORE
    let p = readVarint(bytes, at, end)
    const count = varintOut[0]
    if (p >= 0) p = readVarint(bytes, p, end)
    const size = varintOut[0]
    // Two varints take at most 20 bytes: with more at hand they are not cut off, they are none.
    const malformed = p < 0 ? end - at >= 20 : count < 0 || size < 0 || size > MAX_BLOCK
    if (malformed) return this.damage()
    if (p < 0 || end - p < size + SYNC_BYTES) {
      if (!window.eof) return MORE
      window.at = end
      return this.give(bytes, at, end, 'row-cut')
    }
    for (let i = 0; i < SYNC_BYTES; i++) if (bytes[p + size + i] !== header.sync[i]) return this.damage()
    window.at = p + size + SYNC_BYTES
    const packed = bytes.subarray(p, p + size)
    let block: Uint8Array
    try {
      block = unpack(header.codec, packed, MAX_UNPACKED)
    } catch {
      return this.give(bytes, at, p + size, 'undecodable')
    }
    if (!fits(this.type, count, block.length)) return this.give(bytes, at, p + size, 'undecodable')
    // A block that is not packed stands in the window, which moves on.
    this.block = block === packed ? block.slice() : block
    this.at = 0
    this.left = count
    return null
  }

  private damage(): Step {
    const { window } = this
    const { bytes, at, end } = window
    this.damaged = true
    return this.give(bytes, at, end, 'undecodable')
  }

  /** Moves the window behind the next sync marker; false when there is none in it. */
  private resynced(): boolean {
    const { window, header } = this
    const found = Buffer.from(window.bytes.buffer, window.bytes.byteOffset, window.end).indexOf(header.sync, window.at)
    if (found >= 0) {
      window.at = found + SYNC_BYTES
      this.damaged = false
      return true
    }
    window.at = window.eof ? window.end : Math.max(window.at, window.end - SYNC_BYTES + 1)
    return false
  }

  private give(bytes: Uint8Array, start: number, end: number, problem: DeadLetterReason | null): Step {
    this.set(bytes, start, end, problem)
    this.row.line++
    return ROW
  }

  private set(bytes: Uint8Array, start: number, end: number, problem: DeadLetterReason | null): void {
    const { row } = this
    row.bytes = bytes
    row.start = start
    row.end = end
    row.problem = problem
    row.ascii = false
  }
}

const texts: readonly (OwnColumn & TextField)[] = [
  'producer',
  'transactionId',
  'payerAccount',
  'payeeAccount',
  'payerBank',
  'payeeBank',
  'merchant',
  'country',
  'currency',
  'originalTransactionId',
]

/** Records of a container in our own columns. */
export class AvroReading implements Reading {
  problem: DeadLetterReason | null = null
  readonly detail = ''
  readonly skip = null
  precision = 0
  readonly fields: Fields & { bytes: Uint8Array }
  private readonly reader: TransactionReader
  private position = 0

  constructor(schema: string) {
    this.reader = new TransactionReader(schema)
    this.fields = { bytes: new Uint8Array(1 << 12), starts: new Int32Array(slots), ends: new Int32Array(slots) }
  }

  time(row: Row): number {
    this.problem = row.problem
    if (row.problem !== null) return Number.NaN
    const read = this.reader.read(row.bytes, row.start, row.end)
    if (read !== 'ok') {
      this.problem = read
      return Number.NaN
    }
    this.fill(row.end - row.start)
    if (!isUtf8(this.fields.bytes.subarray(0, this.position))) {
      this.problem = 'text-encoding'
      return Number.NaN
    }
    return this.reader.number('occurredAt')
  }

  private fill(size: number): void {
    const { reader, fields } = this
    if (fields.bytes.length < size + 128) fields.bytes = new Uint8Array(2 * size + 128)
    this.position = 0
    for (const name of texts) {
      const { at, length } = reader.place(name)
      fields.starts[slot[name]] = this.position
      for (let i = 0; i < length; i++) fields.bytes[this.position++] = reader.bytes[at + i]
      fields.ends[slot[name]] = this.position
    }
    this.put('amount', this.amount())
    this.put('kind', reader.kind())
    this.put('occurredAt', String(reader.number('occurredAt')))
    this.precision = precisions.indexOf(reader.timePrecision().toLowerCase() as (typeof precisions)[number])
  }

  /** In major units, as people write it: what is no amount is then refused by the same rules. */
  private amount(): string {
    const minor = this.reader.number('amountMinor')
    const currency = this.reader.text('currency') ?? ''
    if (!Number.isSafeInteger(minor) && minor !== 2 ** 53) return minor < 0 ? '-1' : '9'.repeat(20)
    return exponentOf(currency) === noCurrency ? String(minor) : majorText(minor, currency)
  }

  private put(name: OwnColumn, text: string): void {
    const { bytes, starts, ends } = this.fields
    starts[slot[name]] = this.position
    for (let i = 0; i < text.length; i++) bytes[this.position++] = text.charCodeAt(i)
    ends[slot[name]] = this.position
  }
}
