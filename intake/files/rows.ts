/** Opens one file as rows: finds out its format, reads its header, and joins scanner and reading. */
import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { codecs, ContainerError, isContainer, readHeader, type Header } from '../avro/container.ts'
import { refusedSchema } from '../avro/transactions.ts'
import { AvroReading, AvroScanner } from './avro.ts'
import { CsvScanner } from './csv.ts'
import { LineScanner } from './lines.ts'
import type { LoadedMapping } from './load-mapping.ts'
import { MappedReading } from './mapped.ts'
import { OwnReading, type Reading } from './reading.ts'
import { ImportRefused } from './refusals.ts'
import { END, MORE, maxRowBytes, ROW, type Row, type Step } from './row.ts'
import { ownColumns, requiredColumns, slot, slots, type OwnColumn } from './slots.ts'
import { Window } from './window.ts'

/** A file of an import. */
export interface InputFile {
  readonly path: string
  /** Base name; 'stdin' for standard input. */
  readonly name: string
  readonly size: number
  /** What a file that was touched meanwhile shows: device, inode, time of change. */
  readonly stamp: string
}

const delimiters = [',', ';', '\t']
/** Read at once: large enough that the calls cost nothing, small beside the memory of the process. */
const pieceBytes = 1 << 20

/** What `stat` says of a file, as an InputFile. */
export async function inputFile(path: string, name = basename(path)): Promise<InputFile> {
  const handle = await opened(path)
  try {
    const stat = await handle.stat({ bigint: true })
    if (!stat.isFile()) throw new ImportRefused('SLUICE_IMPORT_FILE_UNREADABLE', `${path} is no file.`)
    return { path, name, size: Number(stat.size), stamp: `${stat.dev}/${stat.ino}/${stat.size}/${stat.mtimeNs}` }
  } finally {
    await handle.close()
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    const code = (error as { code?: string }).code ?? String(error)
    throw new ImportRefused('SLUICE_IMPORT_FILE_UNREADABLE', `${path} cannot be opened (${code}).`)
  }
}

/** The rows of a file, one after the other, through reused objects. */
export class FileRows {
  readonly file: InputFile
  readonly reading: Reading
  readonly row: Row
  /** Columns of ours that nobody reads, for a message. */
  readonly unread: readonly string[]
  private readonly handle: FileHandle
  private readonly window: Window
  private readonly scanner: Scanner

  private constructor(file: InputFile, handle: FileHandle, window: Window, layout: Layout) {
    this.file = file
    this.handle = handle
    this.window = window
    this.scanner = layout.scanner
    this.row = layout.scanner.row
    this.reading = layout.reading
    this.unread = layout.unread
  }

  /** `read` sees every byte of the file once, in order. Errors: ImportRefused. */
  static async open(
    file: InputFile,
    mapping: LoadedMapping | null,
    read: ((piece: Uint8Array) => void) | null = null,
  ): Promise<FileRows> {
    const handle = await opened(file.path)
    try {
      const window = new Window(handle, file.name, file.size, pieceBytes + 16, read)
      return new FileRows(file, handle, window, await layoutOf(file, window, mapping))
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** The next row; MORE: `fill`, then again. */
  next(): Step {
    return this.scanner.next()
  }

  /** Takes bytes[start .. end) as the row, as it was found before. */
  split(bytes: Uint8Array, start: number, end: number): void {
    this.scanner.split(bytes, start, end)
  }

  fill(): Promise<void> {
    return this.window.fill()
  }

  /** Bytes read so far. */
  get bytesRead(): number {
    return this.window.taken
  }

  /** Checks that it is still the file that it was, and closes it. */
  async finish(): Promise<void> {
    try {
      const stat = await this.handle.stat({ bigint: true })
      if (`${stat.dev}/${stat.ino}/${stat.size}/${stat.mtimeNs}` !== this.file.stamp) {
        throw new ImportRefused('SLUICE_IMPORT_FILE_CHANGED', `${this.file.name} was changed while it was read.`)
      }
    } finally {
      await this.handle.close()
    }
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

type Scanner = CsvScanner | LineScanner | AvroScanner

interface Layout {
  readonly scanner: Scanner
  readonly reading: Reading
  readonly unread: readonly string[]
}

async function layoutOf(file: InputFile, window: Window, mapping: LoadedMapping | null): Promise<Layout> {
  await window.fill()
  if (isContainer(window.bytes.subarray(0, window.end))) return avroLayout(file, window, mapping)
  refuseOtherFormats(file, window.bytes)
  if (window.end >= 3 && window.bytes[0] === 0xef && window.bytes[1] === 0xbb && window.bytes[2] === 0xbf) window.at = 3
  const format = mapping?.declaration.format ?? formatOf(file, window)
  if (format === 'csv') return csvLayout(file, window, mapping)
  const scanner = new LineScanner(window, 1)
  const reading = mapping === null ? new OwnReading('ndjson', scanner.row) : new MappedReading(mapping, null)
  return { scanner, reading, unread: [] }
}

async function avroLayout(file: InputFile, window: Window, mapping: LoadedMapping | null): Promise<Layout> {
  const refuse = (what: string): ImportRefused =>
    new ImportRefused('SLUICE_IMPORT_FILE_FORMAT', `${file.name} is an Avro container file. ${what}`)
  if (mapping !== null) throw refuse('It is read by its own schema, without a mapping.')
  let header: Header | null
  try {
    for (;;) {
      header = readHeader(window.bytes, window.at, window.end)
      if (header !== null) break
      if (window.eof) throw refuse('It ends in its header.')
      await window.fill()
    }
  } catch (error) {
    throw error instanceof ContainerError ? refuse(error.message) : error
  }
  const why = refusedSchema(header.schema)
  if (why !== null) throw refuse(why)
  if (!codecs.some((codec) => codec === header.codec)) {
    throw refuse(`It is packed with '${header.codec.slice(0, 32)}'; use one of ${codecs.join(', ')}.`)
  }
  window.at = header.end
  const scanner = new AvroScanner(window, header)
  return { scanner, reading: new AvroReading(header.schema), unread: [] }
}

function refuseOtherFormats({ name }: InputFile, [a, b]: Uint8Array): void {
  const refuse = (what: string): never => {
    throw new ImportRefused('SLUICE_IMPORT_FILE_FORMAT', `${name} is ${what}.`)
  }
  if (a === 0x1f && b === 0x8b) refuse('compressed with gzip')
  if (a === 0x50 && b === 0x4b) refuse('a ZIP archive or a spreadsheet')
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) refuse('UTF-16 text')
}

function formatOf(file: InputFile, window: Window): 'csv' | 'ndjson' {
  const extension = /\.([a-z]+)$/i.exec(file.name)?.[1].toLowerCase() ?? ''
  if (['ndjson', 'jsonl', 'json'].includes(extension)) return 'ndjson'
  if (['csv', 'tsv'].includes(extension)) return 'csv'
  let at = window.at
  while (at < window.end && window.bytes[at] <= 32) at++
  return at < window.end && window.bytes[at] === 123 ? 'ndjson' : 'csv'
}

/** Takes the header, the first line that is not blank, from the window; null when the file has none. */
async function headerLine(file: InputFile, window: Window): Promise<{ line: number; bytes: Uint8Array } | null> {
  for (let line = 1; ;) {
    const at = window.bytes.indexOf(10, window.at)
    const found = at >= 0 && at < window.end
    if (!found && !window.eof && window.end - window.at <= maxRowBytes) {
      await window.fill()
      continue
    }
    const end = found ? at : window.end
    if (end - window.at > maxRowBytes) {
      throw new ImportRefused('SLUICE_IMPORT_FILE_FORMAT', `${file.name}: its first line is longer than 1 MiB.`)
    }
    const bytes = window.bytes.slice(window.at, end > window.at && window.bytes[end - 1] === 13 ? end - 1 : end)
    window.at = found ? at + 1 : end
    if (bytes.length > 0) return { line, bytes }
    if (!found) return null
    line++
  }
}

/** Parts a header line into names; a header has no line ends inside. */
function partHeader(text: string, delimiter: string, quote: string): string[] {
  const names: string[] = []
  let name = ''
  let inside = false
  for (const character of text) {
    if (character === quote) inside = !inside
    else if (character === delimiter && !inside) {
      names.push(name.trim())
      name = ''
    } else name += character
  }
  return [...names, name.trim()]
}

async function csvLayout(file: InputFile, window: Window, mapping: LoadedMapping | null): Promise<Layout> {
  const declared = mapping?.declaration
  const quote = declared?.quote ?? '"'
  let line = 0
  let names = declared?.columns
  let text = ''
  if (names === undefined) {
    const header = await headerLine(file, window)
    line = header?.line ?? 0
    text = new TextDecoder(declared?.encoding ?? 'utf-8').decode(header?.bytes)
  } else if (declared?.delimiter === undefined) {
    throw new ImportRefused(
      'SLUICE_IMPORT_MAPPING',
      `${file.name} has no header: declare the delimiter with the columns.`,
    )
  }
  const wanted = new Set<string>(ownColumns)
  // In our own columns the delimiter that finds most of their names, else the one that makes most columns.
  const worth = (delimiter: string): number => {
    const parts = partHeader(text, delimiter, quote)
    return mapping === null ? parts.filter((name) => wanted.has(name)).length : parts.length
  }
  const delimiter = declared?.delimiter ?? delimiters.toSorted((a, b) => worth(b) - worth(a))[0]
  names ??= text === '' ? [] : partHeader(text, delimiter, quote)
  const twice = names.find((name, index) => names?.indexOf(name) !== index)
  if (twice !== undefined) {
    throw new ImportRefused('SLUICE_IMPORT_COLUMNS', `${file.name} has two columns '${twice.slice(0, 60)}'.`)
  }
  if (mapping !== null) {
    const dialect = { delimiter, quote, targets: names.map((_, index) => index), slots: names.length }
    return {
      scanner: new CsvScanner(window, dialect, line + 1),
      reading: new MappedReading(mapping, names),
      unread: [],
    }
  }
  const missing = requiredColumns.filter((name) => !names.includes(name))
  if (missing.length > 0 && names.length > 0) {
    const seen = names.slice(0, 20).join(', ').slice(0, 200)
    throw new ImportRefused(
      'SLUICE_IMPORT_COLUMNS',
      `${file.name} lacks ${missing.join(', ')}; its columns are: ${seen}.`,
    )
  }
  const targets = names.map((name) => (wanted.has(name) ? slot[name as OwnColumn] : -1))
  const scanner = new CsvScanner(window, { delimiter, quote, targets, slots }, line + 1)
  return {
    scanner,
    reading: new OwnReading('csv', scanner.row),
    unread: names.filter((name) => !wanted.has(name)),
  }
}

export { END, MORE, ROW }
