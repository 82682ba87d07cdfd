/** What is kept of imports: one record when it begins and one when it is finished, and the position in between. */
import { createHash } from 'node:crypto'
import { records, topics } from '../../schemas/topics.ts'
import { objectCodec, unwire, wire } from '../../streams/avro/object.ts'
import type { Append, Log } from '../../streams/backend.ts'
import { newFrame, RecordBatchWriter, walk } from '../../streams/records.ts'
import { pinnedIds, type SchemaIds } from '../../streams/schema-ids.ts'

export interface ImportedFile {
  readonly name: string
  readonly size: number
  readonly sha256: string
  readonly rows: number
  readonly sorted: boolean
}

export interface ReasonCount {
  readonly reason: string
  readonly count: number
}

/** As schemas/import.v1.avsc says; times in milliseconds since 1970-01-01 UTC. */
export interface ImportRecord {
  readonly state: 'BEGUN' | 'FINISHED'
  readonly identity: string
  readonly mapping: string
  readonly mappingHash: string
  readonly notAfter: number
  readonly closedThrough: number
  readonly files: readonly ImportedFile[]
  readonly rows: number
  readonly lateRows: number
  readonly minTime: number | null
  readonly maxTime: number | null
  readonly closeThrough: number | null
  readonly transactions: number
  readonly unreadable: readonly ReasonCount[]
  readonly skipped: readonly ReasonCount[]
}

const codec = objectCodec<ImportRecord>(records.import.schema)
const place = { topic: topics.imports.name, partition: 0 }

/** Identity of an import: the mapping's content, and size and content of each file, in order. */
export function identityOf(mappingHash: string, files: readonly { size: number; sha256: string }[]): string {
  const text = [mappingHash, ...files.map(({ size, sha256 }) => `${size}:${sha256}`)].join('\n')
  return createHash('sha256').update(text).digest('hex')
}

/** The append that notes an import. */
export function importAppend(record: ImportRecord, ids: SchemaIds = pinnedIds): Append {
  const writer = new RecordBatchWriter()
  writer.begin(record.notAfter)
  writer.append(record.notAfter, null, 0, 0, wire(ids.idOf(records.import), codec.encode(record)))
  return { ...place, batches: writer.finish() }
}

/** Every record of imports, in order. */
export async function readImports(log: Log): Promise<ImportRecord[]> {
  const found: ImportRecord[] = []
  const frame = newFrame(64)
  const { start, end } = await log.bounds(place)
  for (let offset = start; offset < end;) {
    const { bytes, nextOffset } = await log.read(place, offset, 1 << 20, 0)
    walk(bytes, offset, frame, place.topic)
    for (let row = 0; row < frame.rows; row++) {
      found.push(codec.decode(unwire(bytes.subarray(frame.valueOffsets[row], frame.valueEnds[row])).avro))
    }
    if (nextOffset <= offset) throw new Error(`${place.topic}: nothing at offset ${offset}, although it ends at ${end}`)
    offset = nextOffset
  }
  return found
}

/** How far an import is; the metadata of its writer. */
export interface ImportPosition {
  readonly identity: string
  readonly finished: boolean
  /** Rows taken, in the order of the import. */
  rank: number
  /** Largest readable time so far. */
  maxTime: number | null
  /** Rows since the last tick. */
  sinceTick: number
  transactions: number
  unreadable: Record<string, number>
  skipped: Record<string, number>
}

/** At most 4,096 characters: 31 codes and 24 reasons of at most 64 characters with their counts make 3,600. */
export const positionText = (position: ImportPosition): string => JSON.stringify(position)

export const readPosition = (metadata: string): ImportPosition => JSON.parse(metadata) as ImportPosition

export const counts = (byReason: Readonly<Record<string, number>>): ReasonCount[] =>
  Object.entries(byReason).map(([reason, count]) => ({ reason, count }))
