/** run over Kafka: files into the log of a line, waits until its workers have settled them, prints the balance sheet. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importFiles } from '../intake/files/import.ts'
import { loadMapping } from '../intake/files/load-mapping.ts'
import type { Configuration } from './configuration/schema.ts'
import { onCluster } from './lines.ts'
import { membersInForce, putMembers, readMembers } from './members.ts'
import { settingsOf } from './options.ts'
import { exitCodes, print, printJson, ProgressLine, say, sheetText, UsageError } from './output.ts'
import { progressText, type RunOptions } from './run.ts'
import { sheetOf } from './sheet.ts'
import { trace } from './trace.ts'

/**
 * The import's position commits with its records under a transactional id of its own, so that a run that was killed goes
 * on with the next one, and a second one at the same time fences the first.
 */
export async function runCluster(
  configuration: Configuration,
  files: readonly string[],
  options: RunOptions,
): Promise<number> {
  if (Object.keys(settingsOf(options)).length > 0) {
    throw new UsageError('The settings of a line on Kafka are given to sluice init; leave them out here.')
  }
  const mapping = options.mapping === undefined ? undefined : await loadMapping(options.mapping)
  // Spooled input and sort runs only: what an import has reached is in the log.
  const directory = await mkdtemp(join(tmpdir(), 'sluice-run-'))
  const progress = new ProgressLine()
  try {
    return await onCluster(configuration, async (mirror, line) => {
      for (const warning of line.warnings) say(`Warning: ${warning}`)
      const { backend, settings, schemas } = line
      await mirror.caughtUp()
      const started = performance.now()
      if (options.members !== undefined) await putMembers(mirror, readMembers(options.members), backend.clock.now())
      if (membersInForce(mirror)?.anyBank ?? true) say('Every bank counts as a member (--members any).')
      const { status } = await importFiles({
        log: backend.log,
        clock: backend.clock,
        settings,
        schemas,
        files,
        mapping,
        producer: options.producer,
        dataDirectory: directory,
        closedThrough: mirror.closedThrough(),
        late: options.late,
        pace: mirror.pace,
        progress: (at) => {
          trace.import(at)
          progress.show(progressText(at, started))
        },
        say,
      })
      await mirror.caughtUp()
      progress.end()
      if (status === 'already') say('These files were imported before; nothing was appended.')
      const sheet = await sheetOf(mirror, (performance.now() - started) / 1000)
      if (options.json === true) printJson(sheet)
      else print(sheetText(sheet))
      return sheet.balanced ? exitCodes.ok : exitCodes.failed
    })
  } finally {
    progress.end()
    await rm(directory, { recursive: true, force: true })
  }
}
