/** The services of the tests are real, can be killed and come back with what they kept, and leave nothing behind. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { listOffsetsV7 } from '@platformatic/kafka'
import { Redis } from 'ioredis'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { openDistributed } from '../../streams/distributed/index.ts'
import { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { CodedError } from '../../streams/errors.ts'
import { batchOf, recordsOf } from '../conformance/batches.ts'
import { sleep } from './cache.ts'
import { clickhouse } from './clickhouse.ts'
import { missingOf, running } from './index.ts'
import { kafka } from './kafka.ts'
import { redis } from './redis.ts'
import { registry } from './registry.ts'

const [brokers, store, warehouse] = await Promise.all([kafka({ brokers: 3 }), redis({ own: true }), clickhouse()])
const schemas = 'missing' in brokers ? brokers : await registry({ kafka: brokers.endpoint })
const reason = (found: object): string => (missingOf(found) === null ? '' : ` (${missingOf(found)})`)

afterEach(() => vi.unstubAllEnvs())
afterAll(async () => {
  for (const found of [schemas, warehouse, store, brokers]) if (!('missing' in found)) await found.stop()
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('where a service is looked for', () => {
  it('is the environment, before anything else', async () => {
    vi.stubEnv('SLUICE_KAFKA_BROKERS', 'broker.example.org:9092')
    vi.stubEnv('SLUICE_REDIS_URL', 'redis://redis.example.org')
    vi.stubEnv('SLUICE_REGISTRY_URL', 'http://schemas.example.org')
    vi.stubEnv('SLUICE_CLICKHOUSE_URL', 'http://clickhouse.example.org')
    const found = await Promise.all([kafka(), redis(), registry(), clickhouse()])
    expect(found.map((each) => running(each).endpoint)).toEqual([
      'broker.example.org:9092',
      'redis://redis.example.org',
      'http://schemas.example.org',
      'http://clickhouse.example.org',
    ])
  })

  it('is told when there is none, with what is lacking', async () => {
    vi.stubEnv('PATH', '')
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1')
    vi.stubEnv('SLUICE_REDIS_URL', '')
    vi.stubEnv('SLUICE_KAFKA_BROKERS', '')
    expect(await redis()).toEqual({
      missing: `no Redis: 'redis-server' is not on the PATH, and SLUICE_REDIS_URL is not set`,
    })
    expect(await kafka()).toEqual({
      missing: `no Kafka: 'java' is not on the PATH, and SLUICE_KAFKA_BROKERS is not set`,
    })
  })
})

describe.skipIf('missing' in store)(`Redis${reason(store)}`, () => {
  it('has what was written when it was killed and started again', async () => {
    const { endpoint, server, directory } = running(store)
    const before = new Redis(endpoint)
    await before.set('kept', 'yes')
    // Every command is on disk within a second.
    await before.config('SET', 'appendfsync', 'always')
    await before.set('kept too', 'yes')
    before.disconnect()
    const { pid } = server!
    await server!.kill()
    expect(server!.pid).toBeNull()
    expect(isAlive(pid!)).toBe(false)
    expect(readdirSync(join(directory!, 'appendonlydir')).some((file) => file.endsWith('.aof'))).toBe(true)
    await server!.restart()
    const after = new Redis(endpoint)
    expect(await after.mget('kept', 'kept too')).toEqual(['yes', 'yes'])
    after.disconnect()
  })

  it('ends with the process that started it, also when that is killed, and leaves no files', async () => {
    const parent = spawn(process.execPath, [join(import.meta.dirname, 'child', 'redis.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const said = await new Promise<string>((resolve) => parent.stdout.once('data', (data) => resolve(String(data))))
    const { pid, directory } = JSON.parse(said) as { pid: number; directory: string }
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    while (isAlive(pid) || existsSync(directory)) await sleep(50)
  })
})

describe.skipIf('missing' in brokers || 'missing' in store)(`Kafka${reason(brokers)}${reason(store)}`, () => {
  it('of three nodes leads every partition of a topic when that has been made', async () => {
    const prefix = randomUUID().slice(0, 8)
    const bootstrap = running(brokers).endpoint.split(',')
    const backend = await openDistributed({
      brokers: bootstrap,
      redis: running(store).endpoint,
      prefix,
      topicPrefix: `${prefix}.`,
    })
    const cluster = new Cluster({ brokers: bootstrap, clientId: 'test' })
    const partitions = 12
    for (const round of [1, 2, 3, 4, 5]) {
      const name = `payments-${round}`
      await backend.log.createTopics([{ name, partitions }])
      for (let partition = 0; partition < partitions; partition++) {
        // Once: whoever asks again, as everything of ours does, would not notice.
        const topic = `${prefix}.${name}`
        const request = [
          { name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: -1n }] },
        ]
        const leader = await cluster.leaderOf(topic, partition)
        const answer = await cluster.once(leader, (c) => listOffsetsV7.api.async(c, -1, 1, request))
        expect(answer.topics[0].partitions[0].offset).toBe(0n)
      }
    }
    await cluster.close()
    await backend.close()
  })

  it('of three nodes takes commits while one is dead, and has it back on its port', async () => {
    const { endpoint, nodes } = running(brokers)
    const prefix = randomUUID().slice(0, 8)
    const backend = await openDistributed({
      brokers: endpoint.split(','),
      redis: running(store).endpoint,
      prefix,
      topicPrefix: `${prefix}.`,
    })
    const { log } = backend
    const topics = [0, 1, 2].map((partition) => ({ topic: 'payments', partition }))
    await log.createTopics([{ name: 'payments', partitions: topics.length }])
    /** One record into every partition, by as many tries as it takes until there is a leader again. */
    const write = async (value: string, position: number): Promise<void> => {
      for (;;) {
        try {
          const writer = await log.writer('task')
          if (writer.committed?.position === position) return
          const appends = topics.map((at) => ({ ...at, batches: batchOf(value) }))
          return await writer.commit({ appends, position, metadata: '' })
        } catch (error) {
          if (!(error instanceof CodedError) || error.code !== 'SLUICE_BROKER_FAILED') throw error
        }
      }
    }
    await write('all there', 1)
    await nodes[1].kill()
    await write('one dead', 2)
    await nodes[1].restart()
    await nodes[0].kill()
    await write('another dead', 3)
    await nodes[0].restart()
    for (const at of topics) {
      const values: string[] = []
      // A leader that is new shows readers what all have a little after it has it; a read may return a part.
      for (let offset = 0; values.length < 3;) {
        const { bytes, nextOffset } = await log.read(at, offset, 1 << 20, 100)
        values.push(...recordsOf(bytes).map(({ value }) => value))
        offset = nextOffset
      }
      expect(values).toEqual(['all there', 'one dead', 'another dead'])
    }
    await backend.close()
  })
})

describe.skipIf('missing' in schemas)(`the schema registry${reason(schemas)}`, () => {
  it('has its schemas in Kafka when it was killed and started again', async () => {
    const { endpoint, server } = running(schemas)
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
    const body = JSON.stringify({ schema: '"string"' })
    const made = await fetch(`${endpoint}/subjects/words-value/versions`, { method: 'POST', headers, body })
    const { id } = (await made.json()) as { id: number }
    await server!.kill()
    await server!.restart()
    expect(await (await fetch(`${endpoint}/subjects`)).json()).toEqual(['words-value'])
    expect(await (await fetch(`${endpoint}/schemas/ids/${id}`)).json()).toMatchObject({ schema: '"string"' })
  })
})

describe.skipIf('missing' in warehouse)(`ClickHouse${reason(warehouse)}`, () => {
  it('answers at the endpoint with the user and the password in it', async () => {
    const { origin, username, password } = new URL(running(warehouse).endpoint)
    const headers = { authorization: `Basic ${btoa(`${username}:${decodeURIComponent(password)}`)}` }
    expect(await (await fetch(origin, { method: 'POST', headers, body: 'SELECT 6 * 7' })).text()).toBe('42\n')
  })
})
