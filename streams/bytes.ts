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
    const { buffer } = this
    let at = this.at
    if (value >= 0x10000000) {
      // The lowest 28 bits; then the rest fits into 32 bits, where division is a shift.
      const high = Math.floor(value / 0x10000000)
      const low = value - high * 0x10000000
      buffer[at] = (low & 127) | 128
      buffer[at + 1] = ((low >> 7) & 127) | 128
      buffer[at + 2] = ((low >> 14) & 127) | 128
      buffer[at + 3] = (low >> 21) | 128
      at += 4
      value = high
    }
    let rest = value | 0
    while (rest > 127) {
      buffer[at++] = (rest & 127) | 128
      rest >>= 7
    }
    buffer[at++] = rest
    this.at = at
  }

  /** A signed 32-bit integer. */
  int32(value: number): void {
    this.room(4)
    const { buffer, at } = this
    buffer[at] = value
    buffer[at + 1] = value >>> 8
    buffer[at + 2] = value >>> 16
    buffer[at + 3] = value >>> 24
    this.at = at + 4
  }

  double(value: number): void {
    this.room(8)
    double[0] = value
    const { buffer, at } = this
    for (let i = 0; i < 8; i++) buffer[at + i] = doubleBytes[i]
    this.at = at + 8
  }

  bytes(source: Uint8Array, offset = 0, length = source.length): void {
    this.varint(length)
    this.room(length)
    for (let i = 0; i < length; i++) this.buffer[this.at + i] = source[offset + i]
    this.at += length
  }

  /** The bytes alone, without their length. */
  raw(source: Uint8Array, offset = 0, length = source.length): void {
    this.room(length)
    const { buffer, at } = this
    if (length > 64)
      buffer.set(offset === 0 && length === source.length ? source : source.subarray(offset, offset + length), at)
    else for (let i = 0; i < length; i++) buffer[at + i] = source[offset + i]
    this.at = at + length
  }

  text(value: string): void {
    this.bytes(new TextEncoder().encode(value))
  }

  /** Where what was written since the last cut stands; `buffer` is an array of its own. */
  cut(): { readonly buffer: Uint8Array; readonly from: number; readonly to: number } {
    const from = this.start
    this.start = this.at
    return { buffer: this.buffer, from, to: this.at }
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
