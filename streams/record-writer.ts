/** Writes Kafka record batches (format v2, layout in records.ts) in place, values straight from columns. */
import { Arena, varintSize, writeVarint } from './arena.ts'
import { crc32c } from './hash.ts'

/** Bytes before the first record. */
export const BATCH_HEADER = 61
const TRANSACTIONAL = 0x10

/** What a Kafka producer says about itself in a batch. */
export interface ProducerFields {
  readonly producerId: bigint
  readonly epoch: number
  readonly sequence: number
  readonly transactional: boolean
}

/**
 * Builds v2 batches in an arena. A value is either appended whole, or written in place between `open` and `close`:
 * two bytes are reserved for each length, which fits values from 64 to 8191 bytes; others are shifted.
 */
export class RecordBatchWriter extends Arena {
  /** Records so far. */
  count = 0
  baseTime = 0
  maxTime = 0
  private recordStart = 0
  /** Where the batch begins; sealed ones stand in front of it. */
  batchStart = 0

  constructor(capacity = 1 << 16) {
    super(Math.max(capacity, BATCH_HEADER))
    this.position = BATCH_HEADER
  }

  /** Starts an empty batch. `baseTimestamp`: usually the first record's, milliseconds. */
  begin(baseTimestamp: number): void {
    this.reserve(this.batchStart + BATCH_HEADER - this.position)
    this.position = this.batchStart + BATCH_HEADER
    this.count = 0
    this.baseTime = baseTimestamp
    this.maxTime = Number.NEGATIVE_INFINITY
  }

  /**
   * Begins a record and returns where its value starts; the value is then written at `position`. `key` null: no key.
   */
  open(timestamp: number, key: Uint8Array | null, keyOffset: number, keyLength: number): number {
    this.reserve(48 + (key === null ? 0 : keyLength))
    this.recordStart = this.position
    const bytes = this.bytes
    let p = this.position + 2
    bytes[p++] = 0
    p = writeVarint(bytes, p, timestamp - this.baseTime)
    p = writeVarint(bytes, p, this.count)
    if (key === null) bytes[p++] = 1
    else {
      p = writeVarint(bytes, p, keyLength)
      this.position = p
      this.copy(key, keyOffset, keyLength)
      p = this.position
    }
    if (timestamp > this.maxTime) this.maxTime = timestamp
    this.position = p + 2
    return p + 2
  }

  /** Ends the record whose value was written from `valueStart` to `position`; returns where the value starts now. */
  close(valueStart: number): number {
    this.count++
    return this.closeAt(this.recordStart, valueStart)
  }

  /** The same for a record that a compiled loop has begun at `recordStart`, and counts itself. */
  closeAt(recordStart: number, valueStart: number): number {
    this.reserve(8)
    valueStart = this.lengthInFront(valueStart, this.position - valueStart)
    this.bytes[this.position++] = 0
    const bodyStart = recordStart + 2
    const shift = this.lengthInFront(bodyStart, this.position - bodyStart) - bodyStart
    return valueStart + shift
  }

  /** A compiled loop has written records up to `position`: `count` in all, the latest at `maxTime`. */
  wrote(position: number, count: number, maxTime: number): void {
    this.position = position
    this.count = count
    this.maxTime = maxTime
  }

  /** Ends a record without a value (a tombstone). */
  closeNull(valueStart: number): void {
    this.position = valueStart - 2
    this.bytes[this.position++] = 1
    this.bytes[this.position++] = 0
    const bodyStart = this.recordStart + 2
    this.lengthInFront(bodyStart, this.position - bodyStart)
    this.count++
  }

  /** Appends a record with a whole value; null is a tombstone. */
  append(
    timestamp: number,
    key: Uint8Array | null,
    keyOffset: number,
    keyLength: number,
    value: Uint8Array | null,
  ): void {
    const start = this.open(timestamp, key, keyOffset, keyLength)
    if (value === null) {
      this.closeNull(start)
      return
    }
    this.copy(value, 0, value.length)
    this.close(start)
  }

  /** Writes a length into the two bytes in front of `start`, shifting what follows when it takes more or fewer. */
  private lengthInFront(start: number, length: number): number {
    if (length >= 64 && length < 8192) {
      const zigzag = length << 1
      this.bytes[start - 2] = (zigzag & 127) | 128
      this.bytes[start - 1] = zigzag >> 7
      return start
    }
    const shift = varintSize(length) - 2
    this.reserve(shift)
    this.bytes.copyWithin(start + shift, start, this.position)
    this.position += shift
    writeVarint(this.bytes, start - 2, length)
    return start + shift
  }

  /** The batch as a copy, base offset 0, with its checksum. The writer can be begun again. */
  finish(producer?: ProducerFields): Uint8Array {
    this.seal(producer)
    return this.takeAll()
  }

  /** Ends the batch where it stands, base offset 0, with its checksum: the next one begins behind it. */
  seal(producer?: ProducerFields): void {
    if (this.count === 0) throw new Error('a record batch must have at least one record')
    const { view, batchStart: at } = this
    view.setBigInt64(at, 0n)
    view.setInt32(at + 8, this.position - at - 12)
    view.setInt32(at + 12, -1)
    view.setInt8(at + 16, 2)
    view.setInt16(at + 21, producer?.transactional === true ? TRANSACTIONAL : 0)
    view.setInt32(at + 23, this.count - 1)
    view.setBigInt64(at + 27, BigInt(this.baseTime))
    view.setBigInt64(at + 35, BigInt(this.maxTime))
    view.setBigInt64(at + 43, producer?.producerId ?? -1n)
    view.setInt16(at + 51, producer?.epoch ?? -1)
    view.setInt32(at + 53, producer?.sequence ?? -1)
    view.setInt32(at + 57, this.count)
    view.setUint32(at + 17, crc32c(this.bytes.subarray(at + 21, this.position)))
    this.batchStart = this.position
    this.count = 0
  }

  /** A copy of the batches that were sealed; the writer is empty afterwards. */
  takeAll(): Uint8Array {
    // Not slice: it clears the memory that it is about to write.
    const taken = new Uint8Array(Buffer.allocUnsafeSlow(this.batchStart).buffer)
    taken.set(this.bytes.subarray(0, this.batchStart))
    this.batchStart = 0
    this.position = BATCH_HEADER
    return taken
  }
}
