/** run: files in, settlements out; restartable, and it ends with the balance sheet. */

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importFiles, type ImportProgress } from '../intake/files/import.ts'
import { loadMapping } from '../intake/files/load-mapping.ts'
import type { ConfigurationFlags } from './configuration/flags.ts'
import { Engine, openDirectory } from './engine.ts'
import { clusterOf } from './lines.ts'
import { membersInForce, putMembers, readMembers } from './members.ts'
import { settingsOf, type SettingOptions } from './options.ts'
import { exitCodes, print, printJson, ProgressLine, say, sheetText } from './output.ts'
import { sheetOf, type Sheet } from './sheet.ts'
import { openTables, type Tables } from './tables.ts'
import { trace } from './trace.ts'

export interface RunOptions extends SettingOptions, ConfigurationFlags {
  readonly data: string
  readonly mapping?: string
  readonly producer?: string
  readonly members?: string
  readonly late?: boolean
  readonly json?: boolean
  readonly batchRows?: number
  readonly clickhouse: boolean
}

/** Over Kafka when brokers are configured, else over the data directory. */
export async function run(files: readonly string[], options: RunOptions): Promise<number> {
  const cluster = clusterOf(options)
  if (cluster === null) return runHere(files, options)
  return (await import('./run-cluster.ts')).runCluster(cluster, files, options)
}

/** Imports the files into the directory, waits until everything is settled and in the tables, and prints the sheet. */
async function runHere(files: readonly string[], options: RunOptions): Promise<number> {
  const mapping = options.mapping === undefined ? undefined : await loadMapping(options.mapping)
  const line = await openDirectory({ directory: options.data, settings: settingsOf(options) })
  const engine = new Engine(line, { batchRows: options.batchRows, trace: trace.task })
  let tables: Tables | null = null
  try {
    await engine.start()
    if (options.clickhouse) tables = await openTables(line, { say, trace: trace.insert })
    const started = performance.now()
    await engine.caughtUp()
    if (options.members !== undefined) await putMembers(engine, readMembers(options.members), line.backend.clock.now())
    if (membersInForce(engine)?.anyBank ?? true) say('Every bank counts as a member (--members any).')
    const progress = new ProgressLine()
    const result = await importFiles({
      log: line.backend.log,
      clock: line.backend.clock,
      settings: line.settings,
      files,
      mapping,
      producer: options.producer,
      dataDirectory: options.data,
      closedThrough: engine.closedThrough(),
      late: options.late,
      pace: engine.pace,
      progress: (at) => {
        trace.import(at)
        progress.show(progressText(at, started))
      },
      say,
    })
    await engine.caughtUp()
    await tables?.flush()
    progress.end()
    const stored = join(options.data, `sheet-${result.record.identity.slice(0, 32)}.json`)
    let sheet = await sheetOf(engine, (performance.now() - started) / 1000)
    if (result.status === 'already' && existsSync(stored)) {
      say('These files were imported before; nothing was appended.')
      const before = JSON.parse(readFileSync(stored, 'utf8')) as Sheet
      // The same sheet again, its speed included, unless the log has moved on since.
      if (before.digest === sheet.digest) sheet = before
    } else {
      writeFileSync(`${stored}.new`, JSON.stringify(sheet), { mode: 0o600 })
      renameSync(`${stored}.new`, stored)
    }
    await engine.stop()
    if (options.json === true) printJson(sheet)
    else {
      print(sheetText(sheet))
      if (tables !== null) say(tables.hint(options.data))
    }
    return sheet.balanced ? exitCodes.ok : exitCodes.failed
  } finally {
    await engine.stop().catch(() => undefined)
    await tables?.close()
    await line.backend.close()
  }
}

export function progressText({ phase, bytes, totalBytes, rows, totalRows }: ImportProgress, started: number): string {
  const seconds = Math.max(0.001, (performance.now() - started) / 1000)
  const share = totalRows > 0 ? rows / totalRows : totalBytes > 0 ? bytes / totalBytes : 0
  const eta = share > 0.01 && share < 1 ? `, ${Math.ceil((seconds * (1 - share)) / share)} s to go` : ''
  const percent = share > 0 ? ` ${Math.floor(share * 100)} %` : ''
  return `${phase}${percent}  ${rows.toLocaleString('en-US')} rows, ${Math.round(rows / seconds).toLocaleString('en-US')}/s${eta}`
}
