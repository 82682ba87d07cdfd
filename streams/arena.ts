/** A growing buffer that bytes are written into in place: Avro values, Kafka varints, slices of other buffers. */

const encoder = new TextEncoder()

/** Bytes that a value takes as a zigzag varint, 1 to 10. `value`: an integer, exact up to 2^53. */
export function varintSize(value: number): number {
  let zigzag = value >= 0 ? value * 2 : value * -2 - 1
  let size = 1
  while (zigzag >= 128) {
    zigzag = Math.floor(zigzag / 128)
    size++
  }
  return size
}

/**
 * Writes an integer as a zigzag varint (Avro int and long, Kafka varint) and returns the position after it; at most 10
 * bytes. Exact up to 2^53 in both directions; the caller has reserved the room.
 */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value >= -0x40000000 && value <= 0x3fffffff) {
    let zigzag = (value << 1) ^ (value >> 31)
    while (zigzag > 127) {
      bytes[at++] = (zigzag & 127) | 128
      zigzag >>>= 7
    }
    bytes[at++] = zigzag
    return at
  }
  return writeLargeVarint(bytes, at, value)
}

function writeLargeVarint(bytes: Uint8Array, at: number, value: number): number {
  const negative = value < 0
  // zigzag(v) = 2v or 2|v| - 1; taken as high * 2^28 + low from |v| or |v| - 1, so that nothing passes 2^53.
  const half = negative ? -value - 1 : value
  const high = Math.floor(half / 0x8000000)
  const low = (half - high * 0x8000000) * 2 + (negative ? 1 : 0)
  bytes[at] = (low & 127) | 128
  bytes[at + 1] = ((low >>> 7) & 127) | 128
  bytes[at + 2] = ((low >>> 14) & 127) | 128
  bytes[at + 3] = ((low >>> 21) & 127) | 128
  // 28 bits are written; `high` (at most 2^26) follows, and is not zero here: |value| >= 2^30 - 1.
  at += 4
  let rest = high | 0
  while (rest > 127) {
    bytes[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

/** A buffer with a position. Compiled code writes into `bytes` itself, after `reserve`; cold code uses the methods. */
export class Arena {
  bytes: Uint8Array
  view: DataView
  /** Where the next byte goes. */
  position = 0

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Makes room for `size` more bytes; `bytes` and `view` may be other objects afterwards. */
  reserve(size: number): void {
    const needed = this.position + size
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.position))
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }

  clear(): void {
    this.position = 0
  }

  /** One byte: an Avro boolean, a union or enum index below 64 (times 2), the end of an array. */
  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.position++] = value
  }

  /** An Avro int or long. */
  long(value: number): void {
    this.reserve(10)
    this.position = writeVarint(this.bytes, this.position, value)
  }

  float(value: number): void {
    this.reserve(4)
    this.view.setFloat32(this.position, value, true)
    this.position += 4
  }

  double(value: number): void {
    this.reserve(8)
    this.view.setFloat64(this.position, value, true)
    this.position += 8
  }

  /** An Avro string from a JavaScript one, as UTF-8. */
  text(value: string): void {
    this.reserve(value.length * 3 + 10)
    const length = value.length < 64 ? asciiInto(value, this.bytes, this.position + 1) : -1
    if (length >= 0) {
      this.bytes[this.position] = length << 1
      this.position += 1 + length
      return
    }
    const utf8 = encoder.encode(value)
    this.slice(utf8, 0, utf8.length)
  }

  /** Avro string or bytes: length and content of a slice. */
  slice(bytes: Uint8Array, offset: number, length: number): void {
    this.reserve(length + 10)
    this.position = writeVarint(this.bytes, this.position, length)
    this.copy(bytes, offset, length)
  }

  /** The bytes of a slice as they are. */
  copy(bytes: Uint8Array, offset: number, length: number): void {
    this.reserve(length)
    const to = this.bytes
    const at = this.position
    if (length > 64) to.set(bytes.subarray(offset, offset + length), at)
    else for (let i = 0; i < length; i++) to[at + i] = bytes[offset + i]
    this.position = at + length
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.bytes.slice(0, this.position)
  }
}

/** Writes ASCII text and returns its length; -1 when there is another character, then nothing counts as written. */
function asciiInto(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return -1
    bytes[at + i] = code
  }
  return text.length
}
