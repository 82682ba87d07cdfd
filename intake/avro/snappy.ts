/**
 * Blocks packed with snappy, as container files have them: the raw format, and behind it the CRC-32 of what was packed.
 *
 * Written here because the format is frozen and small, and because nothing may be allocated on a block's word alone.
 */
import { crc32 } from 'node:zlib'
import { varintOut } from '../../streams/avro/varint.ts'

/** Bytes of the checksum, big-endian. */
const CHECKSUM = 4

/** A block that is not what snappy writes. */
export class SnappyError extends Error {
  override readonly name = 'SnappyError'
}

/** Unpacks a block with its checksum; null when it has more than `most` bytes. Errors: SnappyError. */
export function unsnap(block: Uint8Array, most: number): Uint8Array | null {
  const end = block.length - CHECKSUM
  const at = end < 0 ? -1 : varint32(block, end)
  if (at < 0) throw new SnappyError('it does not say how large it is')
  const length = varintOut[0]
  // Three bytes give 64 at most: what says that it is larger than that is not allocated.
  if (length > (end - at) * 22) throw new SnappyError('it says that it is larger than it can be')
  if (length > most) return null
  const out = new Uint8Array(length)
  fill(out, block, at, end)
  const sum = new DataView(block.buffer, block.byteOffset, block.length).getUint32(end)
  if (crc32(out) !== sum) throw new SnappyError('its checksum does not fit')
  return out
}

/** Writes the elements of block[at, end) into `out`, which they must fill. */
function fill(out: Uint8Array, block: Uint8Array, at: number, end: number): void {
  let to = 0
  let p = at
  while (p < end) {
    const tag = block[p++]
    const kind = tag & 3
    let length = tag >> 2
    if (kind === 0) {
      if (length >= 60) {
        const width = length - 59
        if (width > end - p) throw cut()
        length = little(block, p, width)
        p += width
      }
      length++
      if (length > end - p || length > out.length - to) throw cut()
      out.set(block.subarray(p, p + length), to)
      p += length
    } else {
      const width = kind === 3 ? 4 : kind
      if (width > end - p) throw cut()
      let back = little(block, p, width)
      p += width
      if (kind === 1) {
        back += (length >> 3) << 8
        length = (length & 7) + 3
      }
      length++
      if (back === 0 || back > to || length > out.length - to) throw cut()
      // What is copied may begin before it ends: a byte that was just written is read again.
      for (let i = 0; i < length; i++) out[to + i] = out[to + i - back]
    }
    to += length
  }
  if (to !== out.length) throw cut()
}

const cut = (): SnappyError => new SnappyError('it is cut off or damaged')

function little(bytes: Uint8Array, at: number, width: number): number {
  let value = 0
  for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[at + i]
  return value
}

/** An unsigned varint of at most 32 bits at the begin of a block into varintOut[0]; position behind it, -1: none. */
function varint32(block: Uint8Array, end: number): number {
  let value = 0
  for (let at = 0; at < Math.min(5, end); at++) {
    value += (block[at] & 127) * 2 ** (7 * at)
    if (block[at] < 128) {
      varintOut[0] = value
      return value < 2 ** 32 ? at + 1 : -1
    }
  }
  return -1
}
