/** verify: processes the log again from its start in a second directory, and compares digests and rows. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { topics } from '../schemas/topics.ts'
import type { ClickHouse } from '../sink/clickhouse.ts'
import { fedTopics } from '../sink/topics.ts'
import { setBaseOffset } from '../streams/records.ts'
import type { ConfigurationFlags } from './configuration/flags.ts'
import { Engine, createTopics, openDirectory, type EmbeddedLine } from './engine.ts'
import { clusterOf } from './lines.ts'
import { exitCodes, print, printJson, say } from './output.ts'
import { digestOf } from './sheet.ts'
import { openTables } from './tables.ts'

export interface VerifyOptions extends ConfigurationFlags {
  readonly data: string
  readonly json?: boolean
  readonly clickhouse: boolean
  readonly batchRows?: number
}

export interface TableDigest {
  readonly rows: string
  readonly digest: string
}

/** What was compared: everything of the recorded run against everything of the second one. */
export interface Verdict {
  readonly digest: string
  readonly recomputed: string
  readonly tables: Readonly<Record<string, { recorded: TableDigest; recomputed: TableDigest }>>
  readonly equal: boolean
  readonly differences: readonly string[]
}

/** Exit code 0 when everything is equal. The directory itself is only read, but for input that was not processed yet. */
export async function verify(options: VerifyOptions): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-verify-'))
  try {
    const cluster = clusterOf(options)
    const verdict =
      cluster === null
        ? await compare(options, scratch)
        : await (await import('./verify-cluster.ts')).compareCluster(cluster, options, scratch)
    if (options.json === true) printJson(verdict)
    else {
      for (const [table, { recorded }] of Object.entries(verdict.tables))
        print(`${table.padEnd(14)} ${recorded.rows.padStart(12)} rows`)
      print(`recorded   ${verdict.digest}`)
      print(`recomputed ${verdict.recomputed}`)
      print(verdict.equal ? 'Equal: the outputs are a function of the log.' : verdict.differences.join('\n'))
    }
    return verdict.equal ? exitCodes.ok : exitCodes.failed
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function compare(options: VerifyOptions, scratch: string): Promise<Verdict> {
  const line = await openDirectory({ directory: options.data, create: false })
  const recorded = await outcome(line, options, 'recorded')
  try {
    const second = await openDirectory({ directory: scratch, settings: line.settings })
    try {
      await copyInput(line, second)
      const again = await outcome(second, options, 'recomputed')
      return judge(recorded, again)
    } finally {
      await second.backend.close()
    }
  } finally {
    await line.backend.close()
  }
}

interface Outcome {
  readonly digests: ReadonlyMap<string, string>
  readonly digest: string
  readonly tables: Readonly<Record<string, TableDigest>>
}

async function outcome(line: EmbeddedLine, options: VerifyOptions, what: string): Promise<Outcome> {
  const engine = new Engine(line, { batchRows: options.batchRows })
  await engine.start()
  await engine.caughtUp()
  const digests = new Map(
    engine.tasks.flatMap((task) =>
      task.processor.graph.outputs.map(({ destination, digest }): [string, string] => [
        `${task.name}, ${destination.topic}`,
        digest.toString(),
      ]),
    ),
  )
  const digest = digestOf(engine.tasks)
  let tables: Outcome['tables'] = {}
  if (options.clickhouse) {
    const opened = await openTables(line, { say: (text) => say(`${what}: ${text}`) })
    try {
      await opened.flush()
      tables = await tableDigests(opened.opened.analyst)
    } finally {
      await opened.close()
    }
  }
  await engine.stop()
  return { digests, digest, tables }
}

/** Rows of every table with a hash of all their columns, offsets of the input apart (they are diagnostics). */
export async function tableDigests(client: ClickHouse): Promise<Record<string, TableDigest>> {
  const digests: Record<string, TableDigest> = {}
  for (const { table } of fedTopics) digests[table] = await tableDigest(client, table)
  return digests
}

/** The same of one table; `upTo`: only rows of these tasks, up to these numbers. */
export async function tableDigest(
  client: ClickHouse,
  table: string,
  upTo?: ReadonlyMap<number, number>,
): Promise<TableDigest> {
  const columns = await client.rows<{ name: string }>(
    "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} AND name NOT IN ('offset') ORDER BY position",
    { table },
  )
  const list = columns.map(({ name }) => `ifNull(toString(\`${name}\`), 'NULL')`).join(', ')
  const bounds = [...(upTo ?? [])].map(([task, seq]) => `(_src_task = ${task} AND _src_seq <= ${seq})`)
  const where = upTo === undefined ? '' : ` WHERE ${bounds.length === 0 ? 'false' : bounds.join(' OR ')}`
  const [row] = await client.rows<TableDigest>(
    `SELECT toString(count()) AS rows, hex(sumWithOverflow(sipHash64(concatWithSeparator('\\0', ${list})))) AS digest FROM ${table}${where}`,
  )
  return row
}

function judge(recorded: Outcome, again: Outcome): Verdict {
  const differences: string[] = []
  for (const [name, digest] of recorded.digests) {
    const other = again.digests.get(name)
    if (other !== digest) differences.push(`${name}: recorded ${digest}, recomputed ${other ?? 'nothing'}`)
  }
  const tables: Record<string, { recorded: TableDigest; recomputed: TableDigest }> = {}
  for (const [table, mine] of Object.entries(recorded.tables)) {
    const other = again.tables[table]
    tables[table] = { recorded: mine, recomputed: other }
    if (mine.rows !== other.rows || mine.digest !== other.digest) {
      differences.push(
        `table ${table}: recorded ${mine.rows} rows ${mine.digest}, recomputed ${other.rows} rows ${other.digest}`,
      )
    }
  }
  return { digest: recorded.digest, recomputed: again.digest, tables, equal: differences.length === 0, differences }
}

/** The input topic, byte for byte, acceptance times kept. */
async function copyInput(from: EmbeddedLine, to: EmbeddedLine): Promise<void> {
  await createTopics(to)
  const writer = await to.backend.log.writer('copy')
  const topic = topics.transactions.name
  for (let partition = 0; partition < from.settings.partitions; partition++) {
    const at = { topic, partition }
    const { start, end } = await from.backend.log.bounds(at)
    for (let offset = start; offset < end;) {
      const fetched = await from.backend.log.read(at, offset, 4 << 20, 0)
      const batches = Uint8Array.from(fetched.bytes)
      setBaseOffset(batches, 0)
      await writer.commit({ appends: [{ ...at, batches }], position: 0, metadata: '' })
      offset = fetched.nextOffset
    }
  }
  await writer.close()
}
