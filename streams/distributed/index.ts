/**
 * The distributed backend: log on Kafka, state on Redis, tasks shared out by a consumer group. Any number of processes
 * open it at once; what one of them may do is decided by the fence of each writer alone.
 */
import type { ConnectionOptions } from '@platformatic/kafka'
import { Redis, type RedisOptions } from 'ioredis'
import type { Backend, Clock } from '../backend.ts'
import { systemClock } from './clock.ts'
import { fitBroker, fitRedis, fitTopics } from './fitness.ts'
import { kafkaGroup, type GroupOptions } from './group.ts'
import { KafkaLog, type KafkaLogOptions } from './log.ts'
import { ledgerTopic, topicName } from './names.ts'
import { RedisState } from './state.ts'
import { Cluster } from './wire/cluster.ts'

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
  readonly log: KafkaLog
  /** What an operator should know about these services, in sentences. */
  readonly warnings: readonly string[]
  /** The log with the topics of the backend's own under their whole names: the manifest. */
  readonly own: KafkaLog
  /**
   * Whether topics keep what they acknowledge; `input` is the one that others write into. Returns warnings.
   * Errors: SLUICE_TOPIC_UNFIT with every setting that has to change.
   */
  fit(topics: readonly string[], input: string): Promise<readonly string[]>
}

const CLIENT = 'sluice'
/**
 * A server that takes longer is away (a half-open link, a suspended process): without a limit a task would wait for it for
 * ever and never be recovered. Longer than the largest delta (0.2 s) and a takeover's longest list on a loaded machine.
 */
const ANSWER_MS = 10_000

/**
 * Connects, and refuses what would lose data silently.
 * Errors: SLUICE_BROKER_FAILED, SLUICE_BROKER_UNFIT, SLUICE_STORE_UNREACHABLE, SLUICE_STORE_EVICTS.
 */
export async function openDistributed(options: DistributedOptions): Promise<DistributedBackend> {
  const { brokers, prefix, tls, sasl } = options
  const cluster = new Cluster({ brokers, clientId: CLIENT, tls, sasl })
  const redis = new Redis(options.redis, {
    commandTimeout: ANSWER_MS,
    ...options.redisOptions,
    lazyConnect: true,
    protocol: 2,
    maxRetriesPerRequest: 10,
  })
  // Whoever waits for an answer hears of it; the client connects again by itself.
  redis.on('error', () => undefined)
  const topicPrefix = options.topicPrefix ?? ''
  const logOptions = {
    prefix,
    replicationFactor: options.replicationFactor ?? 3,
    transactionTimeoutMs: options.transactionTimeoutMs ?? 15_000,
    topicSettings: options.topicSettings,
  }
  const log = new KafkaLog(cluster, { ...logOptions, topicPrefix })
  const own = new KafkaLog(cluster, { ...logOptions, topicPrefix: '' })
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
    const warnings = [...(await fitBroker(cluster)), ...(await fitRedis(redis))]
    await log.createOwn(ledgerTopic(prefix), 2)
    const state = new RedisState(redis, prefix)
    return {
      name: 'distributed',
      log,
      own,
      state,
      group,
      clock: options.clock ?? systemClock,
      warnings,
      fit: (topics, input) => {
        return fitTopics(
          cluster,
          topics.map((topic) => ({ topic, name: topicName(topicPrefix, topic), input: topic === input })),
        )
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
