/** What only the distributed backend can get wrong: other people's records on the log, given-up transactions, proof. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Producer, createTopicsV7, deleteRecordsV2, initProducerIdV5 } from '@platformatic/kafka'
import { Redis } from 'ioredis'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { Backend, TopicPartition } from '../../streams/backend.ts'
import { openDistributed, type DistributedBackend } from '../../streams/distributed/index.ts'
import { stateKey, transactionalId } from '../../streams/distributed/names.ts'
import { stamped } from '../../streams/distributed/wire/batches.ts'
import { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { produce } from '../../streams/distributed/wire/requests.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { batchOf, recordsOf } from '../conformance/batches.ts'
import { restoreSnapshot, takeSnapshot, type SnapshotFile } from '../../streams/snapshots.ts'
import type { TestDriver } from '../../streams/testing.ts'
import { Worker } from '../../streams/worker.ts'
import { run } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { input, lineOn, lineTasks, send } from './distributed-child/line.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)
const ends: (() => Promise<void>)[] = []
const groupChild = join(import.meta.dirname, 'distributed-child', 'group-worker.ts')
const child = join(import.meta.dirname, 'distributed-child', 'worker.ts')

/** The line over the in-memory backend: what every other run must give. */
const reference = (async (): Promise<TestDriver> => {
  const driver = lineOn(openMemory())
  await driver.create()
  await send(driver, input(), 0, Infinity)
  await driver.run()
  return driver
})()

interface World {
  readonly backend: DistributedBackend
  readonly prefix: string
  readonly cluster: Cluster
}

/** A backend with names of its own, and the wire under it. */
async function world(): Promise<World> {
  const { kafka, redis } = running(found)
  const prefix = randomUUID().slice(0, 8)
  const brokers = [kafka.endpoint]
  const topicPrefix = `${prefix}.`
  const backend = await openDistributed({ brokers, redis: redis.endpoint, prefix, topicPrefix, replicationFactor: 1 })
  const cluster = new Cluster({ brokers, clientId: 'test' })
  ends.push(async () => {
    await cluster.close()
    await backend.close()
  })
  return { backend, prefix, cluster }
}

/**
 * Begins a transaction under a writer's id, appends one batch per value, and leaves it open: what a crash leaves. Asks
 * again when a broker says "not now", as every producer does.
 */
async function abandon({ cluster, prefix }: World, id: string, at: TopicPartition, values: string[]): Promise<void> {
  const name = transactionalId(prefix, id)
  const producer = await cluster.coordinator('transaction', name, (c) =>
    initProducerIdV5.api.async(c, name, 15_000, -1n, -1),
  )
  const topic = `${prefix}.${at.topic}`
  for (const [sequence, value] of values.entries()) {
    const batch = stamped(batchOf(value), producer.producerId, producer.producerEpoch, sequence)
    const part = { topic, partition: at.partition, batch }
    await cluster.leader(topic, at.partition, async (c) => {
      const [answer] = await produce.async(c, name, 5_000, [part])
      if (answer.error !== null) throw answer.error
    })
  }
}

/** Ends every connection of this process to a broker, as one that crashes does. */
function breakConnections(endpoint: string): void {
  const port = Number(endpoint.split(':')[1])
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles: (this: void) => unknown[] }
  const sockets = handles().filter((handle) => handle instanceof Socket && handle.remotePort === port)
  expect(sockets.length).toBeGreaterThan(0)
  for (const socket of sockets) (socket as Socket).destroy()
}

/** Values from an offset on, by reads of about `maxBytes`. */
async function valuesFrom(backend: Backend, at: TopicPartition, from: number, maxBytes: number): Promise<string[]> {
  const values: string[] = []
  for (let offset = from; ;) {
    const { bytes, nextOffset } = await backend.log.read(at, offset, maxBytes, 0)
    values.push(...recordsOf(bytes).map(({ value }) => value))
    if (nextOffset === offset) return values
    offset = nextOffset
  }
}

/** Every record of a topic, in an order of its own: tasks that share a partition write into it as they come. */
async function recordsIn(driver: TestDriver, topic: string): Promise<string[]> {
  const written = await driver.read(topic)
  const text = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value)
  return written.map(({ type, partition, value }) => JSON.stringify({ type, partition, value }, text)).sort()
}

const one = (at: TopicPartition, value: string, position: number) => ({
  appends: [{ ...at, batches: batchOf(value) }],
  position,
  metadata: '',
})

describe.skipIf(missing !== null)(`the distributed backend${missing === null ? '' : ` (${missing})`}`, () => {
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
  })
  afterAll(() => running(found).stop())

  it('shows nobody the records of a transaction that was given up, however small the reads', async () => {
    const here = await world()
    const { log } = here.backend
    await log.createTopics([{ name: 'payments', partitions: 1 }])
    const at = { topic: 'payments', partition: 0 }
    const values = Array.from({ length: 12 }, (_, index) => `never ${index}`)
    for (const round of [1, 2, 3]) {
      await abandon(here, 'task', at, values)
      // Whoever writes under another id goes on; the id itself is fenced, which gives the open transaction up.
      const other = await log.writer('other')
      await other.commit(one(at, `other ${round}`, round))
      const writer = await log.writer('task')
      await writer.commit(one(at, `task ${round}`, round))
    }
    const seen = [1, 2, 3].flatMap((round) => [`other ${round}`, `task ${round}`])
    for (const maxBytes of [1, 200, 1 << 20]) expect(await valuesFrom(here.backend, at, 0, maxBytes)).toEqual(seen)
  })

  it('stops readers before an open transaction, and moves on without bytes over one that was given up', async () => {
    const here = await world()
    const { log } = here.backend
    await log.createTopics([{ name: 'payments', partitions: 1 }])
    const at = { topic: 'payments', partition: 0 }
    await abandon(here, 'task', at, ['a', 'b', 'c'])
    expect(await log.bounds(at)).toEqual({ start: 0, end: 0 })
    expect(await log.read(at, 0, 1 << 20, 0)).toMatchObject({ nextOffset: 0, endOffset: 0 })
    await log.writer('task')
    const { end } = await log.bounds(at)
    expect(end).toBeGreaterThanOrEqual(4)
    const nothing = { bytes: new Uint8Array(0), nextOffset: end, endOffset: end }
    expect(await log.read(at, 0, 1 << 20, 0)).toEqual(nothing)
    expect(await log.read(at, 0, 1, 0)).toEqual(nothing)
  })

  it('refuses a topic that is there with settings that lose records', async () => {
    const { backend, prefix, cluster } = await world()
    const configs = [{ name: 'cleanup.policy', value: 'compact' }]
    const topic = { name: `${prefix}.payments`, numPartitions: 1, replicationFactor: 1, assignments: [], configs }
    await cluster.any('create', (c) => createTopicsV7.api.async(c, [topic], 5_000, false))
    await expect(backend.log.createTopics([{ name: 'payments', partitions: 1 }])).rejects.toMatchObject({
      code: 'SLUICE_TOPIC_UNFIT',
      message: expect.stringContaining('cleanup.policy is compact, must be delete'),
    })
  })

  it('proves a position by the commit behind it, or by a fence', async () => {
    const { log } = (await world()).backend
    const writer = await log.writer('task')
    await writer.commit({ appends: [], position: 5, metadata: '' })
    expect(writer.proven).toBe(0)
    await writer.commit({ appends: [], position: 6, metadata: '' })
    expect(writer.proven).toBe(5)
    expect((await log.writer('task')).proven).toBe(6)
  })

  it('takes no commit for proven over a connection that broke behind it: the next fence says what became of it', async () => {
    const { log } = (await world()).backend
    const writer = await log.writer('task')
    await writer.commit({ appends: [], position: 5, metadata: '' })
    breakConnections(running(found).kafka.endpoint)
    const next = writer.commit({ appends: [], position: 6, metadata: '' })
    await expect(next).rejects.toMatchObject({ code: 'SLUICE_BROKER_FAILED' })
    expect(writer.proven).toBe(0)
    expect(await log.writer('task')).toMatchObject({ proven: 5, committed: { position: 5 } })
  })

  it('takes records of other producers, compressed or not', async () => {
    const { backend, prefix } = await world()
    await backend.log.createTopics([{ name: 'payments', partitions: 1 }])
    const expected: string[] = []
    for (const compression of ['none', 'gzip', 'zstd'] as const) {
      const clientId = 'foreign'
      const producer = new Producer({ clientId, bootstrapBrokers: [running(found).kafka.endpoint], compression })
      const values = Array.from({ length: 200 }, (_, index) => `${compression} ${index}`)
      const messages = values.map((value) => ({ topic: `${prefix}.payments`, partition: 0, value: Buffer.from(value) }))
      await producer.send({ messages, acks: -1 })
      await producer.close()
      expected.push(...values)
    }
    expect(await valuesFrom(backend, { topic: 'payments', partition: 0 }, 0, 1 << 20)).toEqual(expected)
  })

  it('gives the digests that the in-memory backend gives, also after Redis has lost everything', async () => {
    const log = input()
    const { backend } = await world()
    const driver = lineOn(backend)
    await driver.create()
    await send(driver, log, 0, 1500)
    await driver.run()
    for (const { name } of driver.tasks) await backend.state.drop(name)
    await send(driver, log, 1500, Infinity)
    await driver.run()
    expect(driver.tasks.every(({ reprocessed }) => reprocessed > 0)).toBe(true)
    expect(driver.digests()).toEqual((await reference).digests())
    for (const { name, committed } of driver.tasks) {
      expect((await backend.state.peek(name, 'none')).header).toMatchObject({ position: committed })
    }
    for (const topic of ['settlements', 'instructions']) {
      expect(await recordsIn(driver, topic)).toEqual(await recordsIn(await reference, topic))
    }
  })

  it('restores from snapshots what Redis has lost and the log no longer reaches back to, with the same digests', async () => {
    const here = await world()
    const { backend } = here
    const driver = lineOn(backend)
    await driver.create()
    await send(driver, input(), 0, 1500)
    await driver.run()
    const directory = mkdtempSync(join(tmpdir(), 'sluice-snapshots-'))
    ends.push(async () => rmSync(directory, { recursive: true }))
    const taken = new Map<string, SnapshotFile>()
    for (const task of driver.tasks) taken.set(task.name, await takeSnapshot(directory, '1', task))
    await send(driver, input(), 1500, Infinity)
    await driver.run()

    const redis = new Redis(running(found).redis.endpoint)
    for (const key of await redis.keys(`{${here.prefix}/*`)) await redis.del(key)
    redis.disconnect()
    for (const { at, name } of driver.tasks.map(({ options, name }) => ({ at: options.at, name }))) {
      const until = taken.get(name)!.header.position
      const topics = [
        { name: `${here.prefix}.${at.topic}`, partitions: [{ partitionIndex: at.partition, offset: BigInt(until) }] },
      ]
      await here.cluster.leader(topics[0].name, at.partition, (c) => deleteRecordsV2.api.async(c, topics, 5_000))
    }
    await expect(driver.run()).rejects.toMatchObject({ code: 'SLUICE_RETENTION_PASSED' })
    for (const task of lineTasks(backend).tasks) {
      await restoreSnapshot(backend, taken.get(task.name)!.path, '1', task)
    }
    await driver.run()
    expect(driver.digests()).toEqual((await reference).digests())
    expect(driver.tasks.every(({ reprocessed }) => reprocessed > 0)).toBe(true)
  })

  it('shares tasks with a worker of another process, and takes them over when that is killed', async () => {
    const { backend, prefix } = await world()
    const driver = lineOn(backend)
    await driver.create()
    await send(driver, input(), 0, Infinity)
    const { kafka, redis } = running(found)
    const other = spawn(process.execPath, [groupChild, kafka.endpoint, redis.endpoint, prefix], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let held = ''
    other.stdout.on('data', (chunk: Buffer) => (held += chunk.toString()))
    const until = async (check: () => boolean | Promise<boolean>): Promise<void> => {
      while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await until(() => held.includes('payments-0 running'))
    const worker = new Worker({ ...lineTasks(backend), batchRows: 100 })
    ends.push(() => worker.stop())
    await worker.start()
    await until(() => worker.running.size > 0)
    expect(worker.running.size).toBeLessThan(3)
    other.kill('SIGKILL')
    await until(() => worker.running.size === 3)
    for (const { name, at } of lineTasks(backend).tasks) {
      await until(async () => {
        const { end } = await backend.log.bounds(at)
        const task = worker.running.get(name)
        // Written behind, so committed: the markers behind the last record are not.
        return worker.status(name)?.phase === 'running' && task!.position >= end && task!.overlay.entries === 0
      })
    }
    const digests = [...worker.running.values()].flatMap((task) =>
      task.processor.graph.outputs.map((output): [string, string] => [
        `${task.name} ${output.destination.topic}`,
        output.digest.toString(),
      ]),
    )
    expect(new Map(digests)).toEqual((await reference).digests())
    for (const topic of ['decisions', 'settlements']) {
      expect(await recordsIn(driver, topic)).toEqual(await recordsIn(await reference, topic))
    }
    expect(worker.halted).toBeNull()
  })

  it('halts at takeover when entries of a state are gone', async () => {
    const { backend, prefix } = await world()
    const one = { kind: 'k', key: Buffer.from('a'), value: Buffer.from('1') }
    const two = { ...one, key: Buffer.from('b') }
    const task = await backend.state.acquire('task')
    await task.apply({ from: 0, to: 1, metadata: '', puts: [one, two], removes: [], dropKinds: [] })
    await task.apply({ from: 1, to: 2, metadata: '', puts: [one], removes: [two], dropKinds: [] })
    expect((await backend.state.acquire('task')).header).toMatchObject({ position: 2 })
    const redis = new Redis(running(found).redis.endpoint)
    await redis.hdel(`${stateKey(prefix, 'task')}:kind:k`, 'a')
    redis.disconnect()
    await expect(backend.state.acquire('task')).rejects.toMatchObject({
      code: 'SLUICE_STATE_DAMAGED',
      message: expect.stringContaining('entries of k: 0 of 1'),
    })
    await backend.state.drop('task')
    expect((await backend.state.acquire('task')).header).toBeNull()
  })

  it('gives the same digests when workers are killed at every point of a commit and a delta', async () => {
    const { backend, prefix } = await world()
    const driver = lineOn(backend)
    await driver.create()
    await send(driver, input(), 0, Infinity)
    const { kafka, redis } = running(found)
    const worker = (point: string, count: number) =>
      run(process.execPath, [child, kafka.endpoint, redis.endpoint, prefix, point, String(count)])
    let killed = 0
    for (const point of ['commit', 'committed', 'delta', 'applied']) {
      for (const count of [1, 2]) if ((await worker(point, count)).signal === 'SIGKILL') killed++
    }
    // A task that has nothing left to do comes to none of them; the first rounds all do.
    expect(killed).toBeGreaterThanOrEqual(6)
    const last = await worker('none', 0)
    expect(last).toMatchObject({ code: 0 })
    expect(new Map(JSON.parse(last.said) as [string, string][])).toEqual((await reference).digests())
    // The digests are the tasks' own; what readers see holds every record once.
    for (const topic of ['transaction-outcomes', 'decisions', 'cycle-partials', 'settlements', 'instructions']) {
      const seen = await recordsIn(driver, topic)
      expect(seen.length).toBeGreaterThan(0)
      expect(seen).toEqual(await recordsIn(await reference, topic))
    }
  })
})
