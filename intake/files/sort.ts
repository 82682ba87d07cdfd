/**
 * Stable external sort of one file by time: runs sorted in memory, written one after the other into one file on disk,
 * then merged. Memory is one run while it sorts, and one small piece of each run while it merges.
 *
 * An entry: time f64, line f64, length u32, fields found u32, problem u8, line end u8, then the bytes of the row (of a
 * broken one the first 4 KiB), all little endian. Order within the file is the tie-break: runs are cut in file order.
 */
import { open, statfs, type FileHandle } from 'node:fs/promises'
import { type DeadLetterReason, deadLetterReasons } from '../../schemas/reasons.ts'
import type { TimeBounds } from './encode.ts'
import { isReadable, type Pass } from './first-pass.ts'
import type { LoadedMapping } from './load-mapping.ts'
import { impure, type OrderedFile } from './ordered.ts'
import type { Reading } from './reading.ts'
import { ImportRefused, isFull } from './refusals.ts'
import { rawBytes, type Row, type Step } from './row.ts'
import { END, FileRows, MORE, ROW } from './rows.ts'

const headerBytes = 26
/** Rows of about this size are sorted at once. */
const runBytes = 24 << 20
/** All pieces of the merge together; a piece is at least 16 KiB, so 2,000 runs (48 GB) stay within 32 MiB. */
const mergeBytes = 16 << 20
const leastPiece = 16 << 10
/** Left free for the log when space is checked. */
const spareBytes = 64 << 20
const reasons = Object.keys(deadLetterReasons) as DeadLetterReason[]
const noProblem = 255

interface Run {
  readonly start: number
  readonly end: number
}

/** Refuses when the sort would not fit: its runs take the file's size and a header per row. */
export async function checkSpace(directory: string, passes: readonly Pass[]): Promise<void> {
  const needed = passes.reduce((sum, { file, rows }) => sum + file.size + rows * headerBytes, 0)
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize < needed + spareBytes) {
    const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1048576)} MiB`
    const what = `Sorting needs ${mebibytes(needed + spareBytes)} in ${directory}; ${mebibytes(bavail * bsize)} are free.`
    throw new ImportRefused('SLUICE_IMPORT_NO_SPACE', what)
  }
}

/** Low bits of a sort key are the entry's number: a run of the shortest entries has a million. */
const numberBits = 21
/** The processors that Node runs on are little endian: the low half of a 64-bit key comes first. */
const low = 0
const high = 1

/** Sorts one run in memory. Everything is kept from run to run: garbage of this size would count as memory. */
class RunBuffer {
  readonly bytes = new Uint8Array(runBytes + (2 << 20))
  private readonly view = new DataView(this.bytes.buffer)
  private readonly piece = new Uint8Array(2 << 20)
  length = 0
  private starts = new Int32Array(1 << 16)
  /** Keys time * 2^21 + number, to be sorted as integers, and their halves. */
  private keys = new BigUint64Array(1 << 16)
  private halves = new Uint32Array(this.keys.buffer)
  private count = 0

  add(time: number, row: Row): void {
    const { count } = this
    if (count === this.keys.length) this.grow()
    const { view, length, halves } = this
    const size = row.problem === null ? row.end - row.start : Math.min(row.end - row.start, rawBytes)
    // Times are from 0 to below 2^43, so the key has 64 bits: its upper 32 are time / 2^11.
    halves[2 * count + high] = Math.floor(time / 2048)
    halves[2 * count + low] = ((time % 2048) << numberBits) | count
    this.starts[count] = length
    this.count = count + 1
    view.setFloat64(length, time, true)
    view.setFloat64(length + 8, row.line, true)
    view.setUint32(length + 16, size, true)
    view.setUint32(length + 20, row.found, true)
    view.setUint8(length + 24, row.problem === null ? noProblem : reasons.indexOf(row.problem))
    view.setUint8(length + 25, row.terminated ? 1 : 0)
    this.bytes.set(row.bytes.subarray(row.start, row.start + size), length + headerBytes)
    this.length = length + headerBytes + size
  }

  /** The entries in order, in pieces that are good until the next one; empties the buffer. */
  *sorted(): Generator<Uint8Array> {
    const { halves, starts, count, length, bytes, piece } = this
    this.keys.subarray(0, count).sort()
    let filled = 0
    for (let at = 0; at < count; at++) {
      const number = halves[2 * at + low] & ((1 << numberBits) - 1)
      const start = starts[number]
      const end = number + 1 < count ? starts[number + 1] : length
      if (filled + end - start > piece.length) {
        yield piece.subarray(0, filled)
        filled = 0
      }
      if (end - start > 512) piece.set(bytes.subarray(start, end), filled)
      else for (let from = start, to = filled; from < end; from++) piece[to++] = bytes[from]
      filled += end - start
    }
    yield piece.subarray(0, filled)
    this.count = 0
    this.length = 0
  }

  private grow(): void {
    const keys = new BigUint64Array(this.count * 2)
    keys.set(this.keys)
    this.keys = keys
    this.halves = new Uint32Array(keys.buffer)
    const starts = new Int32Array(this.count * 2)
    starts.set(this.starts)
    this.starts = starts
  }
}

/**
 * Sorts a file into runs at `path`. `run`: called after each run, with the rows so far. Errors: ImportRefused, also when
 * the disk is full.
 */
export async function sortFile(
  pass: Pass,
  mapping: LoadedMapping | null,
  bounds: TimeBounds,
  path: string,
  run: (rows: number) => void | Promise<void>,
): Promise<Run[]> {
  const runs: Run[] = []
  const target = await open(path, 'w', 0o600)
  const source = await FileRows.open(pass.file, mapping)
  const buffer = new RunBuffer()
  let position = 0
  let rows = 0
  const flush = async (): Promise<void> => {
    if (buffer.length === 0) return
    const start = position
    for (const piece of buffer.sorted()) {
      await writeAll(target, piece, position)
      position += piece.length
    }
    runs.push({ start, end: position })
    await run(rows)
  }
  try {
    let time = 0
    for (;;) {
      const step = source.next()
      if (step === MORE) {
        await source.fill()
        continue
      }
      if (step === END) break
      const read = source.reading.time(source.row)
      if (isReadable(read, bounds)) time = read
      buffer.add(time, source.row)
      rows++
      if (buffer.length >= runBytes) await flush()
    }
    await flush()
    await source.finish()
    if (rows !== pass.rows) throw impure(pass.file.name)
    return runs
  } catch (error) {
    await source.close().catch(() => undefined)
    if (isFull(error)) {
      throw new ImportRefused('SLUICE_IMPORT_NO_SPACE', `The disk became full while ${pass.file.name} was sorted.`)
    }
    throw error
  } finally {
    await target.close()
  }
}

/** Writes all of the bytes: one write may take fewer, when the disk is nearly full. */
async function writeAll(target: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await target.write(bytes, written, bytes.length - written, position + written)).bytesWritten
  }
}

/** One run while it is merged. */
interface Cursor {
  readonly index: number
  bytes: Uint8Array
  view: DataView
  /** The current entry. */
  at: number
  end: number
  position: number
  readonly limit: number
  time: number
}

/** The rows of a sorted file, by (time, row). */
export class SortedFile implements OrderedFile {
  readonly pass: Pass
  readonly row: Row
  readonly reading: Reading
  key: number
  time = Number.NaN
  readTime = Number.NaN
  private readonly rows: FileRows
  private readonly handle: FileHandle
  private readonly bounds: TimeBounds
  /** Binary heap by (time, run). */
  private readonly heap: Cursor[]
  private started = false

  private constructor(pass: Pass, rows: FileRows, handle: FileHandle, heap: Cursor[], bounds: TimeBounds) {
    this.pass = pass
    this.rows = rows
    this.row = rows.row
    this.reading = rows.reading
    this.handle = handle
    this.heap = heap
    this.bounds = bounds
    this.key = pass.firstKey
  }

  static async open(
    pass: Pass,
    mapping: LoadedMapping | null,
    bounds: TimeBounds,
    path: string,
    runs: readonly Run[],
  ): Promise<SortedFile> {
    // The file itself is opened for its header and its reading; its rows come from the runs.
    const rows = await FileRows.open(pass.file, mapping)
    const handle = await open(path, 'r')
    const piece = Math.max(leastPiece, Math.min(1 << 20, Math.floor(mergeBytes / Math.max(1, runs.length))))
    const heap: Cursor[] = []
    for (const [index, { start, end }] of runs.entries()) {
      const bytes = new Uint8Array(piece)
      const cursor = {
        index,
        bytes,
        view: new DataView(bytes.buffer),
        at: 0,
        end: 0,
        position: start,
        limit: end,
        time: 0,
      }
      await refill(handle, cursor)
      cursor.time = cursor.view.getFloat64(0, true)
      heap.push(cursor)
    }
    heap.sort((a, b) => a.time - b.time || a.index - b.index)
    return new SortedFile(pass, rows, handle, heap, bounds)
  }

  next(): Step {
    const { heap } = this
    if (this.started) {
      const top = heap[0]
      top.at += headerBytes + top.view.getUint32(top.at + 16, true)
      this.started = false
    }
    const top = heap[0]
    if (top === undefined) return END
    if (!isWhole(top)) {
      if (top.at < top.end || top.position < top.limit) return MORE
      const last = heap.pop()
      if (last === undefined || heap.length === 0) return END
      if (last !== top) heap[0] = last
    } else top.time = top.view.getFloat64(top.at, true)
    sink(heap)
    // What comes up was whole when it was last looked at, except the one that was just advanced, which is whole too.
    return this.take(heap[0])
  }

  fill(): Promise<void> {
    return refill(this.handle, this.heap[0])
  }

  async finish(): Promise<void> {
    await this.handle.close()
    await this.rows.finish()
  }

  async close(): Promise<void> {
    await this.handle.close()
    await this.rows.close()
  }

  private take(cursor: Cursor): Step {
    const { row, bounds } = this
    const { view, at, bytes } = cursor
    const start = at + headerBytes
    const end = start + view.getUint32(at + 16, true)
    const problem = view.getUint8(at + 24)
    if (problem === noProblem) this.rows.split(bytes, start, end)
    else {
      row.bytes = bytes
      row.start = start
      row.end = end
      row.problem = reasons[problem]
    }
    row.line = view.getFloat64(at + 8, true)
    row.found = view.getUint32(at + 20, true)
    row.terminated = view.getUint8(at + 25) === 1
    this.key = cursor.time
    this.readTime = this.reading.time(row)
    this.time = isReadable(this.readTime, bounds) ? this.readTime : Number.NaN
    if (this.time === this.time && this.time !== cursor.time) throw impure(this.pass.file.name)
    this.started = true
    return ROW
  }
}

/** Is the current entry whole in the buffer? */
const isWhole = ({ view, at, end }: Cursor): boolean =>
  at + headerBytes <= end && at + headerBytes + view.getUint32(at + 16, true) <= end

async function refill(handle: FileHandle, cursor: Cursor): Promise<void> {
  const { bytes, at, end } = cursor
  bytes.copyWithin(0, at, end)
  cursor.end = end - at
  cursor.at = 0
  if (cursor.end === bytes.length) {
    cursor.bytes = new Uint8Array(bytes.length * 2)
    cursor.bytes.set(bytes)
    cursor.view = new DataView(cursor.bytes.buffer)
  }
  const room = Math.min(cursor.bytes.length - cursor.end, cursor.limit - cursor.position)
  const { bytesRead } = await handle.read(cursor.bytes, cursor.end, room, cursor.position)
  if (bytesRead === 0) throw new Error('a sorted run ends too early')
  cursor.end += bytesRead
  cursor.position += bytesRead
  // An entry larger than the piece: once more, into a larger one.
  if (!isWhole(cursor)) await refill(handle, cursor)
}

function sink(heap: Cursor[]): void {
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

const before = (a: Cursor, b: Cursor): boolean => a.time < b.time || (a.time === b.time && a.index < b.index)
