/**
 * A snapshot: the state of one task at a position, as one file that any backend can be given.
 *
 * N1  The first 8 KiB are one line of JSON (padded with blanks): what it is of, its position, how many entries follow, and
 *     the SHA-256 of them. Then per entry: length and bytes of kind, key and value (2, 2 and 4 bytes, big endian).
 * N2  A file has its name only when it is whole and on disk. It is read whole, and its digest checked, before anything
 *     of it is used.
 * N3  It is f(log[0, position)) by the same logic; so it restores a task as a store that fell back to that position does.
 */

import { createHash } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import type { StateKey, TaskState } from './backend.ts'
import { CodedError } from './errors.ts'

/** What a snapshot is of; all of it must fit where it is restored. */
export interface SnapshotOf {
  readonly task: string
  readonly logicVersion: string
  /** Identity of the input topic, and its number of partitions. */
  readonly topicId: string
  readonly partitions: number
}

export interface SnapshotHeader extends SnapshotOf {
  readonly format: 1
  readonly position: number
  readonly metadata: string
  readonly entries: number
  readonly sha256: string
}

export type Entry = StateKey & { readonly value: Uint8Array }

const HEADER_BYTES = 8192
const WRITE_BYTES = 1 << 20

/** Writes a state that stands still into `path`. Errors: SLUICE_STATE_MOVED when it did not. */
export async function writeSnapshot(path: string, of: SnapshotOf, state: TaskState): Promise<SnapshotHeader> {
  const { header } = await state.read([])
  if (header === null) throw new CodedError('SLUICE_STATE_MOVED', `${of.task}: it has no state`)
  const unfinished = `${path}.unfinished`
  const file = await open(unfinished, 'w', 0o600)
  try {
    const body = await writeEntries(file, state)
    const now = (await state.read([])).header
    if (now?.position !== header.position || now.incarnation !== header.incarnation) {
      throw new CodedError('SLUICE_STATE_MOVED', `${of.task}: R = ${now?.position ?? 'none'}, was ${header.position}`)
    }
    const { position, metadata } = header
    const whole: SnapshotHeader = { format: 1, ...of, position, metadata, ...body }
    const text = Buffer.from(JSON.stringify(whole))
    if (text.length >= HEADER_BYTES) throw new Error(`snapshot of ${of.task}: a header of ${text.length} bytes`)
    const first = Buffer.alloc(HEADER_BYTES, ' ')
    text.copy(first)
    first[HEADER_BYTES - 1] = 10
    await file.write(first, 0, HEADER_BYTES, 0)
    await file.sync()
    await file.close()
    await rename(unfinished, path)
    return whole
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(unfinished, { force: true })
    throw error
  }
}

async function writeEntries(file: FileHandle, state: TaskState): Promise<{ entries: number; sha256: string }> {
  const hash = createHash('sha256')
  let [entries, at, size] = [0, HEADER_BYTES, 0]
  let parts: Uint8Array[] = []
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(parts, size)
    hash.update(bytes)
    await file.write(bytes, 0, size, at)
    at += size
    parts = []
    size = 0
  }
  for (const kind of await state.kinds()) {
    const name = Buffer.from(kind)
    for await (const piece of state.scan(kind)) {
      for (const { key, value } of piece) {
        const lengths = Buffer.alloc(8)
        lengths.writeUInt16BE(name.length, 0)
        lengths.writeUInt16BE(key.length, 2)
        lengths.writeUInt32BE(value.length, 4)
        parts.push(lengths, name, key, value)
        size += 8 + name.length + key.length + value.length
        entries++
      }
      if (size >= WRITE_BYTES) await flush()
    }
  }
  await flush()
  return { entries, sha256: hash.digest('hex') }
}

/** Reads what the header of a file says. Errors: SLUICE_SNAPSHOT_UNFIT when it is none. */
export async function readHeader(path: string): Promise<SnapshotHeader> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0)
    const header = JSON.parse(buffer.toString('utf8', 0, bytesRead)) as SnapshotHeader
    if (header.format === 1) return header
    throw new Error(`format ${String(header.format)}`)
  } catch (error) {
    throw new CodedError('SLUICE_SNAPSHOT_UNFIT', `${path}: ${(error as Error).message}`, { cause: error })
  } finally {
    await file.close()
  }
}

/** The entries of a file, in pieces. Errors: SLUICE_SNAPSHOT_UNFIT when it is cut. */
export async function* readEntries(path: string): AsyncGenerator<Entry[]> {
  const file = await open(path, 'r')
  try {
    let rest = Buffer.alloc(0)
    for (let at = HEADER_BYTES; ;) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(WRITE_BYTES), 0, WRITE_BYTES, at)
      at += bytesRead
      const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
      const { entries, used } = entriesIn(bytes)
      rest = bytes.subarray(used)
      if (entries.length > 0) yield entries
      if (bytesRead === 0) break
    }
    if (rest.length > 0) throw new CodedError('SLUICE_SNAPSHOT_UNFIT', `${path}: it is cut`)
  } finally {
    await file.close()
  }
}

function entriesIn(bytes: Buffer): { entries: Entry[]; used: number } {
  const entries: Entry[] = []
  let at = 0
  while (at + 8 <= bytes.length) {
    const key = at + 8 + bytes.readUInt16BE(at)
    const value = key + bytes.readUInt16BE(at + 2)
    const end = value + bytes.readUInt32BE(at + 4)
    if (end > bytes.length) break
    const kind = bytes.toString('utf8', at + 8, key)
    entries.push({
      kind,
      key: new Uint8Array(bytes.subarray(key, value)),
      value: new Uint8Array(bytes.subarray(value, end)),
    })
    at = end
  }
  return { entries, used: at }
}

/** Reads a file whole. Errors: SLUICE_SNAPSHOT_UNFIT when count or digest are not those of its header. */
export async function verifySnapshot(path: string): Promise<SnapshotHeader> {
  const header = await readHeader(path)
  const file = await open(path, 'r')
  const hash = createHash('sha256')
  for await (const chunk of file.createReadStream({ start: HEADER_BYTES })) hash.update(chunk as Buffer)
  const sha256 = hash.digest('hex')
  if (sha256 !== header.sha256) throw new CodedError('SLUICE_SNAPSHOT_UNFIT', `${path}: its digest is ${sha256}`)
  return header
}
