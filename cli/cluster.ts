/** A line on Kafka and Redis: connected as configured, and opened only when everything fits to how it was made. */

import { readFileSync } from 'node:fs'
import { firstRules } from '../processors/rules.ts'
import { defaultSettings, type Settings } from '../schemas/settings.ts'
import { topics } from '../schemas/topics.ts'
import { openDistributed, type DistributedBackend, type DistributedOptions } from '../streams/distributed/index.ts'
import {
  checkLine,
  checkTopics,
  initLine,
  readLine,
  type LineManifest,
  type LineOptions,
} from '../streams/distributed/manifest.ts'
import { brokerError } from '../streams/distributed/wire/errors.ts'
import { CodedError } from '../streams/index.ts'
import { createTasks } from '../streams/takeover.ts'
import { schemaIds } from '../streams/schema-ids.ts'
import type { Configuration } from './configuration/schema.ts'
import { createTopics, hashKeyOf, lineTasks, logicVersion, markOf, settingsIn, type Line } from './engine.ts'
import { say, UsageError } from './output.ts'
import { registeredIds, registryOf, writersOf } from './subjects.ts'

export interface ClusterLine extends Line {
  readonly backend: DistributedBackend
  readonly manifest: LineManifest
  /** What an operator should know about the services, in sentences. */
  readonly warnings: readonly string[]
}

type Tls = Configuration['kafka']['tls']

const tlsOf = ({ enabled, ca, cert, key }: Tls): { ca?: Buffer; cert?: Buffer; key?: Buffer } | undefined => {
  if (!enabled) return undefined
  const file = (path: string): Buffer | undefined => (path === '' ? undefined : readFileSync(path))
  return { ca: file(ca), cert: file(cert), key: file(key) }
}

const present = (text: string): string | undefined => (text === '' ? undefined : text)

/** The way to Kafka and Redis. Errors: UsageError without brokers. */
export function distributedOptions({ kafka, redis }: Configuration): DistributedOptions {
  if (kafka.brokers.length === 0) {
    throw new UsageError(
      'This command works on Kafka: give kafka.brokers (SLUICE_KAFKA_BROKERS) and redis.url (SLUICE_REDIS_URL), see docs/configuration.md.',
    )
  }
  const { mechanism, username, password } = kafka.sasl
  return {
    brokers: kafka.brokers,
    redis: redis.url,
    prefix: kafka.prefix,
    topicPrefix: kafka.topicPrefix,
    replicationFactor: kafka.replicationFactor,
    transactionTimeoutMs: kafka.transactionTimeoutMs,
    topicSettings: (topic) => (topic === topics.transactions.name ? inputSettings : {}),
    tls: tlsOf(kafka.tls),
    sasl: mechanism === '' ? undefined : { mechanism, username, password },
    redisOptions: { username: present(redis.username), password: present(redis.password), tls: tlsOf(redis.tls) },
    group: { sessionTimeoutMs: kafka.sessionTimeoutMs, onError: sayRefusals() },
  }
}

/** A membership that broke is made anew twice a second. What passes is not said; a refusal is, once. */
function sayRefusals(): (error: Error) => void {
  let last = ''
  return (error) => {
    const { code, message } = brokerError(error, 'the group of the workers')
    if (code === 'SLUICE_BROKER_DENIED' && message !== last) say(`sluice: ${message}`)
    last = message
  }
}

/**
 * Acceptance time is the broker's: whoever writes a payment does not say when it was accepted. Batches are kept plain,
 * however a producer compresses them: a codec that is not read here, or a bomb, would end its partition for good.
 */
const inputSettings = { 'message.timestamp.type': 'LogAppendTime', 'compression.type': 'uncompressed' }

const lineOptions = (settings: Partial<Settings>, schemaIds?: LineOptions['schemaIds']): LineOptions => ({
  logicVersion,
  ruleVersion: firstRules.version,
  settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
  defaults: defaultSettings,
  schemaIds,
})

const topicNames = Object.values(topics).map(({ name }) => name)

const lineOf = (
  backend: DistributedBackend,
  manifest: LineManifest,
  warnings: readonly string[],
  configuration: Configuration,
): ClusterLine => ({
  backend,
  manifest,
  warnings,
  settings: settingsIn(manifest),
  hashKey: hashKeyOf(manifest),
  schemas: manifest.schemaIds === null ? undefined : schemaIds(manifest.schemaIds),
  writers: manifest.schemaIds === null ? undefined : writersOf(configuration),
})

/**
 * Makes the line, or finds it made the same way. Nothing of one that is ready is touched.
 * Errors: SLUICE_SETTING_DIFFERS and its like when it was made otherwise, those of openDistributed, SLUICE_TOPIC_UNFIT.
 */
export async function initCluster(
  configuration: Configuration,
  settings: Partial<Settings>,
): Promise<{ line: ClusterLine; made: boolean }> {
  const registry = registryOf(configuration)
  // Before a topic is made: what is not registered is said first.
  const ids = registry === null ? undefined : await registeredIds(registry, configuration.kafka.topicPrefix)
  const backend = await openDistributed(distributedOptions(configuration))
  try {
    const { manifest, made } = await initLine({
      prefix: configuration.kafka.prefix,
      options: lineOptions(settings, ids),
      clock: backend.clock,
      own: backend.own,
      topics: async (plain) => {
        await createTopics({ backend, settings: settingsIn(plain), hashKey: hashKeyOf(plain) })
        await backend.fit(topicNames, topics.transactions.name)
        const ids = topicNames.map(async (name): Promise<[string, string]> => [name, await backend.log.topicId(name)])
        return Object.fromEntries(await Promise.all(ids))
      },
      rest: (manifest) => {
        const { settings, hashKey, schemas } = lineOf(backend, manifest, [], configuration)
        const same = { partitions: settings.partitions, hashKey, markOf, schemas }
        return createTasks(
          backend,
          lineTasks(settings).map((spec) => ({ ...spec, ...same })),
        )
      },
    })
    return { line: await checked(backend, manifest, configuration), made }
  } catch (error) {
    await backend.close()
    throw error
  }
}

/** Opens a line that was made. Errors: SLUICE_LINE_MISSING, SLUICE_TOPIC_REPLACED, SLUICE_TOPIC_UNFIT, those of checkLine. */
export async function openCluster(configuration: Configuration): Promise<ClusterLine> {
  const { prefix } = configuration.kafka
  const backend = await openDistributed(distributedOptions(configuration))
  try {
    const { manifest, ready } = await readLine(backend.own, prefix)
    if (manifest === null || !ready) {
      throw new CodedError('SLUICE_LINE_MISSING', `line ${prefix} on ${configuration.kafka.brokers.join(', ')}`)
    }
    checkLine(prefix, manifest, lineOptions({}))
    return await checked(backend, manifest, configuration)
  } catch (error) {
    await backend.close()
    throw error
  }
}

async function checked(
  backend: DistributedBackend,
  manifest: LineManifest,
  configuration: Configuration,
): Promise<ClusterLine> {
  const { prefix } = configuration.kafka
  const lacks = topicNames.filter((name) => !(name in manifest.topicIds))
  if (lacks.length > 0) {
    throw new CodedError('SLUICE_FORMAT_VERSION', `line ${prefix} was made without the topics ${lacks.join(', ')}`)
  }
  await checkTopics(backend.log, prefix, manifest)
  const warnings = await backend.fit(topicNames, topics.transactions.name)
  return lineOf(backend, manifest, [...backend.warnings, ...warnings], configuration)
}
