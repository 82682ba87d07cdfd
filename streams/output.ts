/**
 * One destination of one task: numbers records (seq), writes them into record batches, digests them, cuts marks.
 * Outputs of a step are ordered by (input row, index); marks stand after the outputs of their row and take no seq.
 */

import { compileEncoder, type Encode, type WriteField } from './avro/encode.ts'
import { columnFor } from './avro/columns.ts'
import { objectCodec, wire, type ObjectCodec } from './avro/object.ts'
import { parseSchema } from './avro/schema.ts'
import type { Batch, NumberColumn, TextColumn } from './batch.ts'
import { RunningDigest } from './digest.ts'
import type { Flowing, Item, TaskContext } from './operator.ts'
import { RecordBatchWriter } from './records.ts'
import type { SchemaIds } from './schema-ids.ts'
import type { ColumnSink, ObjectSink, WrittenField } from './sinks.ts'
import type { RecordType } from './source.ts'

const utf8 = new TextEncoder()
/** A record batch is cut here: far below any broker's limit of 1 MB per message. */
const BATCH_BYTES = 768 * 1024
/** Rows are written in pieces that fit one record batch: a record takes at most a few kilobytes. */
const PIECE = 256
/** Bytes in front of the Avro value that are no part of its digest: the schema id may differ from place to place. */
const WIRE_PREFIX = 5

export interface Destination {
  readonly topic: string
  readonly partition: number
  readonly task: number
}

export abstract class Output {
  readonly destination: Destination
  seq = 0
  digest: RunningDigest
  protected readonly writer = new RecordBatchWriter()
  protected pending: Flowing[] = []
  private readonly markCodec: ObjectCodec<{ task: number; nextSeq: number; logicalTime: number }> | null
  private readonly markId: number
  /** Records written since the task began; for rates. */
  records = 0

  constructor(destination: Destination, mark: RecordType | null, ids: SchemaIds) {
    this.destination = destination
    this.digest = new RunningDigest(destination.topic)
    this.markCodec = mark === null ? null : objectCodec(mark.schema)
    this.markId = mark === null ? 0 : ids.idOf(mark)
  }

  restore(seq: number, digest: string): void {
    this.seq = seq
    this.digest = new RunningDigest(this.destination.topic, digest)
  }

  take(flowing: Flowing): void {
    this.pending.push(flowing)
  }

  /** Writes what the step gave, with marks after the outputs of these rows. */
  abstract endStep(marks: readonly { row: number; time: number }[], timeOf: (row: number) => number): void

  protected begin(time: number): void {
    if (this.writer.count > 0 && this.writer.position - this.writer.batchStart > BATCH_BYTES) this.writer.seal()
    if (this.writer.count === 0) this.writer.begin(time)
  }

  protected mark(time: number): void {
    if (this.markCodec === null) return
    this.begin(time)
    const value = this.markCodec.encode({ task: this.destination.task, nextSeq: this.seq, logicalTime: time })
    this.writer.append(time, null, 0, 0, wire(this.markId, value))
  }

  /** The record batches since the last call, back to back; null when there are none. */
  batches(): Uint8Array | null {
    if (this.writer.count > 0) this.writer.seal()
    return this.writer.batchStart === 0 ? null : this.writer.takeAll()
  }
}

const only = <Value>(names: ReadonlySet<string>, of: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(of).filter(([name]) => names.has(name)))

/** Records straight from columns. */
export class ColumnOutput extends Output {
  private readonly sink: ColumnSink
  private readonly context: TaskContext
  private readonly encode: Encode
  private key: TextColumn | null = null
  /** Where the values of the piece stand that is being written. */
  private readonly values = { starts: new Int32Array(PIECE), ends: new Int32Array(PIECE) }

  constructor(
    destination: Destination,
    sink: ColumnSink,
    mark: RecordType | null,
    ids: SchemaIds,
    context: TaskContext,
  ) {
    super(destination, mark, ids)
    this.sink = sink
    this.context = context
    // Records for others may have no room for what ours say about themselves.
    const fields = new Set(parseSchema(sink.record.schema).fields.map(({ name }) => name))
    const columns = { ...only(fields, { seq: 'seq:out', logicalTime: 'streamTime:out' }), ...sink.from }
    const constants = { ...only(fields, { task: destination.task }), ...sink.constants }
    this.encode = compileEncoder(sink.record.schema, {
      id: ids.idOf(sink.record),
      columns,
      constants,
      raw: sink.raw,
      written: Object.fromEntries(Object.entries(sink.written).map(([field, { of }]) => [field, of])),
      optional: sink.optional,
    })
  }

  override endStep(marks: readonly { row: number; time: number }[]): void {
    const pending = this.pending as Batch[]
    this.pending = []
    if (pending.length > 1) throw new Error(`topic '${this.destination.topic}' takes one batch of columns a step`)
    const [batch] = pending
    let from = 0
    for (const { row, time } of marks) {
      let to = from
      while (batch !== undefined && to < batch.count && batch.selection[to] <= row) to++
      if (batch !== undefined && to > from) this.write(batch, from, to)
      from = to
      this.mark(time)
    }
    if (batch !== undefined && from < batch.count) this.write(batch, from, batch.count)
  }

  private write(batch: Batch, from: number, to: number): void {
    const { frame, selection } = batch
    const seq = (columnFor(frame, frame.columns, 'seq:out', 'number') as NumberColumn).values
    frame.columns.set('streamTime:out', { kind: 'number', values: frame.streamTime })
    this.key = batch.text(this.sink.key)
    const arrays = Object.fromEntries(
      Object.entries(this.sink.written).map(([field, written]) => [field, this.rowWriter(written, batch)]),
    )
    for (let start = from; start < to; start += PIECE) {
      const end = Math.min(to, start + PIECE)
      for (let i = start; i < end; i++) seq[selection[i]] = this.seq++
      this.begin(frame.streamTime[selection[start]])
      this.encode(this.writer, frame.columns, selection, start, end, {
        timestamps: frame.streamTime,
        key: this.key,
        arrays,
        values: this.values,
      })
      this.digest.addAll(this.writer.bytes, this.values.starts, this.values.ends, end - start, WIRE_PREFIX)
      this.records += end - start
    }
  }

  /** Calls a written field with the row's values; without arrays, as it runs for many records. */
  private rowWriter(field: WrittenField, batch: Batch): WriteField {
    const { context } = this
    const write: WrittenField['write'] = (...all) => field.write(...all)
    const [a, b, c, ...more] = field.of.map((name) => valuesOf(batch, name))
    if (more.length > 0)
      return (row, arena) => write(arena, context, a[row], b[row], c[row], ...more.map((v) => v[row]))
    if (c !== undefined) return (row, arena) => write(arena, context, a[row], b[row], c[row])
    if (b !== undefined) return (row, arena) => write(arena, context, a[row], b[row])
    return (row, arena) => write(arena, context, a?.[row])
  }
}

const valuesOf = (batch: Batch, name: string): Float64Array | Uint8Array => {
  const column = batch.frame.columns.get(name)
  if (column?.kind !== 'number' && column?.kind !== 'code') throw new Error(`no number or code column '${name}'`)
  return column.values
}

/** Records from plain objects. */
export class ObjectOutput extends Output {
  private readonly sink: ObjectSink
  private readonly codecs: ReadonlyMap<string, { id: number; codec: ObjectCodec<Record<string, unknown>> }>
  private readonly blank: Readonly<Record<string, unknown>>

  constructor(destination: Destination, sink: ObjectSink, mark: RecordType | null, ids: SchemaIds) {
    super(destination, mark, ids)
    this.sink = sink
    this.codecs = new Map(
      sink.records.map((type) => [type.name, { id: ids.idOf(type), codec: objectCodec(type.schema) }]),
    )
    this.blank = sink.blankDiagnostics ?? {}
  }

  override endStep(marks: readonly { row: number; time: number }[], timeOf: (row: number) => number): void {
    const items = this.pending.flatMap((flowing) => flowing as Item<Record<string, unknown>>[])
    this.pending = []
    if (items.length > 1) items.sort((a, b) => a.row - b.row)
    let next = 0
    for (const { row, value } of items) {
      while (next < marks.length && marks[next].row < row) this.mark(marks[next++].time)
      this.write(value, (value.logicalTime as number | undefined) ?? timeOf(row))
    }
    while (next < marks.length) this.mark(marks[next++].time)
  }

  private write(value: Record<string, unknown>, logicalTime: number): void {
    if (value.type === 'mark') return this.mark(logicalTime)
    const name = (value.type as string | undefined) ?? this.sink.records[0].name
    const known = this.codecs.get(name)
    if (known === undefined) throw new Error(`topic '${this.destination.topic}' does not carry '${name}'`)
    const record = { ...value, task: this.destination.task, seq: this.seq++, logicalTime }
    const encoded = known.codec.encode(record)
    const digested =
      this.sink.blankDiagnostics === undefined ? encoded : known.codec.encode({ ...record, ...this.blank })
    this.digest.add(digested, 0, digested.length)
    const key = this.sink.key === null ? null : keyOf((value as Record<string, unknown>)[this.sink.key])
    this.begin(logicalTime)
    this.writer.append(logicalTime, key, 0, key?.length ?? 0, wire(known.id, encoded))
    this.records++
  }
}

const keyOf = (value: unknown): Uint8Array | null =>
  value instanceof Uint8Array ? value : typeof value === 'string' ? utf8.encode(value) : null
