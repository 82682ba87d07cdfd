/**
 * Reading Avro's zigzag varints with every check; compiled decoders read the short ones themselves and call this for
 * the rest.
 */

/** [0] the value read last (beyond 2^53: Infinity or -Infinity), [1] 1 when it was longer than needed, else 0. */
export const varintOut = new Float64Array(2)

/**
 * Reads a varint of at most 64 bits from `at`, never at or beyond `end`, into `varintOut`. Returns the position after
 * it,
 * or -1 when it is cut off or has more than 64 bits.
 */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  let low = 0
  let middle = 0
  let high = 0
  let count = 0
  let byte: number
  do {
    if (at >= end || count === 10) return -1
    byte = bytes[at++]
    if (count < 4) low |= (byte & 127) << (7 * count)
    else if (count < 8) middle |= (byte & 127) << (7 * (count - 4))
    else high |= (byte & 127) << (7 * (count - 8))
    count++
  } while (byte > 127)
  if (high > 255) return -1
  varintOut[1] = byte === 0 && count > 1 ? 1 : 0
  // zigzag = low + middle * 2^28 + high * 2^56; half of it, and its sign in the lowest bit.
  const beyond = high !== 0 || middle > 0x4000000 || (middle === 0x4000000 && low > 1)
  const negative = (low & 1) !== 0
  if (beyond || (middle === 0x4000000 && negative)) {
    varintOut[0] = negative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  } else {
    const half = middle * 0x8000000 + (low >>> 1)
    varintOut[0] = negative ? -half - 1 : half
  }
  return at
}
