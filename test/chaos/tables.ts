/**
 * What befalls the way into the tables: ClickHouse killed in the middle of its inserts, its newest part gone, the sink
 * killed, and a second sink that writes while the first one wakes up late.
 */
import { ClickHouse } from '../../sink/clickhouse.ts'
import type { Random } from '../../intake/random.ts'
import { fedTopics } from '../../sink/topics.ts'
import type { ClickHouseService } from '../services/clickhouse.ts'
import type { SinkProcess } from './sink-process.ts'

export const tableFaults = ['server', 'part', 'sink', 'twice'] as const
export type TableFault = (typeof tableFaults)[number]

export interface Tables {
  readonly server: ClickHouseService
  readonly database: string
  readonly sink: SinkProcess
}

/** False: it could not be done, there is nothing in the tables yet. */
export async function strikeTables(
  { server, database, sink }: Tables,
  fault: TableFault,
  random: Random,
): Promise<boolean> {
  switch (fault) {
    case 'server': {
      const pid = server.pid()
      if (pid === null) return false
      process.kill(pid, 'SIGKILL')
      return true
    }
    case 'part': {
      const done = await dropNewestPart(server.endpoint, database, random)
      // Only a start looks for what is gone.
      if (done) await sink.kill()
      return done
    }
    case 'sink':
      await sink.kill()
      return true
    case 'twice':
      await sink.late(1_000 + random.below(4_000))
      return true
  }
}

/** Of one table: what a disk that lost its last writes leaves. */
async function dropNewestPart(endpoint: string, database: string, random: Random): Promise<boolean> {
  const { origin, username, password } = new URL(endpoint)
  const clickHouse = new ClickHouse({ url: () => origin, credentials: { user: username, password }, database })
  try {
    const parts = await clickHouse.rows<{ table: string; name: string }>(
      `SELECT table, argMax(name, modification_time) AS name FROM system.parts
      WHERE active AND database = currentDatabase() AND table IN (${fedTopics.map(({ table }) => `'${table}'`).join(', ')})
      GROUP BY table ORDER BY table`,
    )
    if (parts.length === 0) return false
    const { table, name } = parts[random.below(parts.length)]
    await clickHouse.command(`ALTER TABLE ${table} DROP PART '${name}'`)
    return true
  } finally {
    await clickHouse.close()
  }
}
