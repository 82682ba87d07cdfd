/** Why an import is refused or stopped, each with what the operator does about it. Nothing of a refused import is in the log. */

export const importRefusals = {
  SLUICE_IMPORT_FILE_UNREADABLE: 'Check the path and the permissions.',
  SLUICE_IMPORT_FILE_FORMAT:
    'Unpack the file or convert it to UTF-8 text; CSV, NDJSON and Avro container files of our schema are read.',
  SLUICE_IMPORT_COLUMNS: 'Rename the columns, or describe the file in a mapping and give it with --mapping.',
  SLUICE_IMPORT_FILE_CHANGED: 'Import files that nobody writes to any more; start the import again.',
  SLUICE_IMPORT_NAME_TAKEN: 'If it is another file, give it another name; an import is never replaced.',
  SLUICE_IMPORT_ALREADY_IN: 'Leave the file out; --late takes it all the same, and its rows become duplicates.',
  SLUICE_IMPORT_UNFINISHED: 'Start the unfinished import again with the same files and mapping, then this one.',
  SLUICE_IMPORT_TOO_OLD: 'Use another data directory, or take it with --late: late rows go into the oldest open cycle.',
  SLUICE_IMPORT_NO_SPACE:
    'Free space or choose another data directory, then start again: the import goes on where it was.',
  SLUICE_IMPORT_MAPPING: 'Correct the mapping; docs/import-your-export.md shows one.',
  SLUICE_IMPORT_IMPURE:
    'The mapping must give the same result for the same row each time; it must keep nothing between rows.',
} as const
export type ImportRefusal = keyof typeof importRefusals

/** An import that was refused or stopped; the message says what, where and what to do. */
export class ImportRefused extends Error {
  readonly code: ImportRefusal
  readonly action: string
  /** How many rows it is about, where that can be counted. */
  readonly count: number

  constructor(code: ImportRefusal, what: string, count = 0) {
    super(`${what} ${importRefusals[code]}`)
    this.name = 'ImportRefused'
    this.code = code
    this.action = importRefusals[code]
    this.count = count
  }
}

/** Is it an error of the file system that has no room left: disk, quota or limit of size? */
export const isFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as { code?: string }).code ?? '')
