/**
 * What befalls the stores of a line: Redis killed, its file cut, emptied, an old image restored, silent, its disk full, and
 * its spare promoted while it still takes writes; brokers killed one by one, or their disks full.
 */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Random } from '../../intake/random.ts'
import type { Kafka } from '../services/kafka.ts'
import type { RedisService } from '../services/redis.ts'
import type { Server } from '../services/server.ts'
import { client } from './foreign.ts'
import { portOf, Proxy } from './proxy.ts'

export const redisFaults = ['kill', 'truncate', 'empty', 'restore', 'silent', 'full', 'split'] as const
export type RedisFault = (typeof redisFaults)[number]
export const brokerFaults = ['kill', 'full'] as const
export type BrokerFault = (typeof brokerFaults)[number]

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function command(endpoint: string, ...words: string[]): Promise<unknown> {
  const redis = new Redis(endpoint, { lazyConnect: true, maxRetriesPerRequest: 1 })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    return await redis.call(words[0], ...words.slice(1))
  } finally {
    redis.disconnect()
  }
}

/**
 * Redis under faults: one that is in use, and a spare that becomes its replica when it is to take over. Everybody comes to
 * it by one of two doors, so that a fail-over can reach some before it reaches the others.
 */
export class RedisUnderFire {
  #used: RedisService
  #spare: RedisService
  readonly #doors: readonly [Proxy, Proxy]
  #ports: readonly number[] = []
  /** A copy of an earlier state, taken as backups are. */
  readonly #image: string
  #taken = false

  constructor(used: RedisService, spare: RedisService) {
    this.#used = used
    this.#spare = spare
    const port = portOf(used.endpoint)
    this.#doors = [new Proxy(port), new Proxy(port)]
    this.#image = join(used.directory!, 'backup.rdb')
  }

  async open(): Promise<void> {
    this.#ports = await Promise.all(this.#doors.map((door) => door.listen()))
  }

  /** Of the first door. */
  get endpoint(): string {
    return `redis://127.0.0.1:${this.#ports[0]}`
  }

  /** Of both doors. */
  get ports(): readonly number[] {
    return this.#ports
  }

  async stop(): Promise<void> {
    await Promise.all(this.#doors.map((door) => door.close()))
    await Promise.all([this.#used.stop(), this.#spare.stop()])
  }

  /** A new round has nothing to do with the state of the one before. */
  forget(): void {
    this.#taken = false
  }

  /** A backup: a consistent cut of all tasks. */
  async backup(): Promise<void> {
    await command(this.#used.endpoint, 'SAVE')
    copyFileSync(join(this.#used.directory!, 'dump.rdb'), this.#image)
    this.#taken = true
  }

  async fault(fault: RedisFault, random: Random): Promise<void> {
    const server = this.#used.server!
    switch (fault) {
      case 'empty':
        await command(this.#used.endpoint, 'FLUSHALL')
        return
      case 'silent':
        return silent(server, 500 + random.below(7_000))
      case 'full':
        return full(server, 1_000 + random.below(5_000))
      case 'split':
        return this.#split(random)
      default:
        if (fault === 'restore' && !this.#taken) await this.backup()
        await server.kill()
        if (fault === 'truncate') this.#truncate(random)
        if (fault === 'restore') this.#restore()
        await server.restart()
    }
  }

  /**
   * A fail-over as it goes wrong: the replica is promoted without the newest writes, some workers go on with the old
   * primary for a while, then all are with the new one, and what the old one took in between is gone.
   */
  async #split(random: Random): Promise<void> {
    const port = portOf(this.#spare.endpoint)
    await command(this.#spare.endpoint, 'REPLICAOF', '127.0.0.1', String(portOf(this.#used.endpoint)))
    const until = performance.now() + 30_000
    for (let synced = false; !synced && performance.now() < until; await sleep(100)) {
      synced = String(await command(this.#spare.endpoint, 'INFO', 'replication')).includes('master_link_status:up')
    }
    await command(this.#spare.endpoint, 'REPLICAOF', 'NO', 'ONE')
    await sleep(random.below(2_000))
    this.#doors[1].point(port)
    await sleep(500 + random.below(3_000))
    this.#doors[0].point(port)
    ;[this.#used, this.#spare] = [this.#spare, this.#used]
  }

  /** Cuts the end of the newest increment: what a power loss leaves. */
  #truncate(random: Random): void {
    const files = join(this.#used.directory!, 'appendonlydir')
    const newest = readdirSync(files)
      .filter((name) => name.endsWith('.incr.aof'))
      .sort((a, b) => Number(a.split('.').at(-3)) - Number(b.split('.').at(-3)))
      .at(-1)
    if (newest === undefined) return
    const path = join(files, newest)
    const { size } = statSync(path)
    truncateSync(path, Math.max(0, size - random.below(1 + Math.min(size, 1 << (8 + random.below(14))))))
  }

  /** The server comes back with the backup and nothing after it. */
  #restore(): void {
    const files = join(this.#used.directory!, 'appendonlydir')
    if (existsSync(files)) rmSync(files, { recursive: true })
    mkdirSync(files)
    copyFileSync(this.#image, join(files, 'appendonly.aof.1.base.rdb'))
    writeFileSync(
      join(files, 'appendonly.aof.manifest'),
      'file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n',
    )
    writeFileSync(join(files, 'appendonly.aof.1.incr.aof'), '')
  }
}

/** Connected, and says nothing: as behind a long script, or in a machine that stands still. */
async function silent(server: Server, ms: number): Promise<void> {
  server.signal('SIGSTOP')
  await sleep(ms)
  server.signal('SIGCONT')
}

/** No file of it may grow past a few bytes for a while: every write to its disk fails, as on a full one. */
async function full(server: Server, ms: number): Promise<void> {
  limit(server, '1')
  await sleep(ms)
  limit(server, 'unlimited')
}

/** The soft limit only, which may be lifted again. Nothing happens when it has ended over it. */
function limit({ pid }: Server, bytes: string): void {
  if (pid === null) return
  try {
    execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    if (!String(error).includes('No such process')) throw error
  }
}

/**
 * Kills a broker, or lets its disk be full, which it ends by itself over; and brings it back. Resolves when every partition
 * has all its replicas again, or after `patienceMs`.
 */
export async function strikeBroker(
  kafka: Kafka,
  { fault, index, downMs }: { fault: BrokerFault; index: number; downMs: number },
  patienceMs: number,
): Promise<void> {
  const node = kafka.nodes[index]
  if (fault === 'full') await full(node, 3_000 + downMs)
  await node.kill()
  if (fault === 'kill') await sleep(downMs)
  await node.restart()
  const admin = client(kafka.endpoint.split(',')).admin()
  await admin.connect()
  try {
    // The next one may only go when nothing hangs on this one alone.
    const until = performance.now() + patienceMs
    for (let whole = false; !whole && performance.now() < until; await sleep(500)) {
      const { topics } = await admin.fetchTopicMetadata().catch(() => ({ topics: [] }))
      const parts = topics.flatMap(({ partitions }) => partitions)
      whole = parts.length > 0 && parts.every(({ isr, replicas }) => isr.length === replicas.length)
    }
  } finally {
    await admin.disconnect()
  }
}
