/** The first pass over a file: its times only. Order, clock, number of rows, content hash. */
import { createHash } from 'node:crypto'
import type { TimeBounds } from './encode.ts'
import type { LoadedMapping } from './load-mapping.ts'
import { END, FileRows, type InputFile, MORE } from './rows.ts'

export interface Pass {
  readonly file: InputFile
  readonly sha256: string
  readonly rows: number
  /** No time lies further than grace before an earlier row's: the file is read as it stands. */
  readonly ascending: boolean
  /** Key of its first row in the order of the import. */
  readonly firstKey: number
  readonly minTime: number | null
  readonly maxTime: number | null
  /** Rows whose time is before the log's clock. */
  readonly lateRows: number
  /** Sum over the keys in the order of the file: the second pass must come to the same. */
  readonly check: number
  /** Columns that nobody reads. */
  readonly unread: readonly string[]
}

/** Is a time readable, for order and ticks? NaN is not. */
export const isReadable = (time: number, { earliest, notAfter, maxAheadMs }: TimeBounds): boolean =>
  time >= earliest && time <= notAfter + maxAheadMs

/** Adds a row's key to the running check of a file. */
export const addCheck = (check: number, key: number): number => (Math.imul(check, 31) + (key | 0)) | 0

/** Reads a file once. `piece`: called after each piece, with the bytes and rows so far. Errors: ImportRefused. */
export async function firstPass(
  file: InputFile,
  mapping: LoadedMapping | null,
  bounds: TimeBounds,
  graceMs: number,
  closedThrough: number,
  piece: (bytes: number, rows: number) => void | Promise<void>,
): Promise<Pass> {
  const hash = createHash('sha256')
  const source = await FileRows.open(file, mapping, (bytes) => hash.update(bytes))
  const { reading, row } = source
  let rows = 0
  let ascending = true
  let running = 0
  let firstKey = 0
  let minTime = Number.POSITIVE_INFINITY
  let lateRows = 0
  let check = 0
  try {
    for (;;) {
      const step = source.next()
      if (step === MORE) {
        await piece(source.bytesRead, rows)
        await source.fill()
        continue
      }
      if (step === END) break
      const time = reading.time(row)
      if (isReadable(time, bounds)) {
        if (time > running) running = time
        else if (time < running - graceMs) ascending = false
        if (time < minTime) minTime = time
        if (time < closedThrough) lateRows++
      }
      if (rows++ === 0) firstKey = running
      check = addCheck(check, running)
    }
    await piece(source.bytesRead, rows)
  } catch (error) {
    await source.close()
    throw error
  }
  await source.finish()
  const sha256 = hash.digest('hex')
  const times = minTime === Number.POSITIVE_INFINITY ? { minTime: null, maxTime: null } : { minTime, maxTime: running }
  // Sorted, the smallest time comes first, or a row in front that has none.
  if (!ascending) firstKey = Math.min(firstKey, minTime)
  return { file, sha256, rows, ascending, firstKey, ...times, lateRows, check, unread: source.unread }
}
