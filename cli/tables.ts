/** The tables of a line: ClickHouse found or started, its tables, the sink; and what is said about them. */

import { openWarehouse, type Warehouse } from '../sink/open.ts'
import type { Sink } from '../sink/sink.ts'
import type { EmbeddedLine } from './engine.ts'

export interface ServerOptions {
  readonly say: (text: string) => void
  /** True: the printed user may write. */
  readonly writable?: boolean
  readonly httpPort?: number
}

export interface TablesOptions extends ServerOptions {
  /** Called when the sink halts. */
  readonly onHalt?: (error: Error) => void
  /** Called before every block that is inserted, for tests. */
  readonly trace?: () => void
}

/** Starts (or finds) the server of a data directory and brings its tables up to date, without a sink: for questions. */
export async function openServer(directory: string, options: TablesOptions, maxRows?: number): Promise<Warehouse> {
  const { say, trace, ...rest } = options
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
  })
  const { server } = warehouse
  const { tcpPort } = server.endpoint()
  const native = tcpPort === null ? '' : `, native port ${tcpPort}`
  say(`ClickHouse ${server.version} (${server.origin}): ${server.analystUrl()}/?database=${server.database}${native}`)
  return warehouse
}

export class Tables {
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
