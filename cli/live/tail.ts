/** Follows the committed records of a topic, all partitions, and hands each decoded object to a callback. */

import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { RecordType } from '../../schemas/topics.ts'
import { objectCodec, type ObjectCodec } from '../../streams/avro/object.ts'
import type { Frame } from '../../streams/batch.ts'
import type { Fetched, Log } from '../../streams/backend.ts'
import { inflate, newFrame, walk } from '../../streams/records.ts'
import { pinnedIds, type SchemaIds } from '../../streams/schema-ids.ts'
import { passes, type Passing } from './troubles.ts'

/** One read: some thousand alerts; small enough that a page of them does not hold up the line. */
const READ_BYTES = 256 * 1024
/** A record batch that inflates beyond this is no batch of ours. */
export const MAX_BATCH_BYTES = 64 * 1024 * 1024
/** How long a read waits for something new; also how long a stop may take to be noticed. */
const WAIT_MS = 250
/** Before a log that could not be read is asked again; it has been asked for half a minute already. */
const AGAIN_MS = 500
const WIRE_PREFIX = 5

const codecs = new Map<string, ObjectCodec<unknown>>()

/** The codec of a record type, made once. */
export function codecOf<T>(type: RecordType): ObjectCodec<T> {
  let codec = codecs.get(type.name)
  if (codec === undefined) codecs.set(type.name, (codec = objectCodec<unknown>(type.schema)))
  return codec as ObjectCodec<T>
}

/** Wire id of the record in bytes[at, end); -1 when it has no wire prefix. */
export const wireIdAt = (bytes: Uint8Array, at: number, end: number): number =>
  end - at < WIRE_PREFIX || bytes[at] !== 0
    ? -1
    : (bytes[at + 1] << 24) | (bytes[at + 2] << 16) | (bytes[at + 3] << 8) | bytes[at + 4]

/**
 * The object in bytes[at, end), wire prefix included, or null when it is of another type. `ids`: those of the log. Errors:
 * AvroError.
 */
export function objectAt<T>(
  type: RecordType,
  bytes: Uint8Array,
  at: number,
  end: number,
  ids: SchemaIds = pinnedIds,
): T | null {
  if (wireIdAt(bytes, at, end) !== ids.idOf(type)) return null
  return codecOf<T>(type).decode(bytes.subarray(at + WIRE_PREFIX, end))
}

export interface TailOptions<T> {
  readonly log: Log
  readonly topic: string
  /** Records of other types (marks) are passed over. */
  readonly type: RecordType
  /** Ids of the log's wire prefixes; default: the pinned ones. */
  readonly schemas?: SchemaIds
  /** First offset per partition. */
  readonly from: readonly number[]
  /** A promise is awaited before the partition goes on. */
  readonly deliver: (value: T, partition: number, offset: number) => void | Promise<void>
  /** Told what ended the tail before it was stopped. */
  readonly failed: (error: Error) => void
  /** Told while the log cannot be read for a time; the tail goes on where it was. */
  readonly interrupted?: Passing
}

export class Tail<T> {
  /** Offset after the last record that was delivered or passed over, per partition. */
  readonly offsets: number[]
  /** Resolves when nothing is delivered any more. */
  readonly done: Promise<void>
  private readonly options: TailOptions<T>
  private stopped = false
  /** Partitions that cannot be read now. */
  private readonly away = new Set<number>()

  constructor(options: TailOptions<T>) {
    this.options = options
    this.offsets = [...options.from]
    this.done = Promise.all(this.offsets.map((_, partition) => this.follow(partition))).then(
      () => undefined,
      (error: unknown) => {
        if (this.stopped) return
        this.stopped = true
        options.failed(error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  /** Delivers nothing more; reads that wait end within their time. */
  stop(): void {
    this.stopped = true
  }

  private async follow(partition: number): Promise<void> {
    const frame = newFrame(256)
    while (!this.stopped) {
      try {
        const fetched = await this.read(partition)
        if (fetched !== null) await this.hand(fetched, partition, frame)
      } catch (error) {
        if (!passes(error)) throw error
        this.away.add(partition)
        this.options.interrupted?.(error as Error)
        await sleep(AGAIN_MS)
      }
    }
  }

  /** What is new in a partition; null: nothing. */
  private async read(partition: number): Promise<Fetched | null> {
    const { log, topic, interrupted } = this.options
    const from = this.offsets[partition]
    const fetched = await log.read({ topic, partition }, from, READ_BYTES, WAIT_MS)
    if (this.away.delete(partition) && this.away.size === 0) interrupted?.(null)
    return fetched.nextOffset === from ? null : fetched
  }

  private async hand(fetched: Fetched, partition: number, frame: Frame): Promise<void> {
    const { topic, type, deliver, schemas } = this.options
    walk(inflate(fetched.bytes, MAX_BATCH_BYTES, topic), this.offsets[partition], frame, `${topic}/${partition}`)
    for (let row = 0; row < frame.rows; row++) {
      if (this.stopped) return
      this.offsets[partition] = frame.offsets[row] + 1
      const value = objectAt<T>(type, frame.bytes, frame.valueOffsets[row], frame.valueEnds[row], schemas)
      const wait = value === null ? undefined : deliver(value, partition, frame.offsets[row])
      if (wait !== undefined) await wait
    }
    this.offsets[partition] = fetched.nextOffset
    // A backlog is read in turns with the line, which matters more.
    if (fetched.nextOffset < fetched.endOffset) await turn()
  }
}

/** Ends of all partitions of a topic, at most `back` records before them and never before what is kept. */
export async function endsOf(log: Log, topic: string, back = 0): Promise<number[]> {
  const partitions = await log.partitions(topic)
  const ends: number[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const { start, end } = await log.bounds({ topic, partition })
    ends.push(Math.max(start, end - back))
  }
  return ends
}
