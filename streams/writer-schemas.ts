/**
 * Schemas of writers that are not ours: what an id in the wire prefix means that the log does not give itself.
 *
 * Owns what one task knows of such ids. Who is asked (a schema registry) is behind `WriterLookup`.
 *
 * S1  An answer is a judgement that is kept in the log, in the commit with the first outputs that rest on it; a recovery
 *     and a replay take it from there and ask nobody. So outputs stay a function of the log, whatever the registry says
 *     later.
 * S2  Judgements count records, not offsets: a copy of the log, whose offsets may differ, means the same.
 * S3  'Not registered' is said of the records at hand only: the id may be given to somebody a minute later.
 * S4  Nobody to ask is no answer: the partition stops in front of the record and asks again. Nothing becomes a dead letter.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { objectCodec, unwire, wire, type ObjectCodec } from './avro/object.ts'
import type { Append, Log, TopicPartition } from './backend.ts'
import { newFrame, RecordBatchWriter, walk } from './records.ts'
import { pinnedIds, type SchemaIds } from './schema-ids.ts'
import type { RecordType } from './source.ts'

/** What an id means: a schema to decode with, or words for a dead letter. `forEver`: no later answer can be another. */
export type Found =
  | { readonly schema: string; readonly words: ''; readonly forEver: true }
  | { readonly schema: null; readonly words: string; readonly forEver: boolean }

export interface WriterLookup {
  /** Errors: any means that nobody could be asked; its message says why, and it is asked again. */
  find(id: number): Promise<Found>
}

export interface WriterSchemaOptions {
  /** Where judgements are kept: as many partitions as the input topic. */
  readonly topic: string
  readonly record: RecordType
  /** null: nobody is asked, and only what was judged before holds (a replay). */
  readonly lookup: WriterLookup | null
}

export interface Judgement {
  readonly schemaId: number
  readonly from: number
  readonly to: number | null
  readonly schema: string | null
  readonly words: string
}

/** An id in a frame that nobody has judged: its first row, and the numbers of its first and last record. */
export interface Unjudged {
  readonly id: number
  readonly row: number
  readonly first: number
  last: number
}

/** Decoders that one partition keeps: far more versions than a schema has in a year, and no memory to speak of. */
const MOST_SCHEMAS = 100
/** A registry that restarts is back within seconds; asked every few seconds it is not held up by many partitions. */
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5_000

export class WriterSchemas {
  /** Why the partition stands still; null when it does not. */
  waiting: string | null = null
  private readonly options: WriterSchemaOptions
  private readonly at: TopicPartition
  private readonly ids: SchemaIds
  private readonly codec: ObjectCodec<Judgement>
  private readonly judged = new Map<number, Judgement[]>()
  private readonly schemas = new Set<string>()
  private fresh: Judgement[] = []
  private waitMs = 0
  private readonly stopping = new AbortController()
  /** Never fulfilled; rejected when it is told to stop, so that it does not wait for who does not answer. */
  private readonly stopped: Promise<never>

  private constructor(options: WriterSchemaOptions, partition: number, ids: SchemaIds) {
    this.options = options
    this.at = { topic: options.topic, partition }
    this.ids = ids
    this.codec = objectCodec<Judgement>(options.record.schema)
    const { promise, reject } = Promise.withResolvers<never>()
    this.stopping.signal.addEventListener('abort', () => reject(new Error('it is told to stop')), { once: true })
    promise.catch(() => undefined)
    this.stopped = promise
  }

  /** Reads what was judged before; after the task's fence, so that nothing is still on its way. */
  static async open(
    log: Log,
    options: WriterSchemaOptions,
    partition: number,
    ids = pinnedIds,
  ): Promise<WriterSchemas> {
    const schemas = new WriterSchemas(options, partition, ids)
    const { at } = schemas
    const { start, end } = await log.bounds(at)
    const frame = newFrame(64)
    for (let offset = start; offset < end;) {
      const { bytes, nextOffset } = await log.read(at, offset, 1 << 20, 0)
      if (nextOffset <= offset) break
      walk(bytes, offset, frame, at.topic)
      for (let row = 0; row < frame.rows; row++) {
        schemas.know(schemas.codec.decode(unwire(bytes.subarray(frame.valueOffsets[row], frame.valueEnds[row])).avro))
      }
      offset = nextOffset
    }
    return schemas
  }

  /** False: what is not judged stays so. */
  get asks(): boolean {
    return this.options.lookup !== null
  }

  /** What was judged of an id at a record; undefined: nothing. */
  of(id: number, record: number): Judgement | undefined {
    return this.judged.get(id)?.find(({ from, to }) => from <= record && (to === null || record < to))
  }

  /**
   * Asks for what nobody has judged. Returns how many of the frame's rows may be processed now: all of them, or those in
   * front of the first one for which nobody could be asked; then it has waited, when there are none.
   */
  async prepare(rows: number, unjudged: readonly Unjudged[]): Promise<number> {
    const { lookup } = this.options
    if (lookup === null) return rows
    for (const one of unjudged) {
      if (one.row === 0 && this.waitMs > 0) await this.wait()
      if (this.stopping.signal.aborted) return one.row
      try {
        this.judge(one, await Promise.race([lookup.find(one.id), this.stopped]))
      } catch (error) {
        if (this.stopping.signal.aborted) return one.row
        const why = (error as { reason?: string }).reason ?? (error instanceof Error ? error.message : String(error))
        this.waiting = `schema id ${one.id} cannot be looked up: ${why}`
        this.waitMs = Math.min(LONGEST_WAIT_MS, Math.max(FIRST_WAIT_MS, this.waitMs * 2))
        return one.row
      }
    }
    this.waiting = null
    this.waitMs = 0
    return rows
  }

  private judge({ id, first, last }: Unjudged, found: Found): void {
    const { schema, words, forEver } = found
    const many = schema !== null && !this.schemas.has(schema) && this.schemas.size >= MOST_SCHEMAS
    const tooMany = `more than ${MOST_SCHEMAS} other schemas were used in this partition before; write with one of them`
    const said = many ? { schema: null, words: `The schema with id ${id} is not read: ${tooMany}.` } : { schema, words }
    const judgement = { schemaId: id, from: first, to: forEver ? null : last + 1, ...said }
    this.know(judgement)
    this.fresh.push(judgement)
  }

  private know(judgement: Judgement): void {
    const { schemaId, to, schema, words } = judgement
    const known = this.judged.get(schemaId) ?? []
    const last = known.at(-1)
    // Between two that follow each other there is no record of this id: one that goes on for days stays one.
    if (last !== undefined && last.schema === null && schema === null && last.words === words) {
      known[known.length - 1] = { ...last, to }
    } else known.push(judgement)
    this.judged.set(schemaId, known)
    if (schema !== null) this.schemas.add(schema)
  }

  private async wait(): Promise<void> {
    // Told to stop: the caller sees it by itself.
    await sleep(this.waitMs, undefined, { signal: this.stopping.signal }).catch(() => undefined)
  }

  /** Judgements since the last call, to be committed with the outputs that rest on them. `time`: of their records. */
  appends(time: number): Append[] {
    if (this.fresh.length === 0) return []
    const writer = new RecordBatchWriter()
    writer.begin(time)
    for (const judgement of this.fresh) {
      writer.append(time, null, 0, 0, wire(this.ids.idOf(this.options.record), this.codec.encode(judgement)))
    }
    this.fresh = []
    return [{ ...this.at, batches: writer.finish() }]
  }

  /** Ends a wait that is under way, and every later one. */
  stop(): void {
    this.stopping.abort()
  }
}
