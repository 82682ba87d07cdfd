/**
 * The log that `run` makes of files, for the model: rows in order of (time, file, row), ticks, and a last one that
 * closes all.
 */
import type { Settings } from '../../schemas/settings.ts'
import { partitionOf } from './murmur2.ts'
import type { LogRecord, Transaction } from './types.ts'

/** One row of a file; `file` and `row` count from 0. */
export type Row = { file: number; row: number } & (
  | { transaction: Transaction }
  /** `time`: when it could be read although the row could not. */
  | { unreadable: string; time?: number }
  | { skipped: string }
)

export interface RunOptions {
  /** The clock as read once: an event time may be at most maxAhead after it. */
  notAfter: number
  /** False: the rows come in the order given, as when they ascend within grace. */
  sorted?: boolean
}

/** One log per partition. Only the rows that are in it count as received; skipped ones are for the caller to count. */
export function runLog(rows: readonly Row[], settings: Settings, options: RunOptions): LogRecord[][] {
  const { partitions, cycleMs, earliestEventTime, maxAheadMs, runTickRows } = settings
  const readable = (time: number | undefined): time is number =>
    time !== undefined && time >= earliestEventTime && time <= options.notAfter + maxAheadMs
  const timeOf = (row: Row): number | undefined => {
    const time = 'transaction' in row ? row.transaction.occurredAt : 'unreadable' in row ? row.time : undefined
    return readable(time) ? time : undefined
  }

  // A row without a readable time keeps its predecessor's, in its file.
  const before = new Map<number, number>()
  const placed = rows.map((row) => {
    const time = timeOf(row) ?? before.get(row.file) ?? -Infinity
    before.set(row.file, time)
    return { row, time }
  })
  if (options.sorted !== false) {
    placed.sort((a, b) => (a.time === b.time ? 0 : a.time - b.time) || a.row.file - b.row.file || a.row.row - b.row.row)
  }

  const logs: LogRecord[][] = Array.from({ length: partitions }, () => [])
  let latest = -Infinity
  const tick = (closeThrough: number | null): void => {
    if (latest === -Infinity) return
    for (const log of logs) log.push({ type: 'tick', at: latest, clock: 'FILES', closeThrough })
  }
  for (const [rank, { row }] of placed.entries()) {
    latest = Math.max(latest, timeOf(row) ?? -Infinity)
    if ('transaction' in row) {
      const { transaction } = row
      const key = transaction.payerAccount
      logs[partitionOf(key, partitions)].push({ type: 'transaction', key, acceptedAt: options.notAfter, transaction })
    } else if ('unreadable' in row) {
      logs[row.row % partitions].push({ type: 'unreadable', reason: row.unreadable })
    }
    if ((rank + 1) % runTickRows === 0) tick(null)
  }
  tick(Math.floor(latest / cycleMs) * cycleMs + cycleMs)
  return logs
}
