/** Tables that somebody else fills, as questions see them: who may ask, and how far the rows are. */

import { setTimeout as sleep } from 'node:timers/promises'
import { ClickHouse } from '../sink/clickhouse.ts'
import type { Lag } from '../sink/pump.ts'
import { fedTopics } from '../sink/topics.ts'
import type { Configuration } from './configuration/schema.ts'
import type { LineView } from './line-view.ts'
import { UsageError } from './output.ts'
import type { TablesView } from './tables.ts'

/** What ClickHouse has is looked at so often: a question reads the log from there on. */
const LOOK_MS = 2_000

/** Who asks. Errors: UsageError without clickhouse.url. */
export function analystOf({ clickhouse }: Configuration): ClickHouse {
  const { url, user, password, database, analyst } = clickhouse
  if (url === '') {
    throw new UsageError(
      'Questions need a ClickHouse: give clickhouse.url (SLUICE_CLICKHOUSE_URL), see docs/configuration.md.',
    )
  }
  const parsed = new URL(url)
  const own = analyst.user !== ''
  return new ClickHouse({
    url: () => parsed.origin,
    credentials: own
      ? { user: analyst.user, password: analyst.password }
      : {
          user: user !== '' ? user : decodeURIComponent(parsed.username) || 'default',
          password: password !== '' ? password : decodeURIComponent(parsed.password),
        },
    database,
    // One user for both: then every question says itself that it may not write.
    settings: own ? {} : { readonly: '2' },
  })
}

export interface AskedTables extends TablesView {
  close(): Promise<void>
}

/** Follows how far the tables of a line are. Tables that are not there yet count as empty. */
export async function openAskedTables(configuration: Configuration, line: LineView): Promise<AskedTables> {
  const analyst = analystOf(configuration)
  const origin = new URL(configuration.clickhouse.url).origin
  const highest = new Map<string, number>()
  let failure: Error | null = null
  const look = async (): Promise<void> => {
    for (const { name, table } of fedTopics) {
      const rows = await analyst.rows<{ task: number; highest: string }>(
        `SELECT _src_task AS task, max(_src_seq) AS highest FROM ${table} GROUP BY _src_task`,
      )
      for (const row of rows) highest.set(`${name}/${row.task}`, Number(row.highest))
    }
  }
  const tryLook = async (): Promise<void> => {
    try {
      await look()
      failure = null
    } catch (error) {
      failure = error as Error
    }
  }
  await tryLook()
  const stopping = new AbortController()
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await sleep(LOOK_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (!stopping.signal.aborted) await tryLook()
    }
  })()
  const lag = (): Lag[] =>
    line.tasks.flatMap(({ processor }) =>
      processor.graph.outputs.flatMap(({ destination, seq }) => {
        const fed = fedTopics.find(({ name }) => name === destination.topic)
        if (fed === undefined) return []
        const insertedRows = (highest.get(`${fed.name}/${destination.task}`) ?? -1) + 1
        const behind = Math.max(0, seq - insertedRows)
        const { topic, partition } = destination
        return [
          { topic, partition, table: fed.table, insertedRows, openRows: 0, behind, blocks: 0, retries: 0, dropped: 0 },
        ]
      }),
    )
  return {
    opened: { analyst, server: { endpoint: () => ({ url: origin, tcpPort: null }) } },
    sink: {
      get failure() {
        return failure
      },
      lag,
    },
    async close() {
      stopping.abort()
      await loop
      await analyst.close()
    },
  }
}
