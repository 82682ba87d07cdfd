/** Avro container files for tests, as other programs write them: by avsc, block by block. */
import { constants, crc32, deflateRawSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import avro from 'avsc'
import { Arena } from '../../streams/arena.ts'

export type Codec = 'null' | 'deflate' | 'zstandard' | 'snappy'
export const sync = Uint8Array.from({ length: 16 }, (_, i) => i * 7 + 3)

const pack = (codec: Codec, bytes: Buffer): Buffer => {
  if (codec === 'deflate') return deflateRawSync(bytes)
  if (codec === 'snappy') {
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc32(bytes))
    return Buffer.concat([compressionsAlgorithms.snappy.compressSync(bytes), sum])
  }
  return codec === 'zstandard' ? zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }) : bytes
}

export function header(schema: string, codec: string, marker: Uint8Array = sync): Buffer {
  const arena = new Arena(1024)
  arena.copy(Buffer.from('Obj\x01', 'latin1'), 0, 4)
  arena.long(2)
  arena.text('avro.schema')
  arena.text(schema)
  arena.text('avro.codec')
  arena.text(codec)
  arena.long(0)
  arena.copy(marker, 0, 16)
  return Buffer.from(arena.toBytes())
}

export function block(codec: Codec, count: number, records: Buffer, marker: Uint8Array = sync): Buffer {
  const packed = pack(codec, records)
  const arena = new Arena(packed.length + 64)
  arena.long(count)
  arena.long(packed.length)
  arena.copy(packed, 0, packed.length)
  arena.copy(marker, 0, 16)
  return Buffer.from(arena.toBytes())
}

/** A file of records in blocks of `perBlock`. */
export function container(schema: string, values: readonly object[], codec: Codec = 'null', perBlock = 100): Buffer {
  const type = avro.Type.forSchema(JSON.parse(schema) as avro.Schema)
  const parts = [header(schema, codec)]
  for (let at = 0; at < values.length; at += perBlock) {
    const some = values.slice(at, at + perBlock)
    parts.push(block(codec, some.length, Buffer.concat(some.map((value) => type.toBuffer(value)))))
  }
  return Buffer.concat(parts)
}
