/** The sink of a round as a process of its own: from Kafka into one database of ClickHouse, until it is told to end. */
import { openDistributed } from '../../streams/distributed/index.ts'
import { openWarehouse } from '../../sink/open.ts'
import { settings } from './line.ts'
import { route } from './route.ts'

/** What it is told on its command line, as JSON. */
export interface SinkOrder {
  readonly brokers: readonly string[]
  readonly redis: string
  readonly prefix: string
  readonly clickhouse: string
  readonly database: string
  readonly directory: string
  /** Ports of services by the ports that lead to them. */
  readonly routes: Readonly<Record<string, number>>
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
route(order.routes, () => undefined)
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
  database: order.database,
  writable: true,
  maxRows: settings.insertBlockRows,
  // As the command does: who started it starts it again.
  onHalt: fail,
})
const sink = await warehouse.sink(backend.log)

async function end(): Promise<void> {
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

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}

process.on('message', () => void end().then(() => process.exit(0), fail))
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
