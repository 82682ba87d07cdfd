/** ask and sql: questions to the tables; here, or through the process that has the directory open. */

import { ask as askTable, questions, prepare } from '../sink/ask.ts'
import type { ClickHouse } from '../sink/clickhouse.ts'
import type { Table } from '../intake/http/ports.ts'
import { analystOf } from './asked-tables.ts'
import { hereOrThere, type Client } from './client.ts'
import type { ConfigurationFlags } from './configuration/flags.ts'
import { openDirectory } from './engine.ts'
import { clusterOf } from './lines.ts'
import { exitCodes, print, printJson, UsageError } from './output.ts'
import { openServer } from './tables.ts'

export interface AskOptions extends ConfigurationFlags {
  readonly data: string
  readonly json?: boolean
  readonly csv?: boolean
}

/** Answers a named question, or lists them when there is no name. `parameters`: name=value each. */
export async function ask(
  name: string | undefined,
  parameters: readonly string[],
  options: AskOptions,
): Promise<number> {
  if (name === undefined) {
    if (options.json === true)
      printJson(
        questions().map(({ name: one, question, answer, parameters: needed }) => ({
          name: one,
          question,
          answer,
          parameters: needed,
        })),
      )
    else for (const { name: one, question } of questions()) print(`${one.padEnd(30)} ${question}`)
    return exitCodes.ok
  }
  const given = Object.fromEntries(
    parameters.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`${text}: a parameter is written name=value.`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
  prepare(name, given)
  const here = async (analyst: ClickHouse): Promise<Table> =>
    tableOf(await askTable<Record<string, unknown>>(analyst, name, given))
  return show(await asked(options, here, (client) => client.ask(name, given)), options)
}

/** Answers read-only SQL. */
export async function sql(query: string, options: AskOptions): Promise<number> {
  const here = async (analyst: ClickHouse): Promise<Table> =>
    tableOf(await analyst.rows<Record<string, unknown>>(query))
  return show(await asked(options, here, (client) => client.sql(query)), options)
}

/** Asks the configured ClickHouse of a cluster, else the one of the data directory, here or where it is open. */
async function asked(
  options: AskOptions,
  here: (analyst: ClickHouse) => Promise<Table>,
  there: (client: Client) => Promise<Table>,
): Promise<Table> {
  const cluster = clusterOf(options)
  if (cluster === null) return hereOrThere(() => onTables(options.data, here), there)
  const analyst = analystOf(cluster)
  try {
    return await here(analyst)
  } finally {
    await analyst.close()
  }
}

/** Opens the directory (so that nobody else has it), its server, and closes both. */
async function onTables<T>(directory: string, work: (analyst: ClickHouse) => Promise<T>): Promise<T> {
  const line = await openDirectory({ directory, create: false })
  try {
    const server = await openServer(directory, { say: () => undefined })
    try {
      return await work(server.analyst)
    } finally {
      await server.close()
    }
  } finally {
    await line.backend.close()
  }
}

const tableOf = (rows: readonly Record<string, unknown>[]): Table => ({ columns: Object.keys(rows[0] ?? {}), rows })

function show({ columns, rows }: Table, { json, csv }: AskOptions): number {
  if (json === true) printJson(rows)
  else if (csv === true) print([columns, ...rows.map((row) => columns.map((c) => row[c]))].map(csvLine).join('\n'))
  else if (rows.length === 0) print('Nothing.')
  else print(aligned(columns, rows))
  return exitCodes.ok
}

const cell = (value: unknown): string =>
  value === null || value === undefined
    ? ''
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value as string)

const csvLine = (values: readonly unknown[]): string =>
  values
    .map((value) => (/[",\r\n]/.test(cell(value)) ? `"${cell(value).replaceAll('"', '""')}"` : cell(value)))
    .join(',')

/** Columns under each other; numbers to the right. */
function aligned(columns: Table['columns'], rows: Table['rows']): string {
  const table = [columns, ...rows.map((row) => columns.map((column) => cell(row[column])))]
  const widths = columns.map((_, i) => Math.max(...table.map((line) => line[i].length)))
  const numeric = columns.map((column) => rows.every((row) => /^-?\d+(\.\d+)?$/.test(cell(row[column]))))
  return table
    .map((line) =>
      line
        .map((text, i) => (numeric[i] ? text.padStart(widths[i]) : text.padEnd(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
