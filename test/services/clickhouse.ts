/**
 * ClickHouse for tests: one that the environment names, else one in a container, else the server that the sink starts by
 * itself, in a directory of its own.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startClickHouse } from '../../sink/server.ts'
import { container } from './containers.ts'
import { find, type Found, type Service } from './service.ts'

/** What the composed server is set to, too: sums are added up exactly. */
const profile = join(import.meta.dirname, '..', '..', 'ops', 'compose', 'clickhouse-profile.xml')

/** A server for this process, or why there is none. `endpoint` is an HTTP URL with user and password. */
export function clickhouse(): Promise<Found> {
  return find('clickhouse', { container: inContainer, process: processOf })
}

function inContainer(): Promise<Service> {
  const password = randomUUID()
  return container({
    service: 'clickhouse',
    port: 8123,
    environment: () => ({
      CLICKHOUSE_USER: 'sluice',
      CLICKHOUSE_PASSWORD: password,
      CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT: '1',
    }),
    files: [{ source: profile, target: '/etc/clickhouse-server/users.d/sluice.xml' }],
    ready: { http: '/ping' },
    endpoint: (host, port) => `http://sluice:${password}@${host}:${port}`,
  })
}

async function processOf(): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-clickhouse-'))
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  try {
    const server = await startClickHouse({ directory })
    const { user, password } = server.admin
    const endpoint = server.endpoint().url.replace('://', `://${user}:${password}@`)
    const stop = async (): Promise<void> => {
      await server.stop()
      remove()
    }
    return { endpoint, how: 'process', servers: [], stop }
  } catch (error) {
    remove()
    throw error
  }
}
