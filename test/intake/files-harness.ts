/** What the tests of file import share: a directory of their own, an import into memory, and the log read back as objects. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { importFiles, type ImportOptions, type ImportResult } from '../../intake/files/index.ts'
import { checkMapping } from '../../intake/files/load-mapping.ts'
import type { Mapping } from '../../intake/mapping.ts'
import { defaultSettings, type Settings } from '../../schemas/settings.ts'
import { records } from '../../schemas/topics.ts'
import { objectCodec, unwire } from '../../streams/avro/object.ts'
import type { Backend } from '../../streams/backend.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { newFrame, walk } from '../../streams/records.ts'

const made: string[] = []
afterAll(() => made.forEach((directory) => rmSync(directory, { recursive: true, force: true })))

/** A directory that is removed after the tests of the file. */
export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-files-'))
  made.push(path)
  return path
}

/** Writes files into a directory of their own; returns their paths in order. */
export function write(contents: Readonly<Record<string, string | Uint8Array>>, into = directory()): string[] {
  return Object.entries(contents).map(([name, content]) => {
    const path = join(into, name)
    writeFileSync(path, content)
    return path
  })
}

export const now = Date.UTC(2024, 5, 1)
export const settings: Settings = defaultSettings
export const header = 'transactionId,occurredAt,payerAccount,payerBank,payeeAccount,payeeBank,amount,currency'

/** A line in our own columns; `at` is the time as text. */
export const line = (id: string, at: string, payer = 'A-1'): string => `${id},${at},${payer},bank-a,B-1,bank-b,1.00,EUR`

/** A record of the log; `type` is the name of its schema. */
export interface Seen {
  readonly partition: number
  readonly type: 'transaction' | 'unreadable' | 'tick'
  readonly key: string | null
  readonly timestamp: number
  readonly value: Record<string, unknown>
}

const codecs = {
  transaction: objectCodec<Record<string, unknown>>(records.transaction.schema),
  unreadable: objectCodec<Record<string, unknown>>(records.unreadable.schema),
  tick: objectCodec<Record<string, unknown>>(records.tick.schema),
}
const types = new Map<number, Seen['type']>([
  [records.transaction.id, 'transaction'],
  [records.unreadable.id, 'unreadable'],
  [records.tick.id, 'tick'],
])

/** The committed batches of one partition of transactions, back to back. */
export async function bytesOf(backend: Backend, partition: number): Promise<Buffer> {
  const at = { topic: 'transactions', partition }
  const { end } = await backend.log.bounds(at)
  const pieces: Uint8Array[] = []
  for (let offset = 0; offset < end;) {
    const { bytes, nextOffset } = await backend.log.read(at, offset, 1 << 20, 0)
    pieces.push(Uint8Array.from(bytes))
    offset = nextOffset
  }
  return Buffer.concat(pieces)
}

/** Everything in topic transactions, by partition and offset. */
export async function contentOf(backend: Backend): Promise<Seen[]> {
  const seen: Seen[] = []
  for (let partition = 0; partition < (await backend.log.partitions('transactions')); partition++) {
    const bytes = await bytesOf(backend, partition)
    const frame = newFrame(1024)
    walk(bytes, 0, frame)
    for (let row = 0; row < frame.rows; row++) {
      const { id, avro } = unwire(bytes.subarray(frame.valueOffsets[row], frame.valueEnds[row]))
      const type = types.get(id)
      if (type === undefined) throw new Error(`schema ${id} in topic transactions`)
      const length = frame.keyLengths[row]
      const key = length < 0 ? null : bytes.subarray(frame.keyOffsets[row], frame.keyOffsets[row] + length).toString()
      seen.push({ partition, type, key, timestamp: frame.acceptedAt[row], value: codecs[type].decode(avro) })
    }
  }
  return seen
}

/** Length and hash of every partition, for comparison. */
export async function logBytes(backend: Backend): Promise<string> {
  const count = await backend.log.partitions('transactions')
  const all = await Promise.all(Array.from({ length: count }, (_, partition) => bytesOf(backend, partition)))
  return all.map((bytes) => `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`).join('\n')
}

export const single: Settings = { ...settings, partitions: 1 }

/** Imports into a backend, one partition unless the settings say otherwise. */
export function run(
  backend: Backend,
  files: readonly string[],
  more: Partial<ImportOptions> & { declare?: Mapping } = {},
): Promise<ImportResult> {
  const { declare, ...options } = more
  const mapping = declare === undefined ? {} : { mapping: checkMapping(declare, 'hash-of-the-mapping', 'test mapping') }
  return importFiles({
    log: backend.log,
    clock: { now: () => now },
    settings: single,
    dataDirectory: directory(),
    files,
    closedThrough: 0,
    ...mapping,
    ...options,
  })
}

/** Imports files into an empty log and reads it back. */
export async function imported(
  contents: Readonly<Record<string, string | Uint8Array>>,
  more: Parameters<typeof run>[2] = {},
): Promise<{ result: ImportResult; seen: Seen[]; backend: Backend }> {
  const backend = openMemory()
  const result = await run(backend, write(contents), more)
  return { result, seen: await contentOf(backend), backend }
}

/** In a few words: id of a transaction, reason of an unreadable row, tick with its seconds and what it closes. */
export function short({ type, value }: Seen): string {
  if (type === 'transaction') return String(value.transactionId)
  if (type === 'unreadable') return `!${String(value.reason)}@${String(value.line)}`
  const closes =
    value.closeThrough === null ? '' : ` closes ${new Date(Number(value.closeThrough)).toISOString().slice(11, 19)}`
  return `tick ${new Date(Number(value.at)).toISOString().slice(11, 19)}${closes}`
}
