/** Builds what one commit of an import appends: transactions, unreadable rows and ticks, as record batches per partition. */
import type { DeadLetterReason } from '../../schemas/reasons.ts'
import { deadLetterReasons } from '../../schemas/reasons.ts'
import { records, topics } from '../../schemas/topics.ts'
import { writeVarint } from '../../streams/arena.ts'
import type { Append } from '../../streams/backend.ts'
import { RecordBatchWriter } from '../../streams/records.ts'
import { pinnedIds, type SchemaIds } from '../../streams/schema-ids.ts'
import { wirePrefix } from './encode.ts'
import { rawBytes, type Row } from './row.ts'

/** A batch is closed at about this size: brokers take up to 1 MiB. */
const batchBytes = 512 << 10
/** The symbol FILES of TickClock. */
const clockFiles = 0

export class AppendBuilder {
  /** The open batch of each partition. */
  readonly writers: readonly RecordBatchWriter[]
  private readonly full: Uint8Array[][]
  private readonly timestamp: number
  private readonly unreadableId: number
  private readonly tickId: number

  /** `timestamp`: acceptance time of every record, milliseconds. */
  constructor(partitions: number, timestamp: number, ids: SchemaIds = pinnedIds) {
    this.unreadableId = ids.idOf(records.unreadable)
    this.tickId = ids.idOf(records.tick)
    this.timestamp = timestamp
    this.writers = Array.from({ length: partitions }, () => new RecordBatchWriter())
    this.full = this.writers.map(() => [])
    for (const writer of this.writers) writer.begin(timestamp)
  }

  /** A row that could not be read, in partition `ordinal` mod N. `detail`: a sentence about the value, or ''. */
  unreadable(ordinal: number, reason: DeadLetterReason, detail: string, row: Row, file: string): void {
    const out = this.writers[ordinal % this.writers.length]
    const start = out.open(this.timestamp, null, 0, 0)
    out.reserve(16)
    out.position = wirePrefix(out.bytes, start, this.unreadableId)
    out.text(reason)
    out.text(detail === '' ? deadLetterReasons[reason] : `${detail} ${deadLetterReasons[reason]}`)
    out.slice(row.bytes, row.start, Math.min(row.end - row.start, rawBytes))
    out.text(file)
    out.long(row.line)
    out.close(start)
  }

  /** A tick into every partition. `closeThrough`: only in the last one. */
  tick(at: number, closeThrough: number | null): void {
    for (const out of this.writers) {
      const start = out.open(this.timestamp, null, 0, 0)
      out.reserve(40)
      let p = wirePrefix(out.bytes, start, this.tickId)
      p = writeVarint(out.bytes, p, at)
      out.bytes[p++] = clockFiles
      out.bytes[p++] = closeThrough === null ? 0 : 2
      out.position = closeThrough === null ? p : writeVarint(out.bytes, p, closeThrough)
      out.close(start)
    }
  }

  /** Closes batches that have become large. Call it at places that depend on the rows alone. */
  cut(): void {
    for (const [partition, writer] of this.writers.entries()) {
      if (writer.position >= batchBytes) this.close(partition)
    }
  }

  /** What was built since the last call. */
  take(): Append[] {
    const appends: Append[] = []
    for (const [partition, writer] of this.writers.entries()) {
      if (writer.count > 0) this.close(partition)
      const batches = this.full[partition]
      if (batches.length === 0) continue
      const bytes = batches.length === 1 ? batches[0] : Buffer.concat(batches)
      appends.push({ topic: topics.transactions.name, partition, batches: bytes })
      this.full[partition] = []
    }
    return appends
  }

  private close(partition: number): void {
    const writer = this.writers[partition]
    this.full[partition].push(writer.finish())
    writer.begin(this.timestamp)
  }
}
