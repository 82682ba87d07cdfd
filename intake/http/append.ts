/**
 * Group commit: posts that arrive while a commit is under way share the next one, so a thousand of them cost a few
 * flushes and not a thousand.
 *
 * Owns the writer `http-intake`, or the one that it is given. One commit is in flight, one group waits; what would not fit into it is refused.
 *
 * A1  `append` resolves only after the commit that carries its records resolved: they are durable.
 * A2  The records of one `append` are in one commit: all or none. A writer that is not transactional (on Kafka) may leave
 *     some of them after an error; nobody was promised anything then, and what is sent again is found to be a copy.
 * A3  After an error of a commit its writer is never used again (indefinite error), and everybody in that group hears it.
 * A4  A fenced appender stays closed: another process owns the intake.
 */
import type { Append, Log, Writer } from '../../streams/backend.ts'
import { FencedError } from '../../streams/errors.ts'
import { RecordBatchWriter } from '../../streams/records.ts'
import type { IntakeObserver } from '../observer.ts'
import { QueueFullError, type Intake, type IntakeRecord } from './ports.ts'

export interface LogAppenderOptions {
  readonly log: Log
  readonly topic: string
  /** Writer id; one intake of a log has it at a time. */
  readonly writerId?: string
  /** Opens another way to append than the log's writer of that id. */
  readonly openWriter?: () => Promise<Writer>
  /** Most bytes that may wait for the next commit. */
  readonly maxWaitingBytes?: number
  /** Most records of one commit. */
  readonly maxWaitingRecords?: number
  readonly observer?: IntakeObserver
}

interface Group {
  readonly records: IntakeRecord[]
  bytes: number
  readonly done: PromiseWithResolvers<void>
}

const openerOf = ({ log, writerId = 'http-intake', openWriter }: LogAppenderOptions): (() => Promise<Writer>) =>
  openWriter ?? (() => log.writer(writerId))

const newGroup = (): Group => ({ records: [], bytes: 0, done: Promise.withResolvers<void>() })

export class LogAppender implements Intake {
  readonly partitions: number
  private readonly topic: string
  private readonly openWriter: () => Promise<Writer>
  private readonly maxBytes: number
  private readonly maxRecords: number
  private readonly observer: IntakeObserver | null
  private readonly batches = new Map<number, RecordBatchWriter>()
  private writer: Writer | null
  private waiting: Group | null = null
  private inFlight: Promise<void> | null = null
  private closed: Error | null = null

  private constructor(options: LogAppenderOptions, partitions: number, writer: Writer) {
    this.topic = options.topic
    this.openWriter = openerOf(options)
    // 16 MiB is 100,000 payments: two commits' worth of what one core can take in a second. More only hides overload.
    this.maxBytes = options.maxWaitingBytes ?? 16 * 1024 * 1024
    this.maxRecords = options.maxWaitingRecords ?? 100_000
    this.observer = options.observer ?? null
    this.partitions = partitions
    this.writer = writer
  }

  /** Fences the intake before it and reads the number of partitions. */
  static async open(options: LogAppenderOptions): Promise<LogAppender> {
    const partitions = await options.log.partitions(options.topic)
    const writer = await openerOf(options)()
    return new LogAppender(options, partitions, writer)
  }

  append(records: readonly IntakeRecord[]): Promise<void> {
    if (this.closed !== null) return Promise.reject(this.closed)
    if (records.length === 0) return Promise.resolve()
    const group = (this.waiting ??= newGroup())
    let bytes = 0
    for (const record of records) bytes += record.value.length + (record.key?.length ?? 0) + 16
    // A group that is empty takes anything: the body limit bounds one request.
    const full = group.bytes + bytes > this.maxBytes || group.records.length + records.length > this.maxRecords
    if (full && group.records.length > 0) return Promise.reject(new QueueFullError(1))
    for (const record of records) group.records.push(record)
    group.bytes += bytes
    // setImmediate: posts that this turn of the event loop still has to read join the first commit, too.
    if (this.inFlight === null) {
      this.inFlight = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.drain())
    }
    return group.done.promise
  }

  /** Commits group after group until nobody waits. Never rejects: errors go to those who wait. */
  private async drain(): Promise<void> {
    while (this.waiting !== null) {
      const group = this.waiting
      this.waiting = null
      const began = performance.now()
      const records = group.records.length
      try {
        await this.commit(group)
        group.done.resolve()
        this.observer?.appended({ records, bytes: group.bytes, ms: performance.now() - began })
      } catch (error) {
        const reason = error instanceof Error ? error : new Error(String(error))
        this.observer?.failed({ records }, reason)
        group.done.reject(reason)
        await this.discardWriter(reason)
      }
    }
    this.inFlight = null
  }

  private async commit(group: Group): Promise<void> {
    if (this.closed !== null) throw this.closed
    this.writer ??= await this.openWriter()
    await this.writer.commit({ appends: this.build(group.records), position: -1, metadata: '' })
  }

  private build(records: readonly IntakeRecord[]): Append[] {
    const touched = new Map<number, RecordBatchWriter>()
    for (const record of records) {
      let batch = touched.get(record.partition)
      if (batch === undefined) {
        batch = this.batches.get(record.partition) ?? new RecordBatchWriter()
        this.batches.set(record.partition, batch)
        batch.begin(record.timestamp)
        touched.set(record.partition, batch)
      }
      batch.append(record.timestamp, record.key, 0, record.key?.length ?? 0, record.value)
    }
    return [...touched].map(([partition, batch]) => ({ topic: this.topic, partition, batches: batch.finish() }))
  }

  private async discardWriter(reason: Error): Promise<void> {
    const writer = this.writer
    this.writer = null
    if (reason instanceof FencedError) {
      const message = 'Another process has taken over the intake of this log; stop this one.'
      this.closed = new Error(message, { cause: reason })
    }
    // A writer that failed may fail to close as well; the reason that counts was already told to those who waited.
    await writer?.close().catch(() => undefined)
  }

  /** Takes nothing new, waits for what is under way, and closes the writer. */
  async close(): Promise<void> {
    this.closed ??= new Error('The intake is closing; send it again to the process that comes next.')
    const refused = this.waiting
    // Those who wait were not promised anything yet: the commit that runs is finished, the next is not begun.
    if (refused !== null && refused.records.length > 0) {
      this.waiting = null
      refused.done.reject(this.closed)
    }
    await this.inFlight
    await this.writer?.close()
    this.writer = null
  }
}
