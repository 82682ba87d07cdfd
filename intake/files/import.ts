/**
 * Imports files into the input topic, exactly once, in an order that is a function of the files.
 *
 * I1  Log content is a function of the files, the mapping, the log's settings and the import record: commits are cut at
 *     ranks that are multiples of `commitRows`, whatever happened before.
 * I2  The position commits with the records that it stands for, in one commit of the writer `import`.
 * I3  Nothing of an import is in the log before its record BEGUN; FINISHED commits with its last tick.
 * I4  The clock is read once, before BEGUN; an import that goes on takes the time that BEGUN holds.
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Settings } from '../../schemas/settings.ts'
import { topics } from '../../schemas/topics.ts'
import type { Clock, Log } from '../../streams/backend.ts'
import type { SchemaIds } from '../../streams/schema-ids.ts'
import { admit } from './admit.ts'
import type { TimeBounds } from './encode.ts'
import { firstPass, type Pass } from './first-pass.ts'
import { feed } from './feed.ts'
import { identityOf, type ImportRecord, type ImportPosition, readImports, readPosition } from './imports.ts'
import type { LoadedMapping } from './load-mapping.ts'
import { AscendingFile, MergedFiles } from './ordered.ts'
import { ImportRefused } from './refusals.ts'
import { checkSpace, SortedFile, sortFile } from './sort.ts'
import { gather, workDirectory } from './spool.ts'

/** What an import is doing. */
export type ImportPhase = 'spool' | 'first-pass' | 'sort' | 'append' | 'final'

export interface ImportProgress {
  readonly phase: ImportPhase
  /** Bytes read in this phase, of `totalBytes`; 0 where only rows are known. */
  readonly bytes: number
  /** 0 when it is not known. */
  readonly totalBytes: number
  readonly rows: number
  /** 0 before the first pass has ended. */
  readonly totalRows: number
}

export interface ImportOptions {
  readonly log: Log
  readonly clock: Clock
  readonly settings: Settings
  /** Ids of the log's wire prefixes; default: the pinned ones. */
  readonly schemas?: SchemaIds
  /** Paths; '-' is standard input. */
  readonly files: readonly string[]
  readonly stdin?: Readable
  /** Absent: our own columns. */
  readonly mapping?: LoadedMapping
  /** Of rows in our own columns that name none; default 'files'. */
  readonly producer?: string
  /** Working files go to its directory `import`; the caller holds its lock. */
  readonly dataDirectory: string
  /** The log's clock: the largest closedThrough of its source tasks, read when they had reached the end; 0 of an empty log. */
  readonly closedThrough: number
  /** Take rows older than the log's clock. */
  readonly late?: boolean
  /** Rows of one commit, 1 to 50,000; default 4,000. */
  readonly commitRows?: number
  /** Awaited before each commit: keeps the tasks within a bounded distance. */
  readonly pace?: () => Promise<void>
  /** Told about every piece of progress; awaited. A test may throw or kill here. */
  readonly progress?: (progress: ImportProgress) => void | Promise<void>
  /** Told in plain words what a reader should know. */
  readonly say?: (text: string) => void
}

export interface ImportResult {
  /** 'continued': it had been begun before. 'already': it was finished before, nothing was appended. */
  readonly status: 'imported' | 'continued' | 'already'
  readonly record: ImportRecord
}

/** Part of the identity of an import in our own columns: raised when they come to mean something else. */
const ownColumnsVersion = 'own-columns-1'
export const importWriter = 'import'

/**
 * Imports files. Resolves when everything is durable in the log. Errors: ImportRefused (nothing of this import is in the
 * log, or it is unfinished and can go on), the log's own errors, and what `progress` throws; start it again then.
 */
export async function importFiles(options: ImportOptions): Promise<ImportResult> {
  const { log, settings, mapping = null } = options
  if (options.files.length === 0) throw new ImportRefused('SLUICE_IMPORT_FILE_UNREADABLE', 'No file was given.')
  const producer = mapping?.declaration.name ?? options.producer ?? 'files'
  const mappingHash = mapping?.hash ?? createHash('sha256').update(`${ownColumnsVersion}\n${producer}`).digest('hex')
  await log.createTopics([
    { name: topics.imports.name, partitions: 1 },
    { name: topics.transactions.name, partitions: settings.partitions },
  ])
  const directory = await workDirectory(options.dataDirectory)
  const writer = await log.writer(importWriter)
  try {
    const imports = await readImports(log)
    const last = imports.at(-1)
    const unfinished = last?.state === 'BEGUN' ? last : null
    const bounds: TimeBounds = {
      earliest: settings.earliestEventTime,
      notAfter: unfinished?.notAfter ?? options.clock.now(),
      maxAheadMs: settings.maxAheadMs,
    }
    const closed = imports.reduce((most, { closeThrough }) => Math.max(most, closeThrough ?? 0), options.closedThrough)
    const closedThrough = unfinished?.closedThrough ?? closed
    const passes = await readPasses(options, directory, bounds, closedThrough)
    const identity = identityOf(
      mappingHash,
      passes.map(({ file, sha256 }) => ({ size: file.size, sha256 })),
    )
    const known = admit(imports, identity, passes, options.late === true)
    if (known?.state === 'FINISHED') return { status: 'already', record: known }
    const begun = known ?? begin(producer, mappingHash, identity, bounds, closedThrough, passes, settings)
    const merged = await ordered(options, directory, passes, bounds)
    const committed = writer.committed
    const position: ImportPosition | null =
      known === null || committed === null ? null : readPosition(committed.metadata)
    const base = (committed?.position ?? 0) - (position?.rank ?? 0)
    const record = await feed({ options, writer, merged, begun, position, base, bounds, producer })
    return { status: known === null ? 'imported' : 'continued', record }
  } finally {
    await writer.close()
    await rm(directory, { recursive: true, force: true })
  }
}

function begin(
  producer: string,
  mappingHash: string,
  identity: string,
  bounds: TimeBounds,
  closedThrough: number,
  passes: readonly Pass[],
  { cycleMs }: Settings,
): ImportRecord {
  const times = passes.flatMap(({ minTime, maxTime }) =>
    minTime === null || maxTime === null ? [] : [minTime, maxTime],
  )
  const maxTime = times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b))
  const lateRows = passes.reduce((sum, pass) => sum + pass.lateRows, 0)
  const end = maxTime === null ? null : Math.floor(maxTime / cycleMs) * cycleMs + cycleMs
  return {
    state: 'BEGUN',
    identity,
    mapping: producer,
    mappingHash,
    notAfter: bounds.notAfter,
    closedThrough,
    files: passes.map(({ file, sha256, rows, ascending }) => {
      return { name: file.name, size: file.size, sha256, rows, sorted: !ascending }
    }),
    rows: passes.reduce((sum, { rows }) => sum + rows, 0),
    lateRows,
    minTime: times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b)),
    maxTime,
    // Late rows go into the oldest open cycle, which has to close as well.
    closeThrough: end !== null && lateRows > 0 ? Math.max(end, closedThrough + cycleMs) : end,
    transactions: 0,
    unreadable: [],
    skipped: [],
  }
}

async function readPasses(
  options: ImportOptions,
  directory: string,
  bounds: TimeBounds,
  closedThrough: number,
): Promise<Pass[]> {
  const { progress = () => undefined, say = () => undefined, settings, mapping = null } = options
  const files = await gather(options.files, options.stdin ?? process.stdin, directory, say, (bytes) =>
    progress({ phase: 'spool', bytes, totalBytes: 0, rows: 0, totalRows: 0 }),
  )
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0)
  const passes: Pass[] = []
  let bytesBefore = 0
  let rowsBefore = 0
  for (const file of files) {
    const pass = await firstPass(file, mapping, bounds, settings.graceMs, closedThrough, (bytes, rows) =>
      progress({ phase: 'first-pass', bytes: bytesBefore + bytes, totalBytes, rows: rowsBefore + rows, totalRows: 0 }),
    )
    passes.push(pass)
    bytesBefore += file.size
    rowsBefore += pass.rows
    if (pass.rows === 0) say(`${file.name} has no rows.`)
    if (pass.unread.length > 0)
      say(`${file.name} has columns that are not read: ${pass.unread.join(', ').slice(0, 300)}.`)
  }
  return passes
}

/** Sorts what has to be sorted and merges all files. */
async function ordered(
  options: ImportOptions,
  directory: string,
  passes: readonly Pass[],
  bounds: TimeBounds,
): Promise<MergedFiles> {
  const { progress = () => undefined, say = () => undefined, mapping = null } = options
  const unordered = passes.filter(({ ascending }) => !ascending)
  if (unordered.length > 0) await checkSpace(directory, unordered)
  const totalRows = unordered.reduce((sum, { rows }) => sum + rows, 0)
  const runs = new Map<Pass, Awaited<ReturnType<typeof sortFile>>>()
  const pathOf = (pass: Pass): string => join(directory, `sorted-${passes.indexOf(pass)}`)
  let rowsBefore = 0
  for (const pass of unordered) {
    say(`${pass.file.name} is not in order of time: it is sorted first, on disk.`)
    const sorted = await sortFile(pass, mapping, bounds, pathOf(pass), (rows) =>
      progress({ phase: 'sort', bytes: 0, totalBytes: 0, rows: rowsBefore + rows, totalRows }),
    )
    runs.set(pass, sorted)
    rowsBefore += pass.rows
  }
  return new MergedFiles(passes, (pass) => {
    const sorted = runs.get(pass)
    if (sorted === undefined) return AscendingFile.open(pass, mapping, bounds)
    return SortedFile.open(pass, mapping, bounds, pathOf(pass), sorted)
  })
}
