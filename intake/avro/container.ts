/**
 * Avro object container files: their header, and their blocks unpacked within limits.
 *
 * A block says itself how large it is and how many records it has; nothing is allocated and nothing is looped over on its
 * word alone.
 */
import { constants, inflateRawSync, zstdDecompressSync } from 'node:zlib'
import { minimalWidth, type AvroType, type RecordType } from '../../streams/avro/schema.ts'
import { readVarint, varintOut } from '../../streams/avro/varint.ts'
import { unsnap } from './snappy.ts'

/** Something in a container that cannot be read, in words. */
export class ContainerError extends Error {
  override readonly name = 'ContainerError'
}

export interface Header {
  /** Writer's schema, JSON text. */
  readonly schema: string
  readonly codec: string
  /** 16 bytes that end every block. */
  readonly sync: Uint8Array
  /** Position of the first block. */
  readonly end: number
}

export const MAGIC = Uint8Array.of(0x4f, 0x62, 0x6a, 0x01)
export const SYNC_BYTES = 16
/** Ours is 4 KB with its schema; a header beyond this is no header. */
export const MAX_HEADER = 256 * 1024
export const codecs = ['null', 'deflate', 'zstandard', 'snappy'] as const

export const isContainer = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && MAGIC.every((byte, at) => bytes[at] === byte)

const utf8 = new TextDecoder()

/** The header that begins at `at`; null when it goes beyond `end`. Errors: ContainerError. */
export function readHeader(bytes: Uint8Array, at: number, end: number): Header | null {
  if (end - at < 4) return null
  if (!isContainer(bytes.subarray(at, end))) throw new ContainerError('It does not begin like an Avro container file.')
  const entries = new Map<string, Uint8Array>()
  let p = at + 4
  const long = (): number => {
    if (p >= 0) p = readVarint(bytes, p, end)
    return p < 0 ? 0 : varintOut[0]
  }
  const slice = (): Uint8Array => {
    const length = long()
    if (length < 0) throw new ContainerError('Its header has a text of negative length.')
    if (p < 0 || length > end - p) {
      p = -1
      return new Uint8Array(0)
    }
    p += length
    return bytes.subarray(p - length, p)
  }
  for (;;) {
    let count = long()
    if (p < 0) return beyond(at, end)
    if (count === 0) break
    if (count < 0) {
      count = -count
      long()
    }
    for (let i = 0; i < count && p >= 0; i++) {
      const key = utf8.decode(slice())
      const value = slice()
      if (p >= 0) entries.set(key, value)
    }
    if (p < 0) return beyond(at, end)
  }
  if (end - p < SYNC_BYTES) return null
  const schema = entries.get('avro.schema')
  if (schema === undefined) throw new ContainerError('Its header has no schema.')
  const codec = utf8.decode(entries.get('avro.codec') ?? new Uint8Array(0))
  const sync = bytes.slice(p, p + SYNC_BYTES)
  return { schema: utf8.decode(schema), codec: codec === '' ? 'null' : codec, sync, end: p + SYNC_BYTES }
}

function beyond(at: number, end: number): null {
  if (end - at > MAX_HEADER) throw new ContainerError(`Its header is longer than ${MAX_HEADER} bytes.`)
  return null
}

/** The records of a block, unpacked. Errors: ContainerError, for a codec that is not read and for more than `most` bytes. */
export function unpack(codec: string, block: Uint8Array, most: number): Uint8Array {
  try {
    switch (codec) {
      case 'null':
        if (block.length > most) throw tooLarge(most)
        return block
      case 'deflate':
        return inflateRawSync(block, { maxOutputLength: most })
      case 'snappy': {
        const unpacked = unsnap(block, most)
        if (unpacked === null) throw tooLarge(most)
        return unpacked
      }
      case 'zstandard':
        // The window that a frame asks for is memory too: 8 MiB is what every decoder must give.
        return zstdDecompressSync(block, { maxOutputLength: most, params: { [constants.ZSTD_d_windowLogMax]: 23 } })
      default:
        throw new ContainerError(`It is packed with '${codec.slice(0, 32)}'; use one of ${codecs.join(', ')}.`)
    }
  } catch (error) {
    if (error instanceof ContainerError) throw error
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(most)
    throw new ContainerError(`A block cannot be unpacked: ${(error as Error).message}.`)
  }
}

const tooLarge = (most: number): ContainerError =>
  new ContainerError(`A block has more than ${most} bytes when it is unpacked. Write smaller blocks.`)

/** Whether so many records can stand in so many bytes. */
export const fits = (type: RecordType, count: number, bytes: number): boolean =>
  count >= 0 && count <= bytes / Math.max(1, minimalWidth(type))

/** Position behind the value of a type at `at`; -1 when it is cut off or malformed. */
export function skip(type: AvroType, bytes: Uint8Array, at: number, end: number): number {
  switch (type.type) {
    case 'null':
      return at
    case 'boolean':
      return at < end && bytes[at] < 2 ? at + 1 : -1
    case 'int':
    case 'long':
      return readVarint(bytes, at, end)
    case 'float':
      return end - at >= 4 ? at + 4 : -1
    case 'double':
      return end - at >= 8 ? at + 8 : -1
    case 'string':
    case 'bytes': {
      const from = readVarint(bytes, at, end)
      const length = varintOut[0]
      return from >= 0 && length >= 0 && length <= end - from ? from + length : -1
    }
    case 'enum': {
      const next = readVarint(bytes, at, end)
      return next >= 0 && varintOut[0] >= 0 && varintOut[0] < type.symbols.length ? next : -1
    }
    case 'nullable': {
      const next = readVarint(bytes, at, end)
      if (next < 0 || (varintOut[0] !== 0 && varintOut[0] !== 1)) return -1
      return varintOut[0] === type.nullIndex ? next : skip(type.of, bytes, next, end)
    }
    case 'record': {
      let p = at
      for (const field of type.fields) {
        p = skip(field.type, bytes, p, end)
        if (p < 0) return -1
      }
      return p
    }
    case 'array':
      return skipArray(type.items, bytes, at, end)
    case 'fixed':
      return end - at >= type.size ? at + type.size : -1
    case 'union': {
      const next = readVarint(bytes, at, end)
      const index = varintOut[0]
      return next >= 0 && index >= 0 && index < type.branches.length ? skip(type.branches[index], bytes, next, end) : -1
    }
  }
}

function skipArray(items: AvroType, bytes: Uint8Array, at: number, end: number): number {
  for (let p = at; ;) {
    p = readVarint(bytes, p, end)
    let count = varintOut[0]
    if (p < 0) return -1
    if (count === 0) return p
    if (count < 0) {
      count = -count
      p = readVarint(bytes, p, end)
      if (p < 0) return -1
    }
    // Every item takes a byte at least: the parser refuses others.
    if (count > end - p) return -1
    for (let i = 0; i < count; i++) {
      p = skip(items, bytes, p, end)
      if (p < 0) return -1
    }
  }
}
