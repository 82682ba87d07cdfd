/**
 * Kafka's murmur2, written once more from its definition, with wide integers where the original relies on 32-bit
 * overflow.
 */

const m = 0x5bd1e995n
const low32 = (value: bigint): bigint => value & 0xffffffffn

/** Signed 32-bit murmur2 of the UTF-8 text. */
export function murmur2(text: string): number {
  const bytes = new TextEncoder().encode(text)
  let h = low32(0x9747b28cn ^ BigInt(bytes.length))
  const whole = bytes.length - (bytes.length % 4)
  for (let i = 0; i < whole; i += 4) {
    let k = 0n
    for (let j = 3; j >= 0; j--) k = (k << 8n) | BigInt(bytes[i + j])
    k = low32(k * m)
    k ^= k >> 24n
    k = low32(k * m)
    h = low32(h * m) ^ k
  }
  if (bytes.length > whole) {
    let tail = 0n
    for (let j = bytes.length - 1; j >= whole; j--) tail = (tail << 8n) | BigInt(bytes[j])
    h = low32((h ^ tail) * m)
  }
  h ^= h >> 13n
  h = low32(h * m)
  h ^= h >> 15n
  return Number(BigInt.asIntN(32, h))
}

/** Partition of a key as Kafka's default partitioner has it: the hash without its sign bit, modulo N. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}
