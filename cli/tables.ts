/** The tables of a line: ClickHouse found or started, its tables, the sink; and what is said about them. */

import type { ClickHouse } from '../sink/clickhouse.ts'
import { openWarehouse, type OpenSinkOptions, type Warehouse } from '../sink/open.ts'
import type { Lag } from '../sink/pump.ts'
import type { ClickHouseServer } from '../sink/server.ts'
import type { Sink } from '../sink/sink.ts'
import { fedTopicsUnder } from '../sink/topics.ts'
import { pinnedIds } from '../streams/schema-ids.ts'
import type { Configuration } from './configuration/schema.ts'
import type { EmbeddedLine, Line } from './engine.ts'

export interface ServerOptions {
  readonly say: (text: string) => void
  /** True: the printed user may write. */
  readonly writable?: boolean
  readonly httpPort?: number
  /** A server that runs already; absent: SLUICE_CLICKHOUSE_URL, or one of our own. */
  readonly endpoint?: Pick<OpenSinkOptions, 'url' | 'user' | 'password' | 'database' | 'analyst'>
}

export interface TablesOptions extends ServerOptions {
  /** Called when the sink halts. */
  readonly onHalt?: (error: Error) => void
  /** Called before every block that is inserted, for tests. */
  readonly trace?: () => void
  /** Topics that feed tables, under the ids of the log; absent: under the pinned ones. */
  readonly topics?: OpenSinkOptions['topics']
  readonly observer?: OpenSinkOptions['observer']
  /** A server of our own, whatever endpoint the environment names. */
  readonly own?: boolean
}

/** Starts (or finds) the server of a data directory and brings its tables up to date, without a sink: for questions. */
export async function openServer(directory: string, options: TablesOptions, maxRows?: number): Promise<Warehouse> {
  const { say, trace, endpoint, own = false, ...rest } = options
  const warehouse = await openWarehouse({
    directory,
    onEvent: say,
    maxRows,
    beforeInsert: trace,
    onRetry: (error, tries) => {
      // Once or twice is a restart; then somebody should know.
      if (tries === 3) say(`ClickHouse does not answer; it is tried again: ${error.message}`)
    },
    ...rest,
    ...endpoint,
    ...(own ? { environment: { ...process.env, SLUICE_CLICKHOUSE_URL: '' } } : {}),
  })
  const { server } = warehouse
  const { tcpPort } = server.endpoint()
  const native = tcpPort === null ? '' : `, native port ${tcpPort}`
  say(`ClickHouse ${server.version} (${server.origin}): ${server.analystUrl()}/?database=${server.database}${native}`)
  return warehouse
}

/** Tables as the page and questions see them, whoever fills them. */
export interface TablesView {
  readonly opened: { readonly analyst: ClickHouse; readonly server: Pick<ClickHouseServer, 'endpoint'> }
  readonly sink: { readonly failure: Error | null; lag(): readonly Lag[] }
}

export class Tables implements TablesView {
  readonly opened: Warehouse
  readonly sink: Sink

  constructor(opened: Warehouse, sink: Sink) {
    this.opened = opened
    this.sink = sink
  }

  /** Everything that is cut in the log is in ClickHouse, and the tables prove it. Throws when they do not. */
  async flush(): Promise<void> {
    await this.sink.flush()
    const proof = await this.sink.audit()
    if (!proof.ok) throw new Error(`The tables do not hold what the log holds: ${proof.findings[0].text}`)
  }

  hint(directory: string): string {
    return `Ask the tables: npm run -s sluice -- ask --data ${directory}`
  }

  async close(): Promise<void> {
    await this.sink.stop().catch(() => undefined)
    await this.opened.close()
  }
}

/** Opens the server and starts the sink of a line. */
export async function openTables(line: EmbeddedLine, options: TablesOptions): Promise<Tables> {
  const opened = await openServer(line.backend.directory, options, line.settings.insertBlockRows)
  try {
    return new Tables(opened, await opened.sink(line.backend.log))
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** The configured ClickHouse of a line on a cluster; undefined when there is none. */
export function endpointOf({ clickhouse }: Configuration): ServerOptions['endpoint'] | undefined {
  const { url, user, password, database, analyst } = clickhouse
  if (url === '') return undefined
  const given = (text: string): string | undefined => (text === '' ? undefined : text)
  return {
    url,
    user: given(user),
    password: given(password),
    database,
    analyst: analyst.user === '' ? undefined : { user: analyst.user, password: analyst.password },
  }
}

/** Connects to the configured ClickHouse, makes its tables, and starts the sink of a line on a cluster. */
export async function openClusterTables(
  { backend, settings, schemas = pinnedIds }: Line,
  options: TablesOptions & { readonly endpoint: ServerOptions['endpoint'] },
): Promise<Tables> {
  const opened = await openServer('', { ...options, topics: fedTopicsUnder(schemas) }, settings.insertBlockRows)
  try {
    return new Tables(opened, await opened.sink(backend.log))
  } catch (error) {
    await opened.close()
    throw error
  }
}
