/** The services of a run: three brokers, Redis and ClickHouse, real processes of this machine. */
import { kafka, type Kafka } from '../services/kafka.ts'
import { redis, type RedisService } from '../services/redis.ts'
import { clickhouse } from '../services/clickhouse.ts'
import type { Service } from '../services/service.ts'

export interface Services {
  readonly kafka: Kafka
  readonly redis: RedisService
  readonly clickhouse: Service
  stop(): Promise<void>
}

/** Short sessions, so that a kill costs seconds; few partitions of Kafka's own topics, so that a broker comes back soon. */
const properties = {
  'group.min.session.timeout.ms': '2000',
  'offsets.topic.num.partitions': '6',
  'transaction.state.log.num.partitions': '6',
  'replica.lag.time.max.ms': '5000',
  'broker.session.timeout.ms': '6000',
  'controlled.shutdown.enable': 'false',
}

/** Starts them side by side; the reasons when one is missing. */
export async function startServices(): Promise<Services | { readonly missing: string }> {
  const [broker, store, tables] = await Promise.all([
    kafka({ brokers: 3, properties, heap: '320m' }),
    redis({ own: true, settings: ['--save', ''] }),
    clickhouse(),
  ])
  const all = [broker, store, tables]
  const stop = async (): Promise<void> => {
    for (const service of all) if (!('missing' in service)) await service.stop()
  }
  if ('missing' in broker || 'missing' in store || 'missing' in tables) {
    await stop()
    return { missing: all.flatMap((service) => ('missing' in service ? [service.missing] : [])).join('; ') }
  }
  return { kafka: broker, redis: store, clickhouse: tables, stop }
}
