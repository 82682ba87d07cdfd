/** The sink of a round as a process of its own: from Kafka into one database of ClickHouse, until it is told to end. */
import { openDistributed } from '../../streams/distributed/index.ts'
import { openWarehouse } from '../../sink/open.ts'
import { settings } from './line.ts'

/** What it is told on its command line, as JSON. */
export interface SinkOrder {
  readonly brokers: readonly string[]
  readonly redis: string
  readonly prefix: string
  readonly clickhouse: string
  readonly directory: string
}

/** What it says at the end. */
export interface SinkWord {
  readonly rows: number
  readonly unique: number
  readonly expected: number
  /** Records behind the last cut: 0 when the log ends with a mark. */
  readonly open: number
  readonly ok: boolean
  readonly found: string
  /** Rows per table. */
  readonly tables: Readonly<Record<string, number>>
}

const order = JSON.parse(process.argv[2]) as SinkOrder
const backend = await openDistributed({
  brokers: order.brokers,
  redis: order.redis,
  prefix: order.prefix,
  topicPrefix: `${order.prefix}.`,
  replicationFactor: 3,
})
const warehouse = await openWarehouse({
  directory: order.directory,
  url: order.clickhouse,
  database: order.prefix.replaceAll('-', '_'),
  writable: true,
  maxRows: settings.insertBlockRows,
})
let sink = await warehouse.sink(backend.log)

async function end(): Promise<void> {
  // A broker that was away may have halted it: one more, as a supervisor would start it.
  if (sink.failure !== null) {
    await sink.stop().catch(() => undefined)
    sink = await warehouse.sink(backend.log)
  }
  const open = await sink.flush()
  const { ok, tables, findings } = await sink.audit()
  const sum = (of: 'rows' | 'unique' | 'expected'): number => tables.reduce((total, table) => total + table[of], 0)
  const word: SinkWord = {
    rows: sum('rows'),
    unique: sum('unique'),
    expected: sum('expected'),
    open,
    ok,
    found: findings[0]?.text ?? '',
    tables: Object.fromEntries(tables.map(({ table, rows }) => [table, rows])),
  }
  process.send?.(word)
  await sink.stop()
  await warehouse.close()
  await backend.close()
}

process.on('message', () => {
  void end().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
