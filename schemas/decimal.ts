/** Avro's decimal (scale 0): a bigint as minimal big-endian two's complement bytes. */

/** Shortest two's complement bytes of a value; zero is one byte 0. */
export function decimalBytes(value: bigint): Buffer {
  let bytes = 1
  while (BigInt.asIntN(bytes * 8, value) !== value) bytes++
  const hex = BigInt.asUintN(bytes * 8, value).toString(16)
  return Buffer.from(hex.padStart(bytes * 2, '0'), 'hex')
}

/** Value of two's complement bytes, minimal or not. Throws on no bytes at all: an Avro decimal has at least one. */
export function decimalOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0)
    throw new RangeError('A decimal has at least one byte: the record was not written by its schema.')
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`))
}
