/** The wire format of values: one zero byte, the schema id as big-endian int32, the Avro bytes. */

export const WIRE_PREFIX = 5

/** Schema id of the value in bytes[at, end); -1 when it has no wire prefix. */
export function wireId(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < WIRE_PREFIX || bytes[at] !== 0) return -1
  return (bytes[at + 1] << 24) | (bytes[at + 2] << 16) | (bytes[at + 3] << 8) | bytes[at + 4]
}
