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
import { find, type Missing, type Service } from './service.ts'

export interface ClickHouseService extends Service {
  /** Of the server, when it is ours; killed, it is started again at once, on the same data and port. */
  readonly pid: () => number | null
}

/** What the composed server is set to, too: sums are added up exactly. */
const profile = join(import.meta.dirname, '..', '..', 'ops', 'compose', 'clickhouse-profile.xml')

/** A server for this process, or why there is none. `endpoint` is an HTTP URL with user and password. */
export async function clickhouse(options: { readonly own?: boolean } = {}): Promise<ClickHouseService | Missing> {
  let pid: ClickHouseService['pid'] = () => null
  const found = await find('clickhouse', {
    own: options.own,
    container: inContainer,
    process: () => processOf((ofServer) => (pid = ofServer)),
  })
  return 'missing' in found ? found : { ...found, pid }
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

async function processOf(begun: (pid: ClickHouseService['pid']) => void): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-clickhouse-'))
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  try {
    const server = await startClickHouse({ directory })
    begun(() => server.pid)
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
