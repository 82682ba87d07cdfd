/** Redis for tests: one that the environment names, else one in a container, else `redis-server` as a process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './cache.ts'
import { container } from './containers.ts'
import { program } from './programs.ts'
import { Server } from './server.ts'
import { find, serviceOf, type Missing, type Service } from './service.ts'

export interface RedisOptions {
  /** More arguments of `redis-server`; a later one wins. */
  readonly settings?: readonly string[]
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
    own: options.own ?? settings.length > 0,
    container: inContainer,
    process: () => processOf(settings),
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

async function processOf(settings: readonly string[]): Promise<Service | Missing> {
  const found = await program('redis-server')
  if ('missing' in found) return found
  const base = mkdtempSync(join(tmpdir(), 'sluice-redis-'))
  const directory = join(base, 'node')
  const port = await freePort()
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--daemonize', 'no']
  const server = new Server({
    name: 'redis-server',
    command: found.path,
    args: [...place, ...SETTINGS, ...settings],
    env: found.env,
    directory,
    ready: () => answers(port),
    patienceMs: 60_000,
  })
  const service = serviceOf(`redis://127.0.0.1:${port}`, [server], () => rmSync(base, { recursive: true, force: true }))
  try {
    await server.start()
  } catch (error) {
    await service.stop()
    throw error
  }
  return service
}

/** True when it has loaded what it keeps: until then it answers -LOADING. One that asks for a password is up as well. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.setTimeout(2_000, () => socket.destroy())
    socket.once('data', (chunk) => {
      resolve(/^(\+PONG|-NOAUTH)/.test(chunk.toString()))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
