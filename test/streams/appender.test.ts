/** Appending to Kafka without transactions: several at once, each record once, and nobody is fenced or held up. */
import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { LogAppender } from '../../intake/http/append.ts'
import { openDistributed } from '../../streams/distributed/index.ts'
import { batchOf, recordsOf } from '../conformance/batches.ts'
import { missingOf, running, services } from '../services/index.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)

describe.skipIf(missing !== null)(`an appender on Kafka${missing === null ? '' : ` (${missing})`}`, () => {
  afterAll(() => running(found).stop())

  async function world() {
    const { kafka, redis } = running(found)
    const prefix = randomUUID().slice(0, 8)
    const names = { prefix, topicPrefix: `${prefix}.`, replicationFactor: 1 }
    const backend = await openDistributed({ brokers: [kafka.endpoint], redis: redis.endpoint, ...names })
    await backend.log.createTopics([{ name: 'payments', partitions: 2 }])
    const values = async (): Promise<string[]> => {
      const all: string[] = []
      for (const partition of [0, 1]) {
        const at = { topic: 'payments', partition }
        for (let offset = 0; ;) {
          const { bytes, nextOffset } = await backend.log.read(at, offset, 1 << 20, 0)
          all.push(...recordsOf(bytes).map(({ value }) => value))
          if (nextOffset === offset) break
          offset = nextOffset
        }
      }
      return all
    }
    return { backend, values }
  }

  it('appends beside others, each record once, in the order of each; what is acknowledged can be read', async () => {
    const { backend, values } = await world()
    const seen: boolean[] = []
    const write = async (name: string): Promise<void> => {
      const appender = await backend.log.appender(name)
      for (let n = 0; n < 60; n++) {
        const appends = [0, 1].map((partition) => ({
          topic: 'payments',
          partition,
          batches: Buffer.concat([batchOf(`${name} ${partition} ${n}a`), batchOf(`${name} ${partition} ${n}b`)]),
        }))
        await appender.commit({ appends, position: -1, metadata: '' })
        if (n % 20 === 0) seen.push((await values()).includes(`${name} 1 ${n}b`))
      }
      await appender.close()
    }
    await Promise.all(['one', 'two', 'three'].map(write))
    expect(seen).toEqual(Array.from({ length: 9 }, () => true))
    const all = await values()
    expect(new Set(all).size).toBe(all.length)
    expect(all).toHaveLength(3 * 60 * 2 * 2)
    const ofOne = all.filter((value) => value.startsWith('one 0'))
    const inOrder = Array.from({ length: 60 }, (_, n) => [`one 0 ${n}a`, `one 0 ${n}b`]).flat()
    expect(ofOne).toEqual(inOrder)
    await backend.close()
  })

  it('is refused a topic that is not there, and a new one goes on', async () => {
    const { backend, values } = await world()
    const appender = await backend.log.appender('one')
    const to = (topic: string) => ({
      appends: [{ topic, partition: 0, batches: batchOf('x') }],
      position: -1,
      metadata: '',
    })
    await expect(appender.commit(to('none'))).rejects.toMatchObject({ code: 'SLUICE_TOPIC_UNKNOWN' })
    await expect(appender.commit(to('payments'))).rejects.toMatchObject({ code: 'SLUICE_WRITER_BROKEN' })
    const next = await backend.log.appender('one')
    await next.commit(to('payments'))
    expect(await values()).toEqual(['x'])
    await backend.close()
  })

  it('carries group commits of several doors at once', async () => {
    const { backend, values } = await world()
    const { log } = backend
    const doors = await Promise.all(
      ['a', 'b'].map(() => LogAppender.open({ log, topic: 'payments', openWriter: () => log.appender('http-intake') })),
    )
    const timestamp = Date.now()
    await Promise.all(
      doors.flatMap((door, which) =>
        Array.from({ length: 500 }, (_, n) => {
          const value = new TextEncoder().encode(`${which} ${n}`)
          return door.append([{ partition: n % 2, key: null, value, timestamp }])
        }),
      ),
    )
    const all = await values()
    expect([all.length, new Set(all).size]).toEqual([1000, 1000])
    for (const door of doors) await door.close()
    await backend.close()
  })
})
