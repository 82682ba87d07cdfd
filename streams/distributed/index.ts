/**
 * The distributed backend: log on Kafka, state on Redis, tasks shared out by a consumer group. Any number of processes
 * open it at once; what one of them may do is decided by the fence of each writer alone.
 */
import { apiVersionsV4, type ConnectionOptions } from '@platformatic/kafka'
import { Redis, type RedisOptions } from 'ioredis'
import type { Backend, Clock } from '../backend.ts'
import { CodedError } from '../errors.ts'
import { systemClock } from './clock.ts'
import { kafkaGroup, type GroupOptions } from './group.ts'
import { KafkaLog, type KafkaLogOptions } from './log.ts'
import { ledgerTopic } from './names.ts'
import { RedisState } from './state.ts'
import { Cluster } from './wire/cluster.ts'
import { brokerError } from './wire/errors.ts'

export interface DistributedOptions {
  /** host:port of some Kafka brokers. */
  readonly brokers: readonly string[]
  /** redis://host:port/db, rediss:// with TLS. */
  readonly redis: string
  /** One per application: ledger, transactional ids, groups and Redis keys begin with it. */
  readonly prefix: string
  /** In front of every topic's name; nothing by default. */
  readonly topicPrefix?: string
  /** Replicas of a topic that is made here; 3 by default. */
  readonly replicationFactor?: number
  /** A transaction that is left open is aborted after so long: until then it holds up readers. */
  readonly transactionTimeoutMs?: number
  readonly topicSettings?: KafkaLogOptions['topicSettings']
  readonly tls?: ConnectionOptions['tls']
  readonly sasl?: ConnectionOptions['sasl']
  readonly redisOptions?: Pick<RedisOptions, 'username' | 'password' | 'tls' | 'commandTimeout' | 'connectTimeout'>
  readonly group?: Pick<GroupOptions, 'sessionTimeoutMs' | 'heartbeatMs' | 'rebalanceTimeoutMs' | 'onError'>
  readonly clock?: Clock
}

export interface DistributedBackend extends Backend {
  /** What an operator should know about these services, in sentences. */
  readonly warnings: readonly string[]
}

const CLIENT = 'sluice'

/**
 * Connects, and refuses what would lose data silently.
 * Errors: SLUICE_BROKER_FAILED, SLUICE_BROKER_UNFIT, SLUICE_STORE_FAILED, SLUICE_STORE_EVICTS.
 */
export async function openDistributed(options: DistributedOptions): Promise<DistributedBackend> {
  const { brokers, prefix, tls, sasl } = options
  const cluster = new Cluster({ brokers, clientId: CLIENT, tls, sasl })
  const redis = new Redis(options.redis, {
    ...options.redisOptions,
    lazyConnect: true,
    protocol: 2,
    maxRetriesPerRequest: 10,
  })
  // Whoever waits for an answer hears of it; the client connects again by itself.
  redis.on('error', () => undefined)
  const log = new KafkaLog(cluster, {
    prefix,
    topicPrefix: options.topicPrefix ?? '',
    replicationFactor: options.replicationFactor ?? 3,
    transactionTimeoutMs: options.transactionTimeoutMs ?? 15_000,
    topicSettings: options.topicSettings,
  })
  const group = kafkaGroup({
    ...options.group,
    prefix,
    clientId: CLIENT,
    brokers,
    tls,
    sasl,
    createTopic: (name) => log.createOwn(name, 1),
  })
  const close = async (): Promise<void> => {
    await group.close()
    await cluster.close()
    redis.disconnect()
  }
  try {
    const warnings = await fitBroker(cluster)
    await fitRedis(redis)
    await log.createOwn(ledgerTopic(prefix), 2)
    const state = new RedisState(redis, prefix)
    return { name: 'distributed', log, state, group, clock: options.clock ?? systemClock, warnings, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Newest transaction protocol: request, its key, the version from which on an epoch belongs to one transaction. */
const needed = [
  ['Produce', 0, 12],
  ['EndTxn', 26, 5],
  ['TxnOffsetCommit', 28, 5],
] as const
/** metadata.version of Kafka 4.3, which loses acknowledged transactions when a broker crashes (KAFKA-20734). */
const LOSES_MARKERS = 30

async function fitBroker(cluster: Cluster): Promise<string[]> {
  let answer
  try {
    answer = await cluster.any('brokers', (c) => apiVersionsV4.api.async(c, CLIENT, '1'))
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

async function fitRedis(redis: Redis): Promise<void> {
  const { host, port } = redis.options
  let memory: string
  try {
    await redis.connect()
    memory = await redis.info('memory')
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw new CodedError('SLUICE_STORE_FAILED', `Redis at ${host}:${port}: ${text}`, { cause: error })
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'unknown'
  if (policy !== 'noeviction') throw new CodedError('SLUICE_STORE_EVICTS', `Redis at ${host}:${port} has ${policy}`)
}
