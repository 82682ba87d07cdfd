/**
 * `sluice bench embedded`: from the log on disk to committed state, outputs and rows in ClickHouse, with the shipped
 * topologies, tasks and sink; the log is filled before the clock starts. By wall time, in one process beside ClickHouse's.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { firstRules } from '../processors/rules.ts'
import { defaultSettings, type Settings } from '../schemas/settings.ts'
import { records, topics } from '../schemas/topics.ts'
import { openWarehouse } from '../sink/open.ts'
import { openEmbedded } from '../streams/embedded/index.ts'
import { Task, type Backend } from '../streams/index.ts'
import { payments } from '../topologies/payments.ts'
import { settlement } from '../topologies/settlement.ts'
import { labBatches } from './lab/events.ts'
import { LabKernel } from './lab/kernel.ts'
import { machine, round, spread, type Spread } from './measure.ts'
import { judgeTraffic, type Findings } from './oracle.ts'
import { defaultTraffic, prepareTraffic, type Traffic } from './traffic.ts'

export interface EmbeddedBenchOptions {
  readonly events?: number
  readonly rounds?: number
  /** Where the data directories are made; removed afterwards. */
  readonly directory?: string
  readonly say?: (text: string) => void
}

export interface EmbeddedBenchResult {
  readonly name: 'embedded'
  readonly machine: string
  readonly events: number
  readonly features: number
  /** By wall time, from the first read to the last row in ClickHouse; median of the rounds. */
  readonly eventsPerSecond: number
  /** The same up to committed outputs and state; ClickHouse follows meanwhile. */
  readonly committedPerSecond: number
  /** Of this process; ClickHouse's own CPU is not in it. */
  readonly cpuMicrosPerEvent: number
  /** The yardstick by wall time, before and after every round. */
  readonly labEventsPerSecond: number
  readonly labShare: number
  readonly rounds: { readonly count: number; readonly eventsPerSecond: Spread; readonly labShare: Spread }
  readonly rssBytes: number
  readonly diskBytes: number
  readonly oracle: 'equal' | 'different'
  readonly differences: readonly string[]
}

interface Round {
  readonly seconds: number
  readonly committedSeconds: number
  readonly cpuMicros: number
  readonly diskBytes: number
  readonly differences: readonly string[]
}

const settings: Settings = { ...defaultSettings, partitions: 1 }

export async function benchEmbedded(options: EmbeddedBenchOptions = {}): Promise<EmbeddedBenchResult> {
  const say = options.say ?? (() => {})
  const events = options.events ?? defaultTraffic.events
  const count = options.rounds ?? 3
  say(`preparing ${events} events`)
  const traffic = prepareTraffic({ ...defaultTraffic, events })
  const expected = judgeTraffic(traffic.fetches)
  const batches = labBatches(events)
  const lab = (): number =>
    secondsOf(() => {
      const kernel = new LabKernel()
      for (const batch of batches) kernel.process(batch)
    })
  lab()
  const done: Round[] = []
  const shares: number[] = []
  const labs: number[] = []
  for (let i = 0; i < count; i++) {
    say(`round ${i + 1} of ${count}`)
    const before = lab()
    const one = await oneRound(traffic, expected, options.directory ?? tmpdir())
    const yardstick = (before + lab()) / 2
    done.push(one)
    labs.push(events / yardstick)
    shares.push(yardstick / one.seconds)
  }
  const rates = done.map(({ seconds }) => Math.round(events / seconds))
  const differences = [...new Set(done.flatMap((one) => one.differences))]
  return {
    name: 'embedded',
    machine: machine(),
    events,
    features: 19,
    eventsPerSecond: spread(rates).median,
    committedPerSecond: Math.round(events / spread(done.map(({ committedSeconds }) => committedSeconds)).median),
    cpuMicrosPerEvent: round(spread(done.map(({ cpuMicros }) => cpuMicros)).median / events),
    labEventsPerSecond: Math.round(spread(labs).median),
    labShare: round(spread(shares).median, 3),
    rounds: { count, eventsPerSecond: spread(rates), labShare: spread(shares.map((share) => round(share, 3))) },
    rssBytes: process.memoryUsage.rss(),
    diskBytes: done[0].diskBytes,
    oracle: differences.length === 0 ? 'equal' : 'different',
    differences,
  }
}

const secondsOf = (work: () => void): number => {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start) / 1e9
}

async function oneRound(traffic: Traffic, expected: Findings, parent: string): Promise<Round> {
  const directory = mkdtempSync(join(parent, 'sluice-bench-'))
  try {
    const backend = await openEmbedded({
      directory: join(directory, 'data'),
      logicVersion: '1',
      ruleVersion: firstRules.version,
      settings,
    })
    const warehouse = await openWarehouse({ directory: join(directory, 'data') })
    try {
      await fill(backend, traffic)
      const sink = await warehouse.sink(backend.log)
      const cpu = process.cpuUsage()
      const start = process.hrtime.bigint()
      const since = (): number => Number(process.hrtime.bigint() - start) / 1e9
      await runTasks(backend)
      const committedSeconds = since()
      await sink.flush()
      const seconds = since()
      const { user, system } = process.cpuUsage(cpu)
      const differences = await compare(warehouse.analyst, expected)
      await sink.stop()
      return { seconds, committedSeconds, cpuMicros: user + system, diskBytes: backend.usage().bytes, differences }
    } finally {
      await warehouse.close()
      await backend.close()
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function fill(backend: Backend, { fetches }: Traffic): Promise<void> {
  await backend.log.createTopics(Object.values(topics).map(({ name }) => ({ name, partitions: 1 })))
  const writer = await backend.log.writer('bench')
  const topic = topics.transactions.name
  for (const batches of fetches)
    await writer.commit({ appends: [{ topic, partition: 0, batches }], position: -1, metadata: '' })
  await writer.close()
}

async function runTasks(backend: Backend): Promise<void> {
  const tables = new Set<string>(Object.values(topics).flatMap(({ name, table }) => (table === null ? [] : [name])))
  const topologies = [payments(settings), settlement(settings)]
  for (const topology of topologies) {
    const task = new Task({
      topology,
      name: `${topology.name}-0`,
      at: { topic: topology.source.topic.name, partition: 0 },
      partitions: 1,
      backend,
      hashKey: new Int32Array([1, 2, 3, 4]),
      markOf: (topic) => (tables.has(topic) ? records.mark : null),
    })
    await task.recover()
    await task.catchUp()
  }
}

/** Rows in ClickHouse against what the oracle expects of the same events. */
async function compare(
  analyst: { rows<Row>(question: string): Promise<Row[]> },
  { received, decisions, approved, held, score }: Findings,
): Promise<string[]> {
  const [found] = await analyst.rows<Record<string, string | number>>(
    `SELECT count() AS decisions, countIf(outcome = 'APPROVE') AS approved, countIf(outcome = 'HOLD') AS held,
       sum(score) AS score, (SELECT count() FROM transactions) AS received FROM decisions`,
  )
  const [settled] = await analyst.rows<Record<string, string | number>>('SELECT sum(count) AS settled FROM settlements')
  const expected = { received, decisions, approved, held, score, settled: approved }
  return Object.entries(expected)
    .map(([name, value]) => [name, Number(found[name] ?? settled[name]), value] as const)
    .filter(([, inTables, value]) => inTables !== value)
    .map(([name, inTables, value]) => `${name}: ${inTables} rows or sum / ${value} by the oracle`)
}

/** The result as text for a terminal. */
export function embeddedText(result: EmbeddedBenchResult): string {
  const range = ({ min, median, max }: Spread): string => `${min} / ${median} / ${max}`
  return [
    `payments line, log on disk to rows in ClickHouse: ${result.events} events, ${result.features} features`,
    `  ${result.eventsPerSecond} events/s to the last row, ${result.committedPerSecond} to the last commit (wall time)`,
    `  noise floor, ${result.rounds.count} rounds (min / median / max): ${range(result.rounds.eventsPerSecond)} events/s`,
    `  ${result.cpuMicrosPerEvent} us CPU per event in this process`,
    `  yardstick (smaller work): ${result.labEventsPerSecond} events/s; share ${range(result.rounds.labShare)}`,
    `  memory ${Math.round(result.rssBytes / 1e6)} MB, disk ${Math.round(result.diskBytes / 1e6)} MB (log and state)`,
    `  oracle: ${result.oracle}${result.differences.map((line) => `\n    ${line}`).join('')}`,
    `  ${result.machine}`,
  ].join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const valueOf = (name: string): number | undefined => {
    const at = process.argv.indexOf(`--${name}`)
    return at < 0 ? undefined : Number(process.argv[at + 1])
  }
  const result = await benchEmbedded({
    events: valueOf('events'),
    rounds: valueOf('rounds'),
    say: (text) => console.error(text),
  })
  console.log(process.argv.includes('--json') ? JSON.stringify(result) : embeddedText(result))
  if (result.oracle !== 'equal') process.exitCode = 1
}
