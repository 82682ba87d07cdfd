/** The services of a run: three brokers, Redis with a spare, and ClickHouse, real processes of this machine. */
import { kafka, type Kafka } from '../services/kafka.ts'
import { redis } from '../services/redis.ts'
import { clickhouse, type ClickHouseService } from '../services/clickhouse.ts'
import { RedisUnderFire } from './stores.ts'

export interface Services {
  readonly kafka: Kafka
  readonly redis: RedisUnderFire
  readonly clickhouse: ClickHouseService
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
  const settings = ['--save', '', '--repl-diskless-sync-delay', '0']
  const [broker, store, spare, tables] = await Promise.all([
    kafka({ brokers: 3, properties, heap: '320m' }),
    redis({ own: true, settings }),
    redis({ own: true, settings }),
    clickhouse({ own: true }),
  ])
  const all = [broker, store, spare, tables]
  if ('missing' in broker || 'missing' in store || 'missing' in spare || 'missing' in tables) {
    for (const service of all) if (!('missing' in service)) await service.stop()
    return { missing: all.flatMap((service) => ('missing' in service ? [service.missing] : [])).join('; ') }
  }
  const underFire = new RedisUnderFire(store, spare)
  await underFire.open()
  const end = async (): Promise<void> => {
    await Promise.all([broker.stop(), underFire.stop(), tables.stop()])
  }
  return { kafka: broker, redis: underFire, clickhouse: tables, stop: end }
}
