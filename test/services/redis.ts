/** Redis for tests: one that the environment names, else one in a container, else `redis-server` as a process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { freePort } from './cache.ts'
import type { Certificates } from './certificates.ts'
import { container } from './containers.ts'
import { program } from './programs.ts'
import { Server } from './server.ts'
import { find, serviceOf, type Missing, type Service } from './service.ts'

export interface RedisOptions {
  /** More arguments of `redis-server`; a later one wins. */
  readonly settings?: readonly string[]
  /** Speaks TLS, and nothing else, with the server's certificate of these. */
  readonly tls?: Certificates
  /** True: a process of ours, to be killed, whatever the environment names. */
  readonly own?: boolean
}

export interface RedisService extends Service {
  /** The process, when it is ours: `kill()`, `stop()`, `restart()`, `pid`. */
  readonly server: Server | null
  /** Where it keeps its files, when it is ours: `appendonlydir/` (base, increments, manifest) and `dump.rdb`. */
  readonly directory: string | null
}

/** What production has, too: every command on disk within a second, nothing ever evicted. */
const SETTINGS = ['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction']

/** A server for this process, or why there is none. */
export async function redis(options: RedisOptions = {}): Promise<RedisService | Missing> {
  const settings = options.settings ?? []
  const found = await find('redis', {
    own: options.own ?? (settings.length > 0 || options.tls !== undefined),
    container: inContainer,
    process: () => processOf(settings, options.tls),
  })
  if ('missing' in found) return found
  const server = found.servers[0] ?? null
  return { ...found, server, directory: server?.directory ?? null }
}

function inContainer(): Promise<Service> {
  return container({
    service: 'redis',
    port: 6379,
    command: ['redis-server', ...SETTINGS],
    ready: { log: /Ready to accept connections/ },
    endpoint: (host, port) => `redis://${host}:${port}`,
  })
}

async function processOf(settings: readonly string[], tls?: Certificates): Promise<Service | Missing> {
  const found = await program('redis-server')
  if ('missing' in found) return found
  const base = mkdtempSync(join(tmpdir(), 'sluice-redis-'))
  const directory = join(base, 'node')
  const port = await freePort()
  const listen =
    tls === undefined ? ['--port', String(port)] : ['--port', '0', '--tls-port', String(port), ...tlsOf(tls)]
  const place = [...listen, '--bind', '127.0.0.1', '--dir', directory, '--daemonize', 'no']
  const server = new Server({
    name: 'redis-server',
    command: found.path,
    args: [...place, ...SETTINGS, ...settings],
    env: found.env,
    directory,
    ready: () => answers(port, tls !== undefined),
    patienceMs: 60_000,
  })
  const scheme = tls === undefined ? 'redis' : 'rediss'
  const service = serviceOf(`${scheme}://127.0.0.1:${port}`, [server], () =>
    rmSync(base, { recursive: true, force: true }),
  )
  try {
    await server.start()
  } catch (error) {
    await service.stop()
    throw error
  }
  return service
}

const tlsOf = ({ ca, server }: Certificates): string[] => {
  return [
    '--tls-cert-file',
    server.cert,
    '--tls-key-file',
    server.key,
    '--tls-ca-cert-file',
    ca,
    '--tls-auth-clients',
    'no',
  ]
}

/** True when it has loaded what it keeps: until then it answers -LOADING. One that asks for a password is up as well. */
function answers(port: number, tls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const ask = (): boolean => socket.write('PING\r\n')
    // Whether it is up is asked here, not whether it is the right one.
    const socket = tls
      ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, ask)
      : connect(port, '127.0.0.1', ask)
    socket.setTimeout(2_000, () => socket.destroy())
    socket.once('data', (chunk) => {
      resolve(/^(\+PONG|-NOAUTH)/.test(chunk.toString()))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
