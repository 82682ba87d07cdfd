/** Reads one (topic, partition) in order, checks that no number is missing, and gives the insert blocks. */
import type { Fetched, TopicPartition } from '../streams/backend.ts'
import type { Frame } from '../streams/batch.ts'
import { inflate, walk } from '../streams/records.ts'
import { BlockCutter, type Block } from './blocks.ts'
import { SinkError } from './errors.ts'
import type { Feed } from './feed.ts'
import { readHead } from './rows.ts'
import { WIRE_PREFIX, wireId } from './wire.ts'

/** A record batch that inflates beyond this is no batch of ours. */
const MAX_BATCH_BYTES = 64 * 1024 * 1024

export class BlockReader {
  readonly at: TopicPartition
  private readonly feed: Feed
  private readonly cutter: BlockCutter
  private readonly head = new Float64Array(3)
  private readonly from: number
  private begun = false
  /** Number of the record that comes next. */
  nextSeq: number
  /** Offset of the record that comes next. */
  offset: number
  /** Records with a number that was there already, apart from those read again to find the place. */
  dropped = 0

  /** `fromSeq` begins a block; `offset` is at or before its record. */
  constructor(at: TopicPartition, feed: Feed, maxRows: number, fromSeq: number, offset: number) {
    this.at = at
    this.feed = feed
    this.cutter = new BlockCutter(feed.writer, maxRows)
    this.from = fromSeq
    this.nextSeq = fromSeq
    this.offset = offset
  }

  /** Rows since the last cut. */
  get openRows(): number {
    return this.cutter.rows
  }

  /**
   * Takes what was fetched at `offset`; blocks that it closes go to `cut`. `frame` is only used during the call. Errors:
   * SLUICE_SINK_GAP, SLUICE_SINK_RETENTION (the log begins after what is needed), SLUICE_SINK_RECORD.
   */
  take(fetched: Fetched, frame: Frame, cut: (block: Block) => void): void {
    const source = `${this.at.topic}/${this.at.partition}`
    const bytes = inflate(fetched.bytes, MAX_BATCH_BYTES, source)
    walk(bytes, this.offset, frame, source)
    const { record, markId } = this.feed.topic
    for (let row = 0; row < frame.rows; row++) {
      const at = frame.valueOffsets[row]
      const end = frame.valueEnds[row]
      const offset = frame.offsets[row]
      const id = wireId(frame.bytes, at, end)
      if (id !== record.id && id !== markId) throw this.fault(offset, `schema id ${id}, which does not belong here`)
      try {
        readHead(frame.bytes, at + WIRE_PREFIX, end, this.head)
        this.record(id === markId, frame.bytes, at + WIRE_PREFIX, end, offset, cut)
      } catch (error) {
        if (error instanceof SinkError && error.code === 'SLUICE_SINK_RECORD') throw this.fault(offset, error.message)
        throw error
      }
    }
    this.offset = fetched.nextOffset
  }

  private record(
    isMark: boolean,
    bytes: Uint8Array,
    at: number,
    end: number,
    offset: number,
    cut: (block: Block) => void,
  ): void {
    const [task, seq, logicalTime] = this.head
    if (task !== this.at.partition) throw this.fault(offset, `task ${task} in the partition of another`)
    if (seq > this.nextSeq) this.gap(seq, offset)
    this.begun = true
    if (isMark) {
      this.cutter.mark(offset, cut)
      return
    }
    if (seq < this.nextSeq) {
      if (seq >= this.from) this.dropped++
      return
    }
    this.cutter.row(seq, logicalTime, bytes, at, end, offset, cut)
    this.nextSeq = seq + 1
  }

  private gap(seq: number, offset: number): never {
    const where = `${this.at.topic}/${this.at.partition}`
    if (!this.begun && offset > 0) {
      throw new SinkError('SLUICE_SINK_RETENTION', `${where} begins at number ${seq}, ClickHouse needs ${this.from}.`)
    }
    throw new SinkError('SLUICE_SINK_GAP', `${where}, offset ${offset}: number ${seq} comes after ${this.nextSeq - 1}.`)
  }

  private fault(offset: number, what: string): SinkError {
    return new SinkError('SLUICE_SINK_RECORD', `${this.at.topic}/${this.at.partition}, offset ${offset}: ${what}.`)
  }
}
