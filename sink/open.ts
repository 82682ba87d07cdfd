/** Everything of the sink in one call: server, tables, writer, reader; and in one call gone again. */
import type { Log } from '../streams/backend.ts'
import { ClickHouse } from './clickhouse.ts'
import { exclusively } from './exclusive.ts'
import { migrate } from './migrations.ts'
import { startClickHouse, type ClickHouseServer, type ServerOptions } from './server.ts'
import { Sink, type SinkOptions } from './sink.ts'
import { fedTopics } from './topics.ts'

export type OpenSinkOptions = ServerOptions &
  Partial<Omit<SinkOptions, 'log' | 'clickHouse'>> & {
    /** Called before every INSERT of a block: where a test ends the process. */
    readonly beforeInsert?: () => void
  }

export interface Warehouse {
  readonly server: ClickHouseServer
  /** Connected to the database of the tables, read only: for questions. */
  readonly analyst: ClickHouse
  /** Table files that were applied now. */
  readonly migrated: readonly string[]
  /** Starts the pumps from a log; the caller flushes and stops the sink before it closes the warehouse. */
  sink(log: Log): Promise<Sink>
  close(): Promise<void>
}

/** Finds or starts ClickHouse and brings its tables up to date. Errors: those of startClickHouse and of migrate. */
export async function openWarehouse(options: OpenSinkOptions): Promise<Warehouse> {
  const server = await startClickHouse(options)
  const url = (): string => server.endpoint().url
  const outside = new ClickHouse({ url, credentials: server.admin, database: 'default' })
  const admin = new ClickHouse({ url, credentials: server.admin, database: server.database })
  // A configured endpoint may have one user for both; then every question says itself that it may not write.
  const oneUser = server.how === 'configured' && server.analyst === server.admin
  const settings = oneUser && options.writable !== true ? { readonly: '2' } : {}
  const analyst = new ClickHouse({ url, credentials: server.analyst, database: server.database, settings })
  const writer = options.beforeInsert === undefined ? admin : announced(admin, options.beforeInsert)
  const close = async (): Promise<void> => {
    await Promise.all([outside.close(), admin.close(), analyst.close()])
    await server.stop()
  }
  try {
    const migrated = await migrate(outside, server.database, { alone: server.how !== 'configured' })
    return {
      server,
      analyst,
      migrated,
      async sink(log) {
        const { database } = server
        // A server of our own has one sink; others may share a configured one.
        const exclusive = <T>(work: () => Promise<T>): Promise<T> => exclusively(outside, { database }, work)
        const shared = server.how === 'configured' ? { exclusive } : {}
        const sink = new Sink({ topics: fedTopics, ...shared, ...options, log, clickHouse: writer })
        await sink.start()
        return sink
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function announced(client: ClickHouse, before: () => void): ClickHouse {
  const insert = client.insert.bind(client)
  client.insert = (...args) => {
    before()
    return insert(...args)
  }
  return client
}
