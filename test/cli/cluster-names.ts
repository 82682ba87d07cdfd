/** A configuration for a line of its own on the services of a test file, and the wire to spoil them. */
import { randomUUID } from 'node:crypto'
import { ConfigResourceTypes, incrementalAlterConfigsV1 } from '@platformatic/kafka'
import { loadConfiguration } from '../../cli/configuration/load.ts'
import type { Configuration } from '../../cli/configuration/schema.ts'
import type { ClickHouseServer } from '../../sink/server.ts'
import { Cluster } from '../../streams/distributed/wire/cluster.ts'

export interface Endpoints {
  readonly kafka: { readonly endpoint: string }
  readonly redis: { readonly endpoint: string }
}

/** Environment of the commands: names of its own, one replica. */
export function environmentOf(
  { kafka, redis }: Endpoints,
  prefix = `t${randomUUID().slice(0, 7)}`,
): Record<string, string> {
  return {
    SLUICE_KAFKA_BROKERS: kafka.endpoint,
    SLUICE_REDIS_URL: redis.endpoint,
    SLUICE_KAFKA_PREFIX: prefix,
    SLUICE_KAFKA_TOPIC_PREFIX: `${prefix}.`,
    SLUICE_KAFKA_REPLICATION_FACTOR: '1',
    SLUICE_KAFKA_SESSION_TIMEOUT_MS: '6000',
    // With one, everything would have to be registered first: tests of it say so themselves.
    SLUICE_REGISTRY_URL: '',
  }
}

/** The same with a ClickHouse of the test file, in a database of the line's own. */
export function environmentWith(clickHouse: ClickHouseServer, endpoints: Endpoints): Record<string, string> {
  const { user, password } = clickHouse.admin
  const names = environmentOf(endpoints)
  return {
    ...names,
    SLUICE_CLICKHOUSE_URL: clickHouse.endpoint().url,
    SLUICE_CLICKHOUSE_USER: user,
    SLUICE_CLICKHOUSE_PASSWORD: password,
    SLUICE_CLICKHOUSE_DATABASE: names.SLUICE_KAFKA_PREFIX,
  }
}

export const configurationOn = (
  endpoints: Endpoints,
  prefix?: string,
  more: Record<string, string> = {},
): Configuration => loadConfiguration({ env: { ...environmentOf(endpoints, prefix), ...more } })

/** Sets one setting of a topic, as an operator would. */
export async function alter(endpoints: Endpoints, topic: string, name: string, value: string): Promise<void> {
  const cluster = new Cluster({ brokers: [endpoints.kafka.endpoint], clientId: 'test' })
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
  try {
    await cluster.any('alter', (c) => {
      return incrementalAlterConfigsV1.api.async(
        c,
        [{ ...resource, configs: [{ name, configOperation: 0, value }] }],
        false,
      )
    })
  } finally {
    await cluster.close()
  }
}
