/**
 * The order of an import: its files merged by (key, file, row).
 *
 * The key of a row in a file that ascends within grace is the largest time up to it, so such a file stands in the log as
 * it stands on disk; in a file that was sorted it is the row's time. A row without a readable time keeps its
 * predecessor's. So the order is a function of the files.
 */
import type { TimeBounds } from './encode.ts'
import { addCheck, isReadable, type Pass } from './first-pass.ts'
import type { LoadedMapping } from './load-mapping.ts'
import type { Reading } from './reading.ts'
import { ImportRefused } from './refusals.ts'
import type { Row, Step } from './row.ts'
import { END, FileRows, MORE, ROW } from './rows.ts'

/** The rows of one file in ascending order of their keys. */
export interface OrderedFile {
  readonly pass: Pass
  readonly row: Row
  readonly reading: Reading
  /** Key of the current row; before the first row that of the first. */
  key: number
  /** Time of the current row, NaN when it is not readable for order and ticks. */
  time: number
  /** The time as it was read, implausible ones too. */
  readTime: number
  next(): Step
  fill(): Promise<void>
  finish(): Promise<void>
  close(): Promise<void>
}

/** A file that is read as it stands. */
export class AscendingFile implements OrderedFile {
  readonly pass: Pass
  readonly row: Row
  readonly reading: Reading
  key = 0
  time = Number.NaN
  readTime = Number.NaN
  private check = 0
  private readonly bounds: TimeBounds
  private readonly rows: FileRows

  private constructor(pass: Pass, rows: FileRows, bounds: TimeBounds) {
    this.pass = pass
    this.rows = rows
    this.row = rows.row
    this.reading = rows.reading
    this.bounds = bounds
  }

  static async open(pass: Pass, mapping: LoadedMapping | null, bounds: TimeBounds): Promise<AscendingFile> {
    return new AscendingFile(pass, await FileRows.open(pass.file, mapping), bounds)
  }

  next(): Step {
    const step = this.rows.next()
    if (step !== ROW) return step
    const time = this.reading.time(this.row)
    this.readTime = time
    if (isReadable(time, this.bounds)) {
      this.time = time
      if (time > this.key) this.key = time
    } else this.time = Number.NaN
    this.check = addCheck(this.check, this.key)
    return ROW
  }

  fill(): Promise<void> {
    return this.rows.fill()
  }

  async finish(): Promise<void> {
    await this.rows.finish()
    if (this.check !== this.pass.check) throw impure(this.pass.file.name)
  }

  close(): Promise<void> {
    return this.rows.close()
  }
}

export const impure = (name: string): ImportRefused =>
  new ImportRefused('SLUICE_IMPORT_IMPURE', `${name} gave other times when it was read again.`)

/** Merges files by (key, file, row); a file is opened when its first row is next. */
export class MergedFiles {
  /** The file whose row is the current one. */
  current!: OrderedFile
  private readonly open: (pass: Pass) => Promise<OrderedFile>
  /** Binary heap by (key, file). */
  private readonly heap: { key: number; index: number; file: OrderedFile | null; pass: Pass }[] = []
  private started = false
  private pending = false

  constructor(passes: readonly Pass[], open: (pass: Pass) => Promise<OrderedFile>) {
    this.open = open
    for (const [index, pass] of passes.entries()) {
      if (pass.rows > 0) this.heap.push({ key: pass.firstKey, index, file: null, pass })
    }
    this.heap.sort((a, b) => a.key - b.key || a.index - b.index)
  }

  /** The next row into `current`; MORE: `fill`, then again. */
  next(): Step {
    for (;;) {
      const top = this.heap[0]
      if (top === undefined) return END
      if (top.file === null) return MORE
      if (this.started) {
        const step = top.file.next()
        if (step === MORE) return MORE
        if (step === END) {
          this.pending = true
          return MORE
        }
        this.started = false
        if (this.heap.length > 1) {
          top.key = top.file.key
          this.sink()
        }
        continue
      }
      this.started = true
      this.current = top.file
      return ROW
    }
  }

  /** Reads on, opens the file that is next, or closes the one that has ended. */
  async fill(): Promise<void> {
    const top = this.heap[0]
    if (this.pending) {
      this.pending = false
      await top.file?.finish()
      const last = this.heap.pop()
      if (last !== undefined && this.heap.length > 0) {
        this.heap[0] = last
        this.sink()
      }
      this.started = false
      return
    }
    if (top.file === null) {
      const file = await this.open(top.pass)
      top.file = file
      // Its first row, so that the heap holds files that stand at their next row.
      let step = file.next()
      for (; step === MORE; step = file.next()) await file.fill()
      if (step === END || file.key !== top.key) throw impure(top.pass.file.name)
      return
    }
    await top.file.fill()
  }

  async close(): Promise<void> {
    for (const { file } of this.heap) await file?.close()
  }

  private sink(): void {
    const { heap } = this
    const item = heap[0]
    for (let at = 0; ;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++
      if (!before(heap[child], item)) break
      heap[at] = heap[child]
      heap[child] = item
      at = child
    }
  }
}

const before = (a: { key: number; index: number }, b: { key: number; index: number }): boolean =>
  a.key < b.key || (a.key === b.key && a.index < b.index)
