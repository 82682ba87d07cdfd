/** Digests of outputs that do not depend on their order: sums, modulo 2^64, of a hash of every row. */

/** FNV-1a of the row's characters, then mixed; 64 bits. */
export function rowHash(row: string): bigint {
  let high = 0xcbf29ce4
  let low = 0x84222325
  for (let k = 0; k < row.length; k++) {
    low = (low ^ row.charCodeAt(k)) >>> 0
    // Times 2^40 + 435.
    const product = low * 435
    high = (Math.imul(high, 435) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0
    low = product >>> 0
  }
  let hash = (BigInt(high) << 32n) | BigInt(low)
  hash ^= hash >> 32n
  hash = BigInt.asUintN(64, hash * 0xff51afd7ed558ccdn)
  return hash ^ (hash >> 29n)
}

/** A sum of hashes of rows. */
export class RowDigest {
  rows = 0
  private sum = 0n

  add(row: string): void {
    this.rows++
    this.sum = BigInt.asUintN(64, this.sum + rowHash(row))
  }

  toString(): string {
    return this.sum.toString(16).padStart(16, '0')
  }
}
