/** Decides whether an import may begin: is it new, unfinished, finished, in conflict with an earlier one, or too old? */
import type { Pass } from './first-pass.ts'
import type { ImportRecord } from './imports.ts'
import { ImportRefused } from './refusals.ts'
import { stdinName } from './spool.ts'

/** `imports`: all that are known, in order. Errors: ImportRefused. Returns the record of this very import, if there is one. */
export function admit(
  imports: readonly ImportRecord[],
  identity: string,
  passes: readonly Pass[],
  late: boolean,
): ImportRecord | null {
  const same = imports.findLast((record) => record.identity === identity)
  if (same !== undefined) return same
  for (const [index, pass] of passes.entries()) {
    for (const other of passes.slice(0, index)) refuseSame(pass, other.file.name, other.sha256, 'in this import', late)
    for (const { files } of imports) {
      for (const { name, sha256 } of files) refuseSame(pass, name, sha256, 'in an earlier import', late)
    }
  }
  const last = imports.at(-1)
  if (last?.state === 'BEGUN') {
    const names = last.files.map(({ name }) => name).join(', ')
    throw new ImportRefused('SLUICE_IMPORT_UNFINISHED', `The import of ${names.slice(0, 300)} is not finished.`)
  }
  const lateRows = passes.reduce((sum, pass) => sum + pass.lateRows, 0)
  if (lateRows > 0 && !late) {
    const file = passes.find((pass) => pass.lateRows > 0)?.file.name
    const what = `${lateRows} rows are older than what this log has closed, the first in ${file}.`
    throw new ImportRefused('SLUICE_IMPORT_TOO_OLD', what, lateRows)
  }
  return null
}

function refuseSame({ file, sha256, rows }: Pass, name: string, hash: string, where: string, late: boolean): void {
  if (sha256 === hash && rows > 0 && !late) {
    throw new ImportRefused(
      'SLUICE_IMPORT_ALREADY_IN',
      `The content of ${file.name} is ${where} already, as ${name}.`,
      rows,
    )
  }
  if (sha256 !== hash && name === file.name && name !== stdinName) {
    throw new ImportRefused('SLUICE_IMPORT_NAME_TAKEN', `${file.name} is ${where} already, with other content.`)
  }
}
