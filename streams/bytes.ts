/** Compact encoding of state entries: unsigned varints up to 2^53, doubles, byte strings. */

/**
 * A copy of a part: what is kept for long must not keep the megabyte that it came in. Not `slice`, which shares memory
 * when the bytes are a Buffer.
 */
export const copyOf = (bytes: Uint8Array, from = 0, to = bytes.length): Uint8Array =>
  new Uint8Array(bytes.subarray(from, to))

const double = new Float64Array(1)
const doubleBytes = new Uint8Array(double.buffer)

/** Size of a common buffer. */
const CHUNK = 1 << 16

/**
 * Writes entries one after the other: `take` gives out what was written since the last one. Entries lie in common buffers
 * that are never written again: one of its own for each would cost more than what is in it.
 */
export class ByteWriter {
  private buffer: Uint8Array
  private start = 0
  private at = 0

  constructor(capacity = 4096) {
    this.buffer = new Uint8Array(capacity)
  }

  /** Bytes since the last `take`. */
  get length(): number {
    return this.at - this.start
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const pending = this.buffer.subarray(this.start, this.at)
    const larger = new Uint8Array(Math.max(CHUNK, (pending.length + bytes) * 2))
    larger.set(pending)
    this.buffer = larger
    this.at = pending.length
    this.start = 0
  }

  /** An integer from 0 to 2^53. */
  varint(value: number): void {
    this.room(8)
    while (value >= 128) {
      this.buffer[this.at++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    this.buffer[this.at++] = value
  }

  /** A signed 32-bit integer. */
  int32(value: number): void {
    this.room(4)
    this.buffer[this.at++] = value
    this.buffer[this.at++] = value >>> 8
    this.buffer[this.at++] = value >>> 16
    this.buffer[this.at++] = value >>> 24
  }

  double(value: number): void {
    this.room(8)
    double[0] = value
    this.buffer.set(doubleBytes, this.at)
    this.at += 8
  }

  bytes(source: Uint8Array, offset = 0, length = source.length): void {
    this.varint(length)
    this.room(length)
    for (let i = 0; i < length; i++) this.buffer[this.at + i] = source[offset + i]
    this.at += length
  }

  /** The bytes alone, without their length. */
  raw(source: Uint8Array): void {
    this.room(source.length)
    this.buffer.set(source, this.at)
    this.at += source.length
  }

  text(value: string): void {
    this.bytes(new TextEncoder().encode(value))
  }

  take(): Uint8Array {
    const taken = this.buffer.subarray(this.start, this.at)
    this.start = this.at
    return taken
  }
}

/** Reads what ByteWriter wrote; reading past the end is an assertion. */
export class ByteReader {
  private readonly buffer: Uint8Array
  private at = 0

  constructor(buffer: Uint8Array) {
    this.buffer = buffer
  }

  get done(): boolean {
    return this.at >= this.buffer.length
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      if (this.at >= this.buffer.length) throw new Error('state entry is cut')
      const byte = this.buffer[this.at++]
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
  }

  int32(): number {
    if (this.at + 4 > this.buffer.length) throw new Error('state entry is cut')
    const b = this.buffer
    return b[this.at++] | (b[this.at++] << 8) | (b[this.at++] << 16) | (b[this.at++] << 24)
  }

  double(): number {
    if (this.at + 8 > this.buffer.length) throw new Error('state entry is cut')
    for (let i = 0; i < 8; i++) doubleBytes[i] = this.buffer[this.at++]
    return double[0]
  }

  bytes(): Uint8Array {
    const length = this.varint()
    if (this.at + length > this.buffer.length) throw new Error('state entry is cut')
    this.at += length
    return this.buffer.subarray(this.at - length, this.at)
  }

  text(): string {
    return new TextDecoder().decode(this.bytes())
  }
}
