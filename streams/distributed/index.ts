/**
 * The distributed backend: log on Kafka, state on Redis, tasks shared out by a consumer group. Any number of processes
 * open it at once; what one of them may do is decided by the fence of each writer alone.
 */
import type { ConnectionOptions } from '@platformatic/kafka'
import type { Backend, Clock } from '../backend.ts'
import { systemClock } from './clock.ts'
import { fitBroker, fitRedis, fitTopics } from './fitness.ts'
import { kafkaGroup, type GroupOptions } from './group.ts'
import { KafkaLog, type KafkaLogOptions } from './log.ts'
import { ledgerTopic, topicName } from './names.ts'
import { redisAt, type RedisAccess } from './redis.ts'
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
  /** They win over the URL. */
  readonly redisOptions?: RedisAccess
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
 * Connects, and refuses what would lose data silently.
 * Errors: SLUICE_BROKER_FAILED, SLUICE_BROKER_DENIED, SLUICE_BROKER_UNFIT, SLUICE_STORE_UNREACHABLE,
 * SLUICE_STORE_DENIED, SLUICE_STORE_EVICTS.
 */
export async function openDistributed(options: DistributedOptions): Promise<DistributedBackend> {
  const { brokers, prefix, tls, sasl } = options
  const cluster = new Cluster({ brokers, clientId: CLIENT, tls, sasl })
  const redis = redisAt(options.redis, options.redisOptions)
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
    const warnings = [...(await fitBroker(cluster)), ...(await fitRedis(redis, prefix))]
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
