/** The tables of a line: a ClickHouse server found or started, migrations, the sink; and what to print about them. */

import { audit, type Audit } from '../sink/audit.ts'
import { ClickHouse } from '../sink/clickhouse.ts'
import { migrate } from '../sink/migrations.ts'
import { startClickHouse, type ClickHouseServer } from '../sink/server.ts'
import { Sink } from '../sink/sink.ts'
import { fedTopics } from '../sink/topics.ts'
import type { Line } from './engine.ts'

export interface TablesOptions {
  readonly say: (text: string) => void
  /** True: the printed user may write. */
  readonly writable?: boolean
  readonly httpPort?: number
  readonly tcpPort?: number
  /** Called when the sink halts. */
  readonly onHalt?: (error: Error) => void
  /** Called before every block that is inserted, for tests. */
  readonly trace?: () => void
}

/** A server with our database, without a sink: what questions need. */
export class Server {
  readonly server: ClickHouseServer
  readonly admin: ClickHouse
  /** Read-only. */
  readonly analyst: ClickHouse

  constructor(server: ClickHouseServer) {
    this.server = server
    const url = (): string => server.endpoint().url
    const { database } = server
    this.admin = new ClickHouse({ url, credentials: server.admin, database })
    this.analyst = new ClickHouse({ url, credentials: server.analyst, database })
  }

  async close(): Promise<void> {
    await this.admin.close()
    await this.analyst.close()
    await this.server.stop()
  }
}

/** Starts (or finds) the server of a data directory and brings its tables up to date. */
export async function openServer(directory: string, options: Omit<TablesOptions, 'trace' | 'onHalt'>): Promise<Server> {
  const { say, ...rest } = options
  const server = await startClickHouse({ directory, onEvent: say, ...rest })
  const base = new ClickHouse({ url: () => server.endpoint().url, credentials: server.admin, database: 'default' })
  try {
    await migrate(base, server.database)
  } finally {
    await base.close()
  }
  const { tcpPort } = server.endpoint()
  const native = tcpPort === null ? '' : `, native port ${tcpPort}`
  say(`ClickHouse ${server.version} (${server.origin}): ${server.analystUrl()}/?database=${server.database}${native}`)
  return new Server(server)
}

export class Tables {
  readonly opened: Server
  readonly sink: Sink

  constructor(opened: Server, sink: Sink) {
    this.opened = opened
    this.sink = sink
  }

  /** Everything that is cut in the log is in ClickHouse, and the tables prove it. Throws when they do not. */
  async flush(): Promise<void> {
    await this.sink.flush()
    const proof = await this.sink.audit()
    if (!proof.ok) throw new Error(`The tables do not hold what the log holds: ${proof.findings[0].text}`)
  }

  audit(): Promise<Audit> {
    return audit(
      this.opened.admin,
      fedTopics.map(({ table }) => ({ table, upTo: new Map() })),
    )
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
export async function openTables(
  line: Line & { readonly backend: { readonly directory: string } },
  options: TablesOptions,
): Promise<Tables> {
  const { trace, onHalt, ...rest } = options
  const opened = await openServer(line.backend.directory, rest)
  const sink = new Sink({
    log: line.backend.log,
    clickHouse: trace === undefined ? opened.admin : traced(opened.admin, trace),
    topics: fedTopics,
    maxRows: line.settings.insertBlockRows,
    onHalt,
    onRetry: (error, tries) => {
      if (tries === 3) options.say(`ClickHouse does not answer; it is tried again: ${error.message}`)
    },
  })
  try {
    await sink.start()
  } catch (error) {
    await opened.close()
    throw error
  }
  return new Tables(opened, sink)
}

/** Says so before every INSERT. */
function traced(client: ClickHouse, trace: () => void): ClickHouse {
  const insert = client.insert.bind(client)
  client.insert = (...args) => {
    trace()
    return insert(...args)
  }
  return client
}
