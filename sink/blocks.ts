/**
 * Cuts the records of one (topic, partition) into insert blocks: at a mark, at so many rows, at a new month of logical time.
 *
 * K1  Where a block begins and ends is a function of the log alone, from any cut on: every writer builds the same blocks.
 * K2  A block lies in one month, so in one partition of the table, so in one part: it is inserted whole or not at all.
 */
import { Arena } from '../streams/arena.ts'
import type { RowWriter } from './rows.ts'

/** Rows of one INSERT, ready bytes. */
export interface Block {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly rows: number
  /** RowBinary. */
  readonly body: Uint8Array
  /** Log offset after the last record of the block, a closing mark included. */
  readonly nextOffset: number
}

/** Room at the start; it grows to a whole block (10 MB for 50,000 decisions). */
const ARENA_BYTES = 64 * 1024

/** The month of an instant, UTC, as a number that grows: what PARTITION BY toYYYYMM groups. */
export function monthOf(time: number): number {
  const date = new Date(time)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

export class BlockCutter {
  private readonly writer: RowWriter
  private readonly maxRows: number
  private arena = new Arena(ARENA_BYTES)
  private firstSeq = 0
  private month = 0
  private monthEnd = Number.NEGATIVE_INFINITY
  /** Rows since the last cut. */
  rows = 0

  constructor(writer: RowWriter, maxRows: number) {
    this.writer = writer
    this.maxRows = maxRows
  }

  /**
   * Takes the record with this seq, whose Avro bytes are bytes[at, end). Gives the blocks that it closes to `cut`: the one
   * before it (a new month), the one that it fills, or both. `offset`: of this record in the log.
   */
  row(
    seq: number,
    logicalTime: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    offset: number,
    cut: (block: Block) => void,
  ): void {
    if (this.rows > 0 && (logicalTime >= this.monthEnd || monthOf(logicalTime) !== this.month)) cut(this.close(offset))
    if (this.rows === 0) {
      this.firstSeq = seq
      this.month = monthOf(logicalTime)
      this.monthEnd = Date.UTC(Math.floor(this.month / 12), (this.month % 12) + 1)
    }
    this.writer.write(bytes, at, end, this.arena)
    this.rows++
    if (this.rows >= this.maxRows) cut(this.close(offset + 1))
  }

  /** A mark: closes what is open; with nothing open it is nothing. `offset`: of the mark. */
  mark(offset: number, cut: (block: Block) => void): void {
    if (this.rows > 0) cut(this.close(offset + 1))
  }

  private close(nextOffset: number): Block {
    const { arena, rows, firstSeq } = this
    const body = arena.bytes.subarray(0, arena.position)
    // The block keeps its bytes until it is inserted; the next one gets its own.
    this.arena = new Arena(Math.max(ARENA_BYTES, Math.min(arena.position, 1 << 20)))
    this.rows = 0
    return { firstSeq, lastSeq: firstSeq + rows - 1, rows, body, nextOffset }
  }
}
