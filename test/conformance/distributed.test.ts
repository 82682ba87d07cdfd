/** The distributed backend, on a real Kafka broker and a real Redis server, against the suite of every backend. */
import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { openDistributed, type DistributedOptions } from '../../streams/distributed/index.ts'
import { services, missingOf, running } from '../services/index.ts'
import { redis } from '../services/redis.ts'
import { conformance, type Subject } from './suite.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)

/** Names of its own on services that others may use too. */
function options(): DistributedOptions {
  const run = randomUUID().slice(0, 8)
  const at = running(found)
  return {
    brokers: [at.kafka.endpoint],
    redis: at.redis.endpoint,
    prefix: run,
    topicPrefix: `${run}.`,
    replicationFactor: 1,
    group: { sessionTimeoutMs: 6_000, heartbeatMs: 200 },
  }
}

async function subject(): Promise<Subject> {
  const fixed = options()
  let backend = await openDistributed(fixed)
  return {
    backend,
    reopen: async () => {
      await backend.close()
      return (backend = await openDistributed(fixed))
    },
    close: () => backend.close(),
  }
}

describe.skipIf(missing !== null)(`on Kafka and Redis${missing === null ? '' : ` (${missing})`}`, () => {
  afterAll(() => running(found).stop())

  conformance('the distributed backend', subject, {
    gaps: true,
    skips: { trim: 'Kafka forgets records by its own retention, not by a call of ours' },
  })

  it('refuses a Redis server that may throw state away', async () => {
    const evicting = await redis({ settings: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] })
    const server = running(evicting)
    const refused = openDistributed({ ...options(), redis: server.endpoint })
    await expect(refused).rejects.toMatchObject({ code: 'SLUICE_STORE_EVICTS' })
    await server.stop()
  })
})
