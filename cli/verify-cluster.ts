/**
 * verify over Kafka: copies the input topic into a temporary directory, processes it there, and compares what the tasks on
 * the cluster have committed. Nothing of the cluster is changed, and it may run meanwhile: every source task is compared at
 * the position that its ledger had, the settlement task when it had merged exactly what those had written.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '../schemas/topics.ts'
import { fedTopics, fedTopicsUnder } from '../sink/topics.ts'
import type { ClickHouse } from '../sink/clickhouse.ts'
import { runDigest } from '../streams/index.ts'
import { newFrame, setBaseOffset, walk } from '../streams/records.ts'
import { pinnedIds } from '../streams/schema-ids.ts'
import { analystOf } from './asked-tables.ts'
import { openCluster, type ClusterLine } from './cluster.ts'
import type { Configuration } from './configuration/schema.ts'
import { createTopics, Engine, lineTasks, openDirectory, type EmbeddedLine } from './engine.ts'
import { say, UsageError } from './output.ts'
import { openTables } from './tables.ts'
import { tableDigest, type TableDigest, type Verdict, type VerifyOptions } from './verify.ts'

/** What a task has committed: K, and records and digest by topic. */
interface Committed {
  readonly position: number
  readonly outputs: Readonly<Record<string, readonly [seq: number, digest: string]>>
}

/** Compares; `scratch` is an empty directory. */
export async function compareCluster(
  configuration: Configuration,
  options: VerifyOptions,
  scratch: string,
): Promise<Verdict> {
  const line = await openCluster(configuration)
  try {
    const recorded = await committedOf(line)
    const opened = await openDirectory({ directory: scratch, settings: line.settings })
    const second: EmbeddedLine = { ...opened, schemas: line.schemas }
    try {
      await copyInput(line, second, recorded)
      const engine = new Engine(second, { batchRows: options.batchRows })
      await engine.start()
      await engine.caughtUp()
      const again = new Map(
        engine.tasks.map(({ name, processor, committed }): [string, Committed] => {
          return [name, { position: committed, outputs: JSON.parse(processor.metadata()) as Committed['outputs'] }]
        }),
      )
      const differences: string[] = []
      for (const [name, { outputs }] of recorded)
        compareOutputs(name, outputs, again.get(name)?.outputs ?? {}, differences)
      const asks = options.clickhouse && configuration.clickhouse.url !== ''
      const tables = asks ? await compareTables(configuration, second, differences) : {}
      await engine.stop()
      return {
        digest: digestOf(line, recorded),
        recomputed: digestOf(line, again),
        tables,
        equal: differences.length === 0,
        differences,
      }
    } finally {
      await opened.backend.close()
    }
  } finally {
    await line.backend.close()
  }
}

const digestOf = (line: ClusterLine, tasks: ReadonlyMap<string, Committed>): string =>
  runDigest(
    lineTasks(line.settings).flatMap(({ name, at }) =>
      Object.entries(tasks.get(name)?.outputs ?? {}).map(([topic, [, digest]]) => ({
        task: at.partition,
        topic,
        digest,
      })),
    ),
  )

function compareOutputs(
  name: string,
  recorded: Committed['outputs'],
  again: Committed['outputs'],
  differences: string[],
): void {
  for (const topic of new Set([...Object.keys(recorded), ...Object.keys(again)])) {
    const [mine, other] = [recorded[topic] ?? [0, 'nothing'], again[topic] ?? [0, 'nothing']]
    if (mine[0] === other[0] && (mine[1] === other[1] || mine[0] === 0)) continue
    differences.push(`${name}, ${topic}: recorded ${mine.join(' records ')}, recomputed ${other.join(' records ')}`)
  }
}

/** A moment at which the settlement task has merged what the source tasks have written, and nothing else. */
async function committedOf(line: ClusterLine): Promise<Map<string, Committed>> {
  const { log } = line.backend
  const specs = lineTasks(line.settings)
  const sources = specs.slice(0, -1)
  const settling = specs[specs.length - 1]
  const ledger = async (name: string): Promise<Committed> => {
    const found = await log.peek(name)
    const outputs = found === null || found.metadata === '' ? {} : (JSON.parse(found.metadata) as Committed['outputs'])
    return { position: Math.max(0, found?.position ?? 0), outputs }
  }
  for (;;) {
    const before = await Promise.all(sources.map(({ name }) => ledger(name)))
    const { end } = await log.bounds(settling.at)
    const settled = await ledger(settling.name)
    const after = await Promise.all(sources.map(({ name }) => ledger(name)))
    const still = before.every(({ outputs }, i) => written(outputs) === written(after[i].outputs))
    if (still && (settled.position >= end || (await isEmpty(line, settled.position, end)))) {
      return new Map([
        ...sources.map(({ name }, i): [string, Committed] => [name, before[i]]),
        [settling.name, settled],
      ])
    }
    await sleep(50)
  }
}

const written = (outputs: Committed['outputs']): number => outputs[topics.cyclePartials.name]?.[0] ?? 0

/** Whether only markers of transactions stand between two offsets of cycle-partials. */
async function isEmpty({ backend }: ClusterLine, from: number, to: number): Promise<boolean> {
  for (let offset = from; offset < to;) {
    const { bytes, nextOffset } = await backend.log.read(
      { topic: topics.cyclePartials.name, partition: 0 },
      offset,
      1,
      0,
    )
    if (bytes.length > 0 || nextOffset === offset) return false
    offset = nextOffset
  }
  return true
}

/** The input up to what each source task had committed, batch by batch, acceptance times kept. */
async function copyInput(from: ClusterLine, to: EmbeddedLine, recorded: ReadonlyMap<string, Committed>): Promise<void> {
  await createTopics(to)
  const writer = await to.backend.log.writer('copy')
  const frame = newFrame(4_096)
  const sources = lineTasks(from.settings).slice(0, -1)
  // What was judged of other writers' schemas is input, too; nobody is asked again.
  const judged = sources.map(({ at }) => ({ at: { ...at, topic: topics.writerSchemas.name }, end: Infinity }))
  const input = sources.map(({ name, at }) => ({ at, end: recorded.get(name)?.position ?? 0 }))
  for (const { at, end } of [...judged, ...input]) {
    const { start, end: last } = await from.backend.log.bounds(at)
    if (start > 0) {
      // Outputs that rest on a state would differ, and look like damage.
      throw new UsageError(
        `${at.topic}/${at.partition} begins at offset ${start}: what was before is deleted, so outputs cannot be made again from the start. ` +
          'Keep the input as long as you want to verify it; sluice balance checks the sheet, and a worker compares digests at every takeover.',
      )
    }
    for (let offset = start; offset < Math.min(end, last);) {
      const fetched = await from.backend.log.read(at, offset, 4 << 20, 0)
      const whole = wholeBatches(fetched.bytes, end, frame, `${at.topic}/${at.partition}`)
      if (whole.length > 0) await writer.commit({ appends: [{ ...at, batches: whole }], position: 0, metadata: '' })
      if (fetched.nextOffset === offset) break
      offset = fetched.nextOffset
    }
  }
  await writer.close()
}

/** A copy of the batches that begin before `end`, which lies between two batches: a position is one of a fetch's ends. */
function wholeBatches(bytes: Uint8Array, end: number, frame: ReturnType<typeof newFrame>, where: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  while (at + 12 <= bytes.length && Number(view.getBigInt64(at)) < end) at += 12 + view.getInt32(at + 8)
  const copy = bytes.slice(0, at)
  walk(copy, 0, frame, where)
  if (frame.rows > 0 && frame.offsets[frame.rows - 1] >= end) throw new Error(`${where}: ${end} lies inside a batch`)
  if (copy.length > 0) setBaseOffset(copy, 0)
  return copy
}

/** Rows of every table up to where both have them, all columns but the offsets. */
async function compareTables(
  configuration: Configuration,
  second: EmbeddedLine,
  differences: string[],
): Promise<Verdict['tables']> {
  const analyst = analystOf(configuration)
  const tables = await openTables(second, {
    say: (text) => say(`recomputed: ${text}`),
    topics: fedTopicsUnder(second.schemas ?? pinnedIds),
    own: true,
  })
  try {
    await tables.flush()
    const compared: Record<string, { recorded: TableDigest; recomputed: TableDigest }> = {}
    for (const { table } of fedTopics) {
      const [mine, other] = [await highest(analyst, table), await highest(tables.opened.analyst, table)]
      const upTo = new Map([...mine].map(([task, seq]) => [task, Math.min(seq, other.get(task) ?? -1)]))
      const recorded = await tableDigest(analyst, table, upTo)
      const recomputed = await tableDigest(tables.opened.analyst, table, upTo)
      compared[table] = { recorded, recomputed }
      if (recorded.rows === recomputed.rows && recorded.digest === recomputed.digest) continue
      differences.push(
        `table ${table}: recorded ${recorded.rows} rows ${recorded.digest}, recomputed ${recomputed.rows} rows ${recomputed.digest}`,
      )
    }
    return compared
  } finally {
    await tables.close()
    await analyst.close()
  }
}

async function highest(client: ClickHouse, table: string): Promise<Map<number, number>> {
  const rows = await client.rows<{ task: number; seq: string }>(
    `SELECT _src_task AS task, max(_src_seq) AS seq FROM ${table} GROUP BY _src_task`,
  )
  return new Map(rows.map(({ task, seq }) => [task, Number(seq)]))
}
