/** Appends the rows of an import in their order, from where it stood, and commits the position with them. */
import type { DeadLetterReason } from '../../schemas/reasons.ts'
import type { Writer } from '../../streams/backend.ts'
import { AppendBuilder } from './append.ts'
import { type TimeBounds, TransactionEncoder } from './encode.ts'
import type { ImportOptions } from './import.ts'
import { counts, importAppend, type ImportPosition, type ImportRecord, positionText } from './imports.ts'
import { mostSkipReasons } from './mapped.ts'
import type { MergedFiles, OrderedFile } from './ordered.ts'
import { faultDetail } from './reading.ts'
import { END, MORE } from './rows.ts'

/** A commit of 4,000 rows takes about 20 ms of work, several times what a flush to disk does. */
const defaultCommitRows = 4000

export interface Feed {
  readonly options: ImportOptions
  readonly writer: Writer
  readonly merged: MergedFiles
  readonly begun: ImportRecord
  /** Where it stood; null when it has not begun. */
  readonly position: ImportPosition | null
  /** Position of the writer when this import began. */
  readonly base: number
  readonly bounds: TimeBounds
  readonly producer: string
}

/** Resolves with the finished record when its commit is durable. */
export async function feed(work: Feed): Promise<ImportRecord> {
  const { merged } = work
  const feeder = new Feeder(work)
  try {
    if (work.position === null) await feeder.begin()
    for (;;) {
      const step = merged.next()
      if (step === MORE) {
        await merged.fill()
        continue
      }
      if (step === END) break
      if (feeder.take(merged.current)) await feeder.commit()
    }
    return await feeder.finish()
  } finally {
    await merged.close()
    await feeder.settle()
  }
}

class Feeder {
  private readonly work: Feed
  private readonly builder: AppendBuilder
  private readonly encoder: TransactionEncoder
  private readonly at: ImportPosition
  private readonly tickRows: number
  private readonly commitRows: number
  /** Rows seen; those up to `at.rank` were appended before. */
  private rank = 0
  private readonly inFlight: Promise<void>[] = []

  constructor(work: Feed) {
    const { options, bounds, begun } = work
    this.work = work
    this.builder = new AppendBuilder(options.settings.partitions, bounds.notAfter, options.schemas)
    this.encoder = new TransactionEncoder(bounds, work.producer, options.schemas)
    this.tickRows = options.settings.runTickRows
    this.commitRows = Math.min(50_000, Math.max(1, options.commitRows ?? defaultCommitRows))
    this.at = work.position ?? {
      identity: begun.identity,
      finished: false,
      rank: 0,
      maxTime: null,
      sinceTick: 0,
      transactions: 0,
      unreadable: {},
      skipped: {},
    }
  }

  async begin(): Promise<void> {
    const { writer, begun, base } = this.work
    await writer.commit({ appends: [importAppend(begun)], position: base, metadata: positionText(this.at) })
  }

  /** Takes the next row; true when a commit is due. */
  take(source: OrderedFile): boolean {
    const rank = ++this.rank
    const { at } = this
    if (rank <= at.rank) return false
    at.rank = rank
    const { time } = source
    if (time === time && (at.maxTime === null || time > at.maxTime)) at.maxTime = time
    this.append(source, rank - 1)
    if (++at.sinceTick === this.tickRows) {
      this.builder.tick(at.maxTime ?? 0, null)
      at.sinceTick = 0
    }
    if (rank % 100 === 0) this.builder.cut()
    return rank % this.commitRows === 0
  }

  private append(source: OrderedFile, ordinal: number): void {
    const { reading, row } = source
    const { skipped } = this.at
    const { skip } = reading
    if (skip !== null) {
      if (Object.hasOwn(skipped, skip)) skipped[skip]++
      else if (Object.keys(skipped).length < mostSkipReasons) skipped[skip] = 1
      else {
        const detail = `It gave more than ${mostSkipReasons} different reasons for skipping.`
        this.unreadable(source, ordinal, 'mapping-result', detail)
      }
      return
    }
    if (reading.problem !== null) {
      const columns = row.problem === 'column-count' ? `It has ${row.found} fields.` : reading.detail
      this.unreadable(source, ordinal, reading.problem, columns)
      return
    }
    const fault = this.encoder.fault(reading.fields, source.readTime)
    if (fault !== null) {
      this.unreadable(source, ordinal, fault, faultDetail(fault, reading.fields))
      return
    }
    this.encoder.write(reading.fields, source.readTime, reading.precision, this.builder.writers)
    this.at.transactions++
  }

  private unreadable(source: OrderedFile, ordinal: number, reason: DeadLetterReason, detail: string): void {
    const { unreadable } = this.at
    unreadable[reason] = (unreadable[reason] ?? 0) + 1
    this.builder.unreadable(ordinal, reason, detail, source.row, source.pass.file.name)
  }

  /** Sends what was built; waits only as far as the writer and the caller ask for it. */
  async commit(): Promise<void> {
    const { options, writer, base, begun } = this.work
    const appends = this.builder.take()
    const { rank } = this.at
    const metadata = positionText(this.at)
    await options.pace?.()
    while (this.inFlight.length >= Math.max(1, writer.maxInFlight)) await this.inFlight.shift()
    const sent = writer.commit({ appends, position: base + rank, metadata })
    // Awaited later; a refusal in between must not count as unhandled.
    sent.catch(() => undefined)
    this.inFlight.push(sent)
    await options.progress?.({ phase: 'append', bytes: 0, totalBytes: 0, rows: rank, totalRows: begun.rows })
  }

  /** The last tick, with the record that the import is finished. */
  async finish(): Promise<ImportRecord> {
    const { options, writer, base, begun } = this.work
    const { at } = this
    if (this.rank !== begun.rows) throw new Error(`the import has ${this.rank} rows, its first pass ${begun.rows}`)
    if (at.maxTime !== begun.maxTime) throw new Error(`largest time ${at.maxTime}, in the first pass ${begun.maxTime}`)
    this.builder.tick(at.maxTime ?? 0, begun.closeThrough)
    const record: ImportRecord = {
      ...begun,
      state: 'FINISHED',
      transactions: at.transactions,
      unreadable: counts(at.unreadable),
      skipped: counts(at.skipped),
    }
    await options.pace?.()
    for (const sent of this.inFlight.splice(0)) await sent
    await options.progress?.({ phase: 'final', bytes: 0, totalBytes: 0, rows: at.rank, totalRows: begun.rows })
    const metadata = positionText({ ...at, finished: true })
    await writer.commit({
      appends: [...this.builder.take(), importAppend(record, options.schemas)],
      position: base + at.rank,
      metadata,
    })
    return record
  }

  /** Waits for what is still under way, whatever becomes of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.inFlight)
  }
}
