/** What every service of the tests is, and the order in which one is looked for. */
import type { Server } from './server.ts'

/** Where a service listens, and how it ends. One that was given by the environment just goes on. */
export interface Service {
  readonly endpoint: string
  /** How it came to be. */
  readonly how: 'environment' | 'container' | 'process'
  /** Processes that were started here, to be killed and started again; none when it is anybody else's. */
  readonly servers: readonly Server[]
  /** Ends it, and removes what it kept. */
  stop(): Promise<void>
}

/** The reason why there is no service: `no Kafka: ...`. Names of skipped tests carry it. */
export interface Missing {
  readonly missing: string
}

export type Found = Service | Missing

/** The environment variable of each service, and how people call it. */
export const names = {
  kafka: ['Kafka', 'SLUICE_KAFKA_BROKERS'],
  redis: ['Redis', 'SLUICE_REDIS_URL'],
  registry: ['schema registry', 'SLUICE_REGISTRY_URL'],
  clickhouse: ['ClickHouse', 'SLUICE_CLICKHOUSE_URL'],
} as const

export interface Ways {
  /** True: a process of ours whatever else there is, for tests that kill it or set it up in their own way. */
  readonly own?: boolean
  readonly container: () => Promise<Service>
  /** Throws when it is there but does not come up. */
  readonly process: () => Promise<Service | Missing>
}

/** Looks for a service: environment, container, process. What failed on the way is part of the reason. */
export async function find(which: keyof typeof names, ways: Ways): Promise<Found> {
  const [name, variable] = names[which]
  const given = process.env[variable]
  if (!ways.own && given !== undefined && given !== '') {
    return { endpoint: given, how: 'environment', servers: [], stop: async () => undefined }
  }
  const reasons: string[] = []
  const attempts = ways.own ? [ways.process] : [ways.container, ways.process]
  for (const attempt of attempts) {
    try {
      const found = await attempt()
      if (!('missing' in found)) return found
      reasons.push(found.missing)
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error))
    }
  }
  const unset = ways.own ? '' : `, and ${variable} is not set`
  return { missing: `no ${name}: ${reasons.filter((reason) => reason !== '').join('; ')}${unset}` }
}

/** A service of processes of ours, which end together and leave nothing. */
export function serviceOf(
  endpoint: string,
  servers: readonly Server[],
  removed: () => void = () => undefined,
): Service {
  return {
    endpoint,
    how: 'process',
    servers,
    stop: async () => {
      await Promise.all(servers.map((server) => server.remove()))
      removed()
    },
  }
}
