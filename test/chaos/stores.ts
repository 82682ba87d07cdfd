/** What befalls the services: Redis killed, its file cut, emptied, an old image restored; brokers killed one by one. */
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
import { client } from './foreign.ts'

export const redisFaults = ['kill', 'truncate', 'empty', 'restore'] as const
export type RedisFault = (typeof redisFaults)[number]

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

/** Redis under faults; `image` is a copy of an earlier state, taken as backups are. */
export class RedisUnderFire {
  readonly #redis: RedisService
  readonly #image: string
  #taken = false

  constructor(redis: RedisService) {
    this.#redis = redis
    this.#image = join(redis.directory!, 'backup.rdb')
  }

  /** A backup: a consistent cut of all tasks. */
  async backup(): Promise<void> {
    await command(this.#redis.endpoint, 'SAVE')
    copyFileSync(join(this.#redis.directory!, 'dump.rdb'), this.#image)
    this.#taken = true
  }

  /** A new round has nothing to do with the state of the one before. */
  forget(): void {
    this.#taken = false
  }

  async fault(fault: RedisFault, random: Random): Promise<void> {
    const server = this.#redis.server!
    if (fault === 'empty') {
      await command(this.#redis.endpoint, 'FLUSHALL')
      return
    }
    if (fault === 'restore' && !this.#taken) await this.backup()
    await server.kill()
    if (fault === 'truncate') this.#truncate(random)
    if (fault === 'restore') this.#restore()
    await server.restart()
  }

  /** Cuts the end of the newest increment: what a power loss leaves. */
  #truncate(random: Random): void {
    const files = join(this.#redis.directory!, 'appendonlydir')
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
    const files = join(this.#redis.directory!, 'appendonlydir')
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

/** Kills a broker and brings it back; resolves when every partition has all its replicas again, or after `patienceMs`. */
export async function killBroker(kafka: Kafka, index: number, downMs: number, patienceMs: number): Promise<void> {
  const node = kafka.nodes[index]
  await node.kill()
  await sleep(downMs)
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
