/**
 * Whether brokers, topics and Redis keep what they acknowledge. What would lose data without a word is refused, with the
 * setting that has to change; what only costs safety or time is a warning.
 */
import { apiVersionsV4, ConfigResourceTypes, describeConfigsV4, metadataV12 } from '@platformatic/kafka'
import type { Redis } from 'ioredis'
import { CodedError } from '../errors.ts'
import { stateKey } from './names.ts'
import { storeError } from './redis.ts'
import { script } from './script.ts'
import type { Cluster } from './wire/cluster.ts'
import { CutOff, denialOf, wordsOf } from './wire/denial.ts'
import { brokerError, isLost, reasonOf } from './wire/errors.ts'

const CLIENT = 'sluice'

/** Newest transaction protocol: request, its key, the version from which on an epoch belongs to one transaction. */
const needed = [
  ['Produce', 0, 12],
  ['EndTxn', 26, 5],
  ['TxnOffsetCommit', 28, 5],
] as const
/** metadata.version of Kafka 4.3, which loses acknowledged transactions when a broker crashes (KAFKA-20734). */
const LOSES_MARKERS = 30

/** Versions of the brokers. Errors: SLUICE_BROKER_UNFIT, SLUICE_BROKER_FAILED. */
export async function fitBroker(cluster: Cluster): Promise<string[]> {
  let answer
  try {
    answer = await cluster.any('brokers', async (c) => {
      const versions = await apiVersionsV4.api.async(c, CLIENT, '1')
      // That much a broker tells anybody.
      await metadataV12.api.async(c, [], false).catch((error: unknown) => {
        throw isLost(error) ? new CutOff(error) : error
      })
      return versions
    })
  } catch (error) {
    throw brokerError(error, `brokers ${cluster.options.brokers.join(', ')}`)
  }
  const old = needed.filter(([, key, version]) => {
    return !answer.apiKeys.some(({ apiKey, maxVersion }) => apiKey === key && maxVersion >= version)
  })
  const levels = new Map((answer.finalizedFeatures ?? []).map(({ name, maxVersionLevel }) => [name, maxVersionLevel]))
  if (old.length > 0 || (levels.get('transaction.version') ?? 0) < 2) {
    const lacks = old.map(([name, , version]) => `${name} v${version}`)
    const detail = `transaction.version is ${levels.get('transaction.version') ?? 'absent'}, 2 is needed`
    throw new CodedError('SLUICE_BROKER_UNFIT', [...lacks.map((each) => `no ${each}`), detail].join('; '))
  }
  if ((levels.get('metadata.version') ?? 0) < LOSES_MARKERS) return []
  return ['The brokers are of version 4.3: 4.3.0 and 4.3.1 lose acknowledged transactions in a crash (KAFKA-20734).']
}

const probe = script('probe')

/**
 * Connects to Redis, and tries what the scripts do there with keys of this prefix.
 * Errors: SLUICE_STORE_UNREACHABLE, SLUICE_STORE_DENIED, SLUICE_STORE_EVICTS.
 */
export async function fitRedis(redis: Redis, prefix: string): Promise<string[]> {
  const { host, port } = redis.options
  let memory: string
  let persistence: string
  try {
    await redis.connect()
    // The client goes on in database 0 when it may not have another one.
    if (redis.options.db !== 0) await redis.select(redis.options.db ?? 0)
    memory = await redis.info('memory')
    persistence = await redis.info('persistence')
  } catch (error) {
    throw storeError(redis, error, `Redis at ${host}:${port}`)
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'unknown'
  if (policy !== 'noeviction') throw new CodedError('SLUICE_STORE_EVICTS', `Redis at ${host}:${port} has ${policy}`)
  await assertRights(redis, `Redis at ${host}:${port}`, prefix)
  if (/^aof_enabled:1/m.test(persistence)) return []
  return [
    `Redis at ${host}:${port} writes no append-only file: after a restart of it the tasks process again from its last dump, or from the start of the log. Set appendonly yes.`,
  ]
}

/** Errors: SLUICE_STORE_DENIED with every command that this user lacks. */
async function assertRights(redis: Redis, where: string, prefix: string): Promise<void> {
  // No task is called so.
  const key = `${stateKey(prefix, '')}:probe`
  let lacks: string[]
  try {
    lacks = ((await probe(redis, [key], [])) as Buffer[]).map(String)
  } catch (error) {
    throw storeError(redis, error, `${where}, keys ${key.slice(0, key.indexOf('}'))}*`)
  }
  if (lacks.length === 0) return
  const who = `user ${redis.options.username ?? 'default'}`
  throw new CodedError('SLUICE_STORE_DENIED', `${where}: ${who} may not run ${lacks.join(', ')}`)
}

export interface UsedTopic {
  /** As the program calls it, and as Kafka does. */
  readonly topic: string
  readonly name: string
  /** Records of others come in here: acceptance time is the broker's, and retention may be by that time. */
  readonly input: boolean
}

/** What an acknowledged record's life depends on, by setting: null when it is right, else what it must be. */
type Check = (value: string, topic: UsedTopic, replicas: number) => string | null

/** Recovery needs the log back to the oldest image of the state that one may have to restore. */
const KEPT_MS = 7 * 86_400_000
const must =
  (wanted: string): ((value: string) => string | null) =>
  (value) =>
    value === wanted ? null : wanted

const checks: Readonly<Record<string, Check>> = {
  'cleanup.policy': must('delete'),
  'unclean.leader.election.enable': must('false'),
  'retention.bytes': must('-1'),
  // Records of our own carry logical time, often years ago: by it they would be too old at once.
  'retention.ms': (value, { input }) => {
    if (value === '-1' || (input && Number(value) >= KEPT_MS)) return null
    return input ? `-1, or at least ${KEPT_MS} (7 days)` : '-1'
  },
  'message.timestamp.type': (value, { input }) => must(input ? 'LogAppendTime' : 'CreateTime')(value),
  // As a producer likes: a batch in lz4 or snappy, or one that inflates without end, would be in the log for good.
  'compression.type': (value, { input }) => (input ? must('uncompressed')(value) : null),
  'min.insync.replicas': (value, _, replicas) => {
    const least = Math.min(2, replicas)
    if (Number(value) > replicas) return `at most ${replicas}, its number of replicas`
    return Number(value) >= least ? null : `at least ${least}`
  },
}

interface Settings {
  readonly of: string
  readonly values: ReadonlyMap<string, string>
}

/** Topics of the line and the brokers' own, and what the brokers are set to. Errors: SLUICE_TOPIC_UNFIT. */
export async function fitTopics(cluster: Cluster, topics: readonly UsedTopic[]): Promise<string[]> {
  const names = topics.map(({ name }) => name)
  const { nodes, replicas } = await replicasOf(cluster, names)
  const warnings: string[] = []
  const found = await settingsOf(cluster, names, warnings)
  const faults: string[] = []
  for (const topic of topics) {
    const values = found.find((one) => one.of === topic.name)?.values ?? new Map<string, string>()
    for (const [name, check] of Object.entries(checks)) {
      const value = values.get(name)
      const wanted = value === undefined ? null : check(value, topic, replicas.get(topic.name) ?? 1)
      if (wanted !== null) faults.push(`topic ${topic.topic}: ${name} is ${value}, must be ${wanted}`)
    }
  }
  if (faults.length > 0) throw new CodedError('SLUICE_TOPIC_UNFIT', faults.join('; '))
  const single = topics.filter(({ name }) => replicas.get(name) === 1)
  if (single.length > 0) {
    warnings.push(
      `${single.length} topics have one replica: what is on a disk that is lost is lost (${single[0].topic}, ...).`,
    )
  }
  return [...warnings, ...(await brokerWarnings(cluster, nodes))]
}

async function replicasOf(cluster: Cluster, names: readonly string[]) {
  try {
    const answer = await cluster.any('topics', (c) => metadataV12.api.async(c, [...names], false))
    const replicas = answer.topics.map(({ name, partitions }): [string, number] => {
      return [name ?? '', Math.min(...partitions.map(({ replicaNodes }) => replicaNodes.length))]
    })
    return { nodes: answer.brokers, replicas: new Map(replicas) }
  } catch (error) {
    throw brokerError(error, 'topics of the line')
  }
}

async function settingsOf(cluster: Cluster, names: readonly string[], warnings: string[]): Promise<Settings[]> {
  const request = names.map((resourceName) => {
    return { resourceType: ConfigResourceTypes.TOPIC, resourceName, configurationKeys: Object.keys(checks) }
  })
  try {
    const answer = await cluster.any('settings of topics', (c) => describeConfigsV4.api.async(c, request, false, false))
    return answer.results.map(({ resourceName, configs }) => ({ of: resourceName, values: valuesOf(configs) }))
  } catch (error) {
    if (!/AUTHORIZATION/.test(reasonOf(error) ?? '')) throw brokerError(error, 'settings of topics')
    warnings.push('The settings of the topics could not be checked: this user may not describe them (DescribeConfigs).')
    return []
  }
}

const valuesOf = (configs: readonly { name: string; value?: string | null }[]): ReadonlyMap<string, string> =>
  new Map(configs.flatMap(({ name, value }): [string, string][] => (typeof value === 'string' ? [[name, value]] : [])))

const YEAR_MINUTES = 525_600
/** A task's counters and digests have to fit, and an import's position. */
const METADATA_BYTES = 4096

async function brokerWarnings(
  cluster: Cluster,
  nodes: readonly { nodeId: number; host: string; port: number }[],
): Promise<string[]> {
  const configurationKeys = ['auto.create.topics.enable', 'offsets.retention.minutes', 'offset.metadata.max.bytes']
  const warnings = new Set<string>()
  for (const { nodeId, host, port } of nodes) {
    const request = [{ resourceType: ConfigResourceTypes.BROKER, resourceName: String(nodeId), configurationKeys }]
    let values
    try {
      // Only the broker itself says what it is set to.
      const answer = await cluster.ask(`broker ${nodeId}`, () => {
        return cluster.once({ host, port }, (c) => describeConfigsV4.api.async(c, request, false, false))
      })
      values = valuesOf(answer.results[0].configs)
    } catch (error) {
      const why = denialOf(error) === null ? wordsOf(error) : 'this user may not describe the cluster, DescribeConfigs'
      warnings.add(`What the brokers are set to could not be checked: ${why}.`)
      continue
    }
    const minutes = Number(values.get('offsets.retention.minutes') ?? YEAR_MINUTES)
    if (minutes < YEAR_MINUTES) {
      warnings.add(
        `The brokers forget committed positions after ${minutes} minutes without a commit (offsets.retention.minutes): a line that stands still longer halts and has to be repaired. Set it to ${YEAR_MINUTES}.`,
      )
    }
    if (values.get('auto.create.topics.enable') === 'true') {
      warnings.add(
        'The brokers make topics that somebody asks for (auto.create.topics.enable): one that is deleted by mistake comes back empty, with other settings, and the line halts. Set it to false.',
      )
    }
    if (Number(values.get('offset.metadata.max.bytes') ?? METADATA_BYTES) < METADATA_BYTES) {
      throw new CodedError(
        'SLUICE_BROKER_UNFIT',
        `broker ${nodeId}: offset.metadata.max.bytes is below ${METADATA_BYTES}`,
      )
    }
  }
  return [...warnings]
}
