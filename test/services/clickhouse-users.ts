/** A ClickHouse of a test's own with users who have what they are granted and nothing else, as a firm's has them. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClickHouse } from '../../sink/clickhouse.ts'
import { findServer } from '../../sink/find-server.ts'
import { writeConfig } from '../../sink/server-config.ts'
import { ServerProcess } from '../../sink/server-process.ts'
import { surroundings } from '../lib/sluice.ts'
import type { Missing } from './service.ts'

export interface ClickHouseUser {
  readonly name: string
  readonly password: string
  /** Each as it stands behind GRANT and before TO. */
  readonly grants: readonly string[]
}

export interface ClickHouseWithUsers {
  readonly url: string
  stop(): Promise<void>
}

/** Starts it, or says why there is none. */
export async function clickhouseWithUsers(
  database: string,
  users: readonly ClickHouseUser[],
): Promise<ClickHouseWithUsers | Missing> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-clickhouse-'))
  const removed = (): void => rmSync(directory, { recursive: true, force: true })
  try {
    const found = findServer({ environment: { ...surroundings(), SLUICE_CLICKHOUSE_URL: '' } })
    if (found.how === 'configured') throw new Error('an endpoint is configured')
    // Those whom the server's own configuration has, out of the way of the names given.
    const [admin, analyst] = ['test_admin', 'test_analyst'].map((user) => ({ user, password: randomUUID() }))
    const access = { admin, analyst }
    const server = new ServerProcess(found, directory)
    const ports = await server.ports(0, 0)
    const pinnedVersion = found.how === 'library'
    writeConfig({ directory, database, ...ports, memoryBytes: 2e9, writable: false, pinnedVersion }, access)
    const path = join(directory, 'users.xml')
    writeFileSync(path, readFileSync(path, 'utf8').replace('</users>', `${users.map(element).join('')}</users>`))
    const started = await server.start(ports, (url) => versionAt(url, access.admin))
    if ('trouble' in started) throw new Error(started.message)
    const stop = async (): Promise<void> => {
      await started.end()
      removed()
    }
    return { url: `http://127.0.0.1:${started.httpPort}`, stop }
  } catch (error) {
    removed()
    return { missing: `no ClickHouse: ${(error as Error).message}` }
  }
}

const element = ({ name, password, grants }: ClickHouseUser): string => {
  const queries = grants.map((grant) => `<query>GRANT ${grant}</query>`).join('')
  const rest = '<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>'
  return `<${name}><password>${password}</password>${rest}<grants>${queries}</grants></${name}>`
}

async function versionAt(url: string, credentials: { user: string; password: string }): Promise<string> {
  const client = new ClickHouse({ url: () => url, credentials, database: 'default', timeoutMs: 10_000 })
  try {
    return (await client.rows<{ version: string }>('SELECT version() AS version'))[0].version
  } finally {
    await client.close()
  }
}
