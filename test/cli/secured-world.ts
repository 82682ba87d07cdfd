/**
 * Services as a firm runs them, for one line: TLS, passwords, and users with the rights of docs/deployment.md. And what the
 * line's processes say, all of it, so that a test can look for what must never be said.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { sluice, type Ended } from '../lib/sluice.ts'
import { basicAuth } from '../services/basic-auth.ts'
import { certificates } from '../services/certificates.ts'
import { clickhouseWithUsers } from '../services/clickhouse-users.ts'
import { missingOf, running } from '../services/index.ts'
import { securedKafka } from '../services/kafka-secured.ts'
import { redis } from '../services/redis.ts'
import { registry } from '../services/registry.ts'
import { going, type Going } from './cluster-process.ts'
import { clickhouseGrants, foreignAcls, kafkaAcls, redisUser } from './documented-rights.ts'

/** None of them may stand in any output. */
export const secrets = {
  kafkaAdmin: 'Kafka-Admin-5d1c',
  kafka: 'Kafka-Sluice-77ab',
  kafkaBlind: 'Kafka-Blind-20ff',
  kafkaPoor: 'Kafka-Poor-9e03',
  kafkaForeign: 'Kafka-Shop-41d2',
  redis: 'Redis-Sluice-8b1a',
  registry: 'Registry-Sluice-3f6e',
  clickhouse: 'Clickhouse-Sluice-a94b',
  analyst: 'Clickhouse-Analyst-66e0',
  wrong: 'Wrong-Password-1b2d',
} as const

/** Sessions of users who log in by PLAIN are so long: the sink's connections are replaced while it runs. */
export const SESSION_MS = 4_000

type Environment = Record<string, string>

/** Starts everything, or says what is missing. */
export async function securedWorld() {
  const found = await certificates()
  if ('missing' in found) return found
  const users = {
    admin: secrets.kafkaAdmin,
    sluice: secrets.kafka,
    blind: secrets.kafkaBlind,
    poor: secrets.kafkaPoor,
    shop: secrets.kafkaForeign,
  }
  const properties = { 'listener.name.sasl_ssl.plain.connections.max.reauth.ms': String(SESSION_MS) }
  const settings = [
    '--user',
    'default',
    'off',
    ...redisUser('sluice', secrets.redis),
    ...redisUser('speechless', secrets.redis, '+hincrby'),
    ...redisUser('stranger', secrets.redis, '~{sluice/*'),
  ]
  const writer = { name: 'sluice', password: secrets.clickhouse, grants: clickhouseGrants('sluice') }
  const analyst = { name: 'analyst', password: secrets.analyst, grants: clickhouseGrants('analyst') }
  const all = await Promise.all([
    securedKafka({ certificates: found, users, properties }),
    redis({ tls: found, settings }),
    registry({ own: true }),
    clickhouseWithUsers('sluice', [writer, analyst]),
  ])
  const stop = async (): Promise<void> => {
    for (const each of all) if (!('missing' in each)) await each.stop()
    found.remove()
  }
  const reasons = all.flatMap((each) => missingOf(each) ?? [])
  if (reasons.length > 0) {
    await stop()
    return { missing: reasons.join('; ') }
  }
  const [kafka, store, schemas, warehouse] = [running(all[0]), running(all[1]), running(all[2]), running(all[3])]
  const guard = await basicAuth(schemas.endpoint, 'schemas', secrets.registry)
  const admin = await kafka.admin()
  const acl = [...kafkaAcls('sluice'), ...kafkaAcls('blind', 'DescribeConfigs'), ...foreignAcls('shop')]
  await admin.createAcls({ acl: [...acl, ...kafkaAcls('poor', 'transactional-id')] })
  const environment: Environment = {
    SLUICE_KAFKA_BROKERS: kafka.saslSsl,
    SLUICE_KAFKA_TOPIC_PREFIX: 'sluice.',
    SLUICE_KAFKA_REPLICATION_FACTOR: '1',
    SLUICE_KAFKA_SESSION_TIMEOUT_MS: '6000',
    SLUICE_KAFKA_TLS_ENABLED: 'true',
    SLUICE_KAFKA_TLS_CA: found.ca,
    SLUICE_KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    SLUICE_KAFKA_SASL_USERNAME: 'sluice',
    SLUICE_KAFKA_SASL_PASSWORD: secrets.kafka,
    SLUICE_REDIS_URL: store.endpoint,
    SLUICE_REDIS_USERNAME: 'sluice',
    SLUICE_REDIS_PASSWORD: secrets.redis,
    SLUICE_REDIS_TLS_ENABLED: 'true',
    SLUICE_REDIS_TLS_CA: found.ca,
    SLUICE_REGISTRY_URL: guard.endpoint,
    SLUICE_REGISTRY_USERNAME: 'schemas',
    SLUICE_REGISTRY_PASSWORD: secrets.registry,
    SLUICE_CLICKHOUSE_URL: warehouse.url,
    SLUICE_CLICKHOUSE_USER: 'sluice',
    SLUICE_CLICKHOUSE_PASSWORD: secrets.clickhouse,
    SLUICE_CLICKHOUSE_DATABASE: 'sluice',
    SLUICE_CLICKHOUSE_ANALYST_USER: 'analyst',
    SLUICE_CLICKHOUSE_ANALYST_PASSWORD: secrets.analyst,
    SLUICE_OBSERVE_LOG_LEVEL: 'debug',
  }
  const processes: Going[] = []
  let heard = ''
  return {
    certificates: found,
    kafka,
    redis: store,
    guard,
    environment,
    /** Runs a command to its end. */
    run: async (args: readonly string[], more: Environment = {}): Promise<Ended> => {
      const ended = await sluice(args, undefined, { ...environment, ...more })
      heard += ended.stdout + ended.stderr
      return ended
    },
    /** Starts a command that goes on. */
    start: (args: readonly string[], more: Environment = {}): Going => {
      const one = going(args, { ...environment, ...more })
      processes.push(one)
      return one
    },
    /** Everything that any process has said. */
    heard: (): string => heard + processes.map((one) => one.said()).join(''),
    async close(): Promise<void> {
      await Promise.all(processes.map((one) => one.stop()))
      await admin.disconnect()
      await guard.stop()
      await stop()
    },
  }
}

export type SecuredWorld = Exclude<Awaited<ReturnType<typeof securedWorld>>, { missing: string }>

/** The same configuration as a file and files of secrets, as Docker and Kubernetes have them: an environment of two kinds. */
export function asFile({ environment }: SecuredWorld, directory: string): Environment {
  const file = join(directory, 'sluice.yaml')
  const ca = environment.SLUICE_KAFKA_TLS_CA
  const tls = { enabled: true, ca }
  writeFileSync(
    file,
    stringify({
      kafka: {
        brokers: environment.SLUICE_KAFKA_BROKERS,
        topicPrefix: 'sluice.',
        replicationFactor: 1,
        sessionTimeoutMs: 6000,
        tls,
        sasl: { mechanism: 'SCRAM-SHA-512', username: 'sluice' },
      },
      redis: { url: environment.SLUICE_REDIS_URL, username: 'sluice', tls },
      registry: { url: environment.SLUICE_REGISTRY_URL, username: 'schemas' },
      observe: { logFormat: 'json', logLevel: 'debug' },
    }),
  )
  const secretFile = (name: string, secret: string): string => {
    const path = join(directory, name)
    writeFileSync(path, `${secret}\n`, { mode: 0o600 })
    return path
  }
  const none = Object.fromEntries(Object.keys(environment).map((name) => [name, '']))
  return {
    ...none,
    SLUICE_CONFIG: file,
    SLUICE_KAFKA_SASL_PASSWORD_FILE: secretFile('kafka', secrets.kafka),
    SLUICE_REDIS_PASSWORD_FILE: secretFile('redis', secrets.redis),
    SLUICE_REGISTRY_PASSWORD_FILE: secretFile('registry', secrets.registry),
  }
}
