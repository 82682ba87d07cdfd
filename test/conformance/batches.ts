/** Kafka v2 record batches by the letter of the format, for tests: slow, plain, independent of the engine's own writer. */
import { crc32c } from '../../streams/hash.ts'

function varint(value: number): number[] {
  let left = value >= 0 ? value * 2 : -value * 2 - 1
  const bytes: number[] = []
  while (left >= 128) {
    bytes.push((left % 128) + 128)
    left = Math.floor(left / 128)
  }
  return [...bytes, left]
}

/** One batch of records without keys, base offset 0, with a right checksum. */
export function batchOf(...values: (string | Uint8Array)[]): Uint8Array {
  const records = values.map((value, index) => {
    const bytes = Buffer.from(value as string)
    const head = Buffer.from([0, ...varint(0), ...varint(index), ...varint(-1), ...varint(bytes.length)])
    const body = Buffer.concat([head, bytes, Buffer.from([0])])
    return Buffer.concat([Buffer.from(varint(body.length)), body])
  })
  const batch = Buffer.concat([Buffer.alloc(61), ...records])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt8(2, 16)
  batch.writeInt32BE(values.length - 1, 23)
  batch.writeBigInt64BE(-1n, 43)
  batch.writeInt16BE(-1, 51)
  batch.writeInt32BE(-1, 53)
  batch.writeInt32BE(values.length, 57)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return new Uint8Array(batch)
}

/** Several batches back to back. */
export function batches(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** Offset and value of every record; throws on a cut batch or a wrong checksum. */
export function recordsOf(bytes: Uint8Array): { offset: number; value: string }[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: { offset: number; value: string }[] = []
  for (let start = 0; start < all.length;) {
    const end = start + 12 + all.readInt32BE(start + 8)
    if (end > all.length) throw new Error(`batch at ${start} is cut: ends at ${end} of ${all.length}`)
    if (crc32c(all.subarray(start + 21, end)) !== all.readUInt32BE(start + 17))
      throw new Error(`checksum of batch at ${start}`)
    const base = Number(all.readBigInt64BE(start))
    let position = start + 61
    const next = (): number => {
      let value = 0
      let scale = 1
      for (;;) {
        const byte = all[position++]
        value += (byte % 128) * scale
        if (byte < 128) break
        scale *= 128
      }
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    for (let count = all.readInt32BE(start + 57); count > 0; count--) {
      next()
      position++
      next()
      const offset = base + next()
      if (next() !== -1) throw new Error('a key')
      const length = next()
      records.push({ offset, value: all.toString('utf8', position, position + length) })
      position += length
      next()
    }
    start = end
  }
  return records
}
