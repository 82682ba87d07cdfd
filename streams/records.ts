/**
 * Kafka record batches (format v2) as bytes: walked into the rows of a frame. The writer is in record-writer.ts.
 *
 * Layout: 0 base offset i64, 8 length i32 (from 12 on), 12 leader epoch i32, 16 magic i8, 17 CRC-32C u32 (from 21 on),
 * 21 attributes i16, 23 last offset delta i32, 27 base timestamp i64, 35 max timestamp i64, 43 producer id i64,
 * 51 producer epoch i16, 53 base sequence i32, 57 record count i32, 61 records.
 */
import { constants, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Column, Frame } from './batch.ts'
import { CodedError } from './errors.ts'
import { crc32c } from './hash.ts'
import { BATCH_HEADER } from './record-writer.ts'

export { BATCH_HEADER, RecordBatchWriter } from './record-writer.ts'
export type { ProducerFields } from './record-writer.ts'

const COMPRESSION = 0x07
const LOG_APPEND_TIME = 0x08
const CONTROL = 0x20

/** A record batch that is damaged or cannot be read. */
export class RecordBatchError extends CodedError {
  /** Base offset of the batch. */
  readonly offset: number

  constructor(
    code: 'SLUICE_BATCH_DAMAGED' | 'SLUICE_BATCH_UNSUPPORTED',
    source: string,
    offset: number,
    at: number,
    what: string,
  ) {
    super(code, `${source}: record batch at offset ${offset} (byte ${at}): ${what}`)
    this.offset = offset
  }
}

/** A frame without columns, with room for `capacity` rows. */
export function newFrame(capacity: number): Frame {
  const bytes = new Uint8Array(0)
  return {
    rows: 0,
    bytes,
    view: new DataView(bytes.buffer),
    offsets: new Float64Array(capacity),
    acceptedAt: new Float64Array(capacity),
    keyOffsets: new Int32Array(capacity),
    keyLengths: new Int32Array(capacity),
    valueOffsets: new Int32Array(capacity),
    valueEnds: new Int32Array(capacity),
    recordTypes: new Uint8Array(capacity),
    streamTime: new Float64Array(capacity),
    columns: new Map(),
  }
}

/** Makes room for `capacity` rows in every array of the frame, columns included; what is there stays. */
export function grow(frame: Frame, capacity: number): void {
  if (frame.offsets.length >= capacity) return
  const size = Math.max(capacity, frame.offsets.length * 2)
  frame.offsets = doubles(frame.offsets, size)
  frame.acceptedAt = doubles(frame.acceptedAt, size)
  frame.keyOffsets = ints(frame.keyOffsets, size)
  frame.keyLengths = ints(frame.keyLengths, size)
  frame.valueOffsets = ints(frame.valueOffsets, size)
  frame.valueEnds = ints(frame.valueEnds, size)
  frame.recordTypes = codes(frame.recordTypes, size)
  frame.streamTime = doubles(frame.streamTime, size)
  for (const [name, column] of frame.columns) frame.columns.set(name, grownColumn(column, size))
}

function grownColumn(column: Column, size: number): Column {
  switch (column.kind) {
    case 'text':
      return { ...column, offsets: ints(column.offsets, size), lengths: ints(column.lengths, size) }
    case 'number':
      return { ...column, values: doubles(column.values, size) }
    case 'code':
      return { ...column, values: codes(column.values, size) }
    case 'raw':
      return { ...column, starts: ints(column.starts, size), ends: ints(column.ends, size) }
  }
}

const doubles = (from: Float64Array, size: number): Float64Array => {
  const to = new Float64Array(size)
  to.set(from)
  return to
}
const ints = (from: Int32Array, size: number): Int32Array => {
  const to = new Int32Array(size)
  to.set(from)
  return to
}
const codes = (from: Uint8Array, size: number): Uint8Array => {
  const to = new Uint8Array(size)
  to.set(from)
  return to
}

const int64 = (view: DataView, at: number): number => view.getInt32(at) * 0x100000000 + view.getUint32(at + 4)

/** Bytes of the whole batch at `at`, or 0 when it is cut off by the end of `bytes` (a fetch may end inside a batch). */
function batchSize(view: DataView, at: number, source: string): number {
  if (at + 12 > view.byteLength) return 0
  const length = view.getInt32(at + 8)
  const damaged = (what: string): RecordBatchError =>
    new RecordBatchError('SLUICE_BATCH_DAMAGED', source, int64(view, at), at, what)
  if (length < BATCH_HEADER - 12) throw damaged(`length ${length}`)
  if (at + 12 + length > view.byteLength) return 0
  const magic = view.getInt8(at + 16)
  if (magic !== 2) throw damaged(`format version ${magic}, expected 2`)
  return 12 + length
}

function checkedCount(bytes: Uint8Array, view: DataView, at: number, size: number, source: string): number {
  const damaged = (what: string): RecordBatchError =>
    new RecordBatchError('SLUICE_BATCH_DAMAGED', source, int64(view, at), at, what)
  if (crc32c(bytes.subarray(at + 21, at + size)) !== view.getUint32(at + 17))
    throw damaged('the checksum does not match')
  const count = view.getInt32(at + 57)
  // A record takes at least 7 bytes; a count beyond that would only make us reserve memory.
  if (count < 0 || count > (size - BATCH_HEADER) / 7) {
    if ((view.getInt16(at + 21) & COMPRESSION) === 0) throw damaged(`${count} records in ${size} bytes`)
  }
  return count
}

/**
 * Walks every whole batch in `bytes` and makes its records the rows of the frame: offsets, acceptance times, key and
 * value
 * slices, in place. Records below `fromOffset` and control batches are skipped. Returns the offset after the last whole
 * batch, or `fromOffset` when there is none. `source` names topic and partition in errors.
 * Errors: RecordBatchError for a wrong checksum or structure, and for a compressed batch (see `inflate`).
 */
export function walk(bytes: Uint8Array, fromOffset: number, frame: Frame, source = 'log'): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  frame.bytes = bytes
  frame.view = view
  let rows = 0
  let next = fromOffset
  for (let at = 0, size = 0; (size = batchSize(view, at, source)) !== 0; at += size) {
    const count = checkedCount(bytes, view, at, size, source)
    next = Math.max(next, int64(view, at) + view.getInt32(at + 23) + 1)
    const attributes = view.getInt16(at + 21)
    if ((attributes & CONTROL) !== 0) continue
    if ((attributes & COMPRESSION) !== 0) {
      throw new RecordBatchError('SLUICE_BATCH_UNSUPPORTED', source, int64(view, at), at, 'it is compressed')
    }
    if (rows + count > frame.offsets.length) grow(frame, rows + count)
    rows = walkBatch(bytes, view, at, size, count, fromOffset, frame, rows, source)
  }
  frame.rows = rows
  return next
}

function walkBatch(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  size: number,
  count: number,
  fromOffset: number,
  frame: Frame,
  row: number,
  source: string,
): number {
  const { offsets, acceptedAt, keyOffsets, keyLengths, valueOffsets, valueEnds } = frame
  const base = int64(view, at)
  const baseTime = int64(view, at + 27)
  const appendTime = (view.getInt16(at + 21) & LOG_APPEND_TIME) !== 0 ? int64(view, at + 35) : Number.NaN
  const limit = at + size
  let p = at + BATCH_HEADER
  for (let i = 0; i < count; i++) {
    let byte = bytes[p++]
    let value = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[p++]
      value |= (byte & 127) << shift
    }
    const end = p + (value >>> 1)
    if (end > limit || (value & 1) !== 0) throw damagedRecord(source, base, at, i)
    p++
    byte = bytes[p++]
    let delta = 0
    if (byte < 128) delta = (byte >>> 1) ^ -(byte & 1)
    else {
      let scale = 128
      let zigzag = byte & 127
      do {
        byte = bytes[p++]
        zigzag += (byte & 127) * scale
        scale *= 128
      } while (byte > 127 && p < end)
      delta = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
    }
    byte = bytes[p++]
    value = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[p++]
      value |= (byte & 127) << shift
    }
    const offset = base + ((value >>> 1) ^ -(value & 1))
    byte = bytes[p++]
    value = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[p++]
      value |= (byte & 127) << shift
    }
    const keyLength = (value >>> 1) ^ -(value & 1)
    const keyOffset = p
    if (keyLength > 0) p += keyLength
    if (p >= end) throw damagedRecord(source, base, at, i)
    byte = bytes[p++]
    value = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[p++]
      value |= (byte & 127) << shift
    }
    const valueLength = (value >>> 1) ^ -(value & 1)
    const valueEnd = valueLength < 0 ? p : p + valueLength
    // After the value comes at least the number of headers.
    if (valueEnd >= end || p > valueEnd) throw damagedRecord(source, base, at, i)
    if (offset >= fromOffset) {
      offsets[row] = offset
      acceptedAt[row] = appendTime === appendTime ? appendTime : baseTime + delta
      keyOffsets[row] = keyOffset
      keyLengths[row] = keyLength < 0 ? -1 : keyLength
      valueOffsets[row] = p
      valueEnds[row] = valueLength < 0 ? -1 : valueEnd
      row++
    }
    p = end
  }
  if (p !== limit) throw damagedRecord(source, base, at, count)
  return row
}

const damagedRecord = (source: string, base: number, at: number, index: number): RecordBatchError =>
  new RecordBatchError('SLUICE_BATCH_DAMAGED', source, base, at, `record ${index} does not fit into its batch`)

/**
 * The same batches with compressed ones (gzip, zstd) inflated; the array itself when none is compressed. No batch may
 * inflate beyond `maxBytes`: a few bytes can stand for gigabytes.
 */
export function inflate(bytes: Uint8Array, maxBytes: number, source = 'log'): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: Uint8Array[] = []
  let compressed = false
  for (let at = 0, size = 0; (size = batchSize(view, at, source)) !== 0; at += size) {
    const batch = bytes.subarray(at, at + size)
    const codec = view.getInt16(at + 21) & COMPRESSION
    if (codec !== 0) {
      checkedCount(bytes, view, at, size, source)
      compressed = true
    }
    parts.push(codec === 0 ? batch : inflatedBatch(batch, codec, maxBytes, int64(view, at), at, source))
  }
  return compressed ? new Uint8Array(Buffer.concat(parts)) : bytes
}

function inflatedBatch(
  batch: Uint8Array,
  codec: number,
  maxBytes: number,
  offset: number,
  at: number,
  source: string,
): Uint8Array {
  const body = batch.subarray(BATCH_HEADER)
  let records: Uint8Array
  try {
    if (codec === 1) records = gunzipSync(body, { maxOutputLength: maxBytes, finishFlush: constants.Z_FINISH })
    else if (codec === 4) records = zstdDecompressSync(body, { maxOutputLength: maxBytes })
    else {
      const name = codec === 2 ? 'snappy' : codec === 3 ? 'lz4' : `codec ${codec}`
      throw new RecordBatchError('SLUICE_BATCH_UNSUPPORTED', source, offset, at, `compressed with ${name}`)
    }
  } catch (error) {
    if (error instanceof RecordBatchError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new RecordBatchError('SLUICE_BATCH_DAMAGED', source, offset, at, `it does not inflate: ${why}`)
  }
  const whole = new Uint8Array(BATCH_HEADER + records.length)
  whole.set(batch.subarray(0, BATCH_HEADER))
  whole.set(records, BATCH_HEADER)
  const view = new DataView(whole.buffer)
  view.setInt32(8, whole.length - 12)
  view.setInt16(21, view.getInt16(21) & ~COMPRESSION)
  view.setUint32(17, crc32c(whole.subarray(21)))
  return whole
}

/** Number of records in whole batches back to back. */
export function countRecords(batches: Uint8Array): number {
  const view = new DataView(batches.buffer, batches.byteOffset, batches.byteLength)
  let count = 0
  for (let at = 0, size = 0; (size = batchSize(view, at, 'batches')) !== 0; at += size) count += view.getInt32(at + 57)
  return count
}

/**
 * Sets the base offsets of batches back to back, the first to `offset`, in place (the base offset is outside the
 * checksum). Returns the offset after the last record.
 */
export function setBaseOffset(batches: Uint8Array, offset: number): number {
  const view = new DataView(batches.buffer, batches.byteOffset, batches.byteLength)
  let at = 0
  for (let size = 0; (size = batchSize(view, at, 'batches')) !== 0; at += size) {
    view.setBigInt64(at, BigInt(offset))
    offset += view.getInt32(at + 23) + 1
  }
  if (at !== batches.length) throw new Error(`record batches end at byte ${at} of ${batches.length}`)
  return offset
}
