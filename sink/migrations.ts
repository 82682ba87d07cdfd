/** Makes the tables: every file of tables/ once, in order, remembered with its hash; views are made anew at every start. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClickHouse } from './clickhouse.ts'
import { SinkError } from './errors.ts'
import { exclusively } from './exclusive.ts'

export interface MigrationOptions {
  /** Directory of the table files, named so that their order is that of their names. Default sink/tables. */
  readonly tables?: string
  /** Directory of the views: each file one CREATE OR REPLACE VIEW. Default sink/views. */
  readonly views?: string
  /** Nobody else uses the server: a lock that a killed process left would only be waited for. */
  readonly alone?: boolean
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/**
 * Brings a database up to date, one process at a time; returns the files that were applied now. `admin` is connected to a database that exists
 * always (`default`), since `database` may have to be made. Errors: SLUICE_SINK_MIGRATION_CHANGED when a file that was
 * applied has another content or is gone.
 */
export async function migrate(admin: ClickHouse, database: string, options: MigrationOptions = {}): Promise<string[]> {
  await admin.command(`CREATE DATABASE IF NOT EXISTS ${database}`)
  const apply = (): Promise<string[]> => applyAll(admin, database, options)
  return options.alone === true ? apply() : exclusively(admin, { database }, apply)
}

async function applyAll(admin: ClickHouse, database: string, options: MigrationOptions): Promise<string[]> {
  await admin.command(
    `CREATE TABLE IF NOT EXISTS ${database}._migrations (file String, sha256 String, appliedAt DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY file`,
  )
  const recorded = await admin.rows<{ file: string; sha256: string }>(
    `SELECT file, sha256 FROM ${database}._migrations`,
  )
  const applied = new Map(recorded.map(({ file, sha256 }) => [file, sha256]))
  const files = sqlFiles(options.tables ?? here('tables'))
  for (const file of applied.keys()) {
    if (!files.some((path) => basename(path) === file)) {
      throw new SinkError(
        'SLUICE_SINK_MIGRATION_CHANGED',
        `${file} was applied to ${database} and is not there any more.`,
      )
    }
  }
  const now: string[] = []
  for (const path of files) {
    const file = basename(path)
    const text = readFileSync(path, 'utf8')
    const sha256 = createHash('sha256').update(text).digest('hex')
    const before = applied.get(file)
    if (before === sha256) continue
    if (before !== undefined) {
      throw new SinkError('SLUICE_SINK_MIGRATION_CHANGED', `${file} is not what was applied to ${database}.`)
    }
    // Statements are written so that they may run twice: a crash between one and its record runs it again.
    for (const statement of statements(text, database)) await admin.command(statement)
    await admin.command(
      `INSERT INTO ${database}._migrations (file, sha256) SETTINGS async_insert = 0 VALUES ('${file}', '${sha256}')`,
    )
    now.push(file)
  }
  for (const path of sqlFiles(options.views ?? here('views'))) {
    for (const statement of statements(readFileSync(path, 'utf8'), database)) await admin.command(statement)
  }
  return now
}

const sqlFiles = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => join(directory, name))

/** The statements of a file; `{database}` stands for the database. A statement ends with a semicolon at a line's end. */
function statements(text: string, database: string): string[] {
  return text
    .replaceAll('{database}', database)
    .split(/;[ \t]*(?:\n|$)/)
    .filter((statement) => statement.replace(/--.*$/gm, '').trim() !== '')
}
