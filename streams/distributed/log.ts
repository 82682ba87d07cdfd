/**
 * The log on Kafka: topics, committed record batches as bytes, and writers that are transactional producers.
 *
 * Offsets have gaps: behind every commit lies a marker that no reader sees, and aborted records keep their offsets. So
 * the end is the last stable offset, and a read may move on without bytes. A reader asks for an offset and gets it or an
 * error; nothing is ever reset.
 */
import { createTopicsV7 } from '@platformatic/kafka'
import type { Fetched, Log, TopicPartition, TopicSpec, Writer } from '../backend.ts'
import { assertName } from '../embedded/keys.ts'
import { CodedError, OffsetGoneError } from '../errors.ts'
import { inflate } from '../records.ts'
import { ledgerGroup, ledgerTopic, topicName, transactionalId } from './names.ts'
import { committedOf } from './wire/batches.ts'
import { type Cluster, sleep } from './wire/cluster.ts'
import { brokerError, reasonOf } from './wire/errors.ts'
import { fetch, type FetchAnswer } from './wire/requests.ts'
import { fence, offsetAt, readLedger, stableEnd, type WriterNames } from './writer.ts'

export interface KafkaLogOptions {
  /** Names of transactional ids, ledger and groups begin with it: one per application on a cluster. */
  readonly prefix: string
  /** Put in front of every topic's name; '' by default, so that other programs find the topics. */
  readonly topicPrefix: string
  readonly replicationFactor: number
  readonly transactionTimeoutMs: number
  /** Settings of a topic beside ours; they win. */
  readonly topicSettings?: (topic: string) => Readonly<Record<string, string>>
}

/** The longest single poll: well below the time after which a connection counts as dead. */
const LONGEST_POLL_MS = 10_000
/** What a compressed batch of a foreign producer may become. */
const INFLATED_BYTES = 64 << 20

/**
 * What a topic of ours needs: nothing is compacted or forgotten by time (records carry logical time, often years ago or
 * ahead), nobody is elected who lacks records, and a commit's batch may be larger than Kafka's 1 MB.
 */
function topicSettings(replicationFactor: number): Record<string, string> {
  return {
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'message.timestamp.type': 'CreateTime',
    'message.timestamp.after.max.ms': '9223372036854775807',
    'message.timestamp.before.max.ms': '9223372036854775807',
    'max.message.bytes': String(16 << 20),
    'min.insync.replicas': String(Math.min(2, replicationFactor)),
    'unclean.leader.election.enable': 'false',
  }
}

export class KafkaLog implements Log {
  readonly #cluster: Cluster
  readonly #options: KafkaLogOptions

  constructor(cluster: Cluster, options: KafkaLogOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  #name(topic: string): string {
    return topicName(this.#options.topicPrefix, topic)
  }

  async topicId(topic: string): Promise<string> {
    return (await this.#cluster.topic(this.#name(topic))).id
  }

  async partitions(topic: string): Promise<number> {
    return (await this.#cluster.topic(this.#name(topic))).leaders.length
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    const missing: TopicSpec[] = []
    for (const spec of topics) {
      assertName('topic', spec.name)
      const found = await this.#existing(spec.name)
      if (found === null) missing.push(spec)
      else if (found !== spec.partitions) {
        const detail = `topic ${spec.name} has ${found} partitions, asked ${spec.partitions}`
        throw new CodedError('SLUICE_TOPIC_PARTITIONS', detail)
      }
    }
    await Promise.all(missing.map((spec) => this.#create(this.#name(spec.name), spec.name, spec.partitions)))
  }

  /** Makes a topic of the backend's own, under the name given. */
  async createOwn(name: string, partitions: number): Promise<void> {
    const found = await this.#cluster.topic(name).catch((error: unknown) => {
      if (error instanceof CodedError && error.code === 'SLUICE_TOPIC_UNKNOWN') return null
      throw error
    })
    if (found === null) await this.#create(name, name, partitions)
  }

  async #existing(topic: string): Promise<number | null> {
    try {
      return await this.partitions(topic)
    } catch (error) {
      if (error instanceof CodedError && error.code === 'SLUICE_TOPIC_UNKNOWN') return null
      throw error
    }
  }

  async #create(name: string, topic: string, partitions: number): Promise<void> {
    const { replicationFactor, topicSettings: special } = this.#options
    const settings = { ...topicSettings(replicationFactor), ...special?.(topic) }
    const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
    const request = [{ name, numPartitions: partitions, replicationFactor, assignments: [], configs }]
    try {
      await this.#cluster.any(`create ${topic}`, (c) => createTopicsV7.api.async(c, request, 20_000, false))
    } catch (error) {
      // Another process was faster, or the answer of our own request was lost: the number is checked below.
      if (reasonOf(error) !== 'TOPIC_ALREADY_EXISTS') throw brokerError(error, `create topic ${topic}`)
    }
    await this.#settled(name, topic, partitions)
  }

  /** A new topic is known to the brokers, and led, a little after it was made. */
  async #settled(name: string, topic: string, partitions: number): Promise<void> {
    for (let tries = 0; tries < 600; tries++) {
      const info = await this.#cluster.topic(name).catch((error: unknown) => {
        if (error instanceof CodedError && error.code === 'SLUICE_TOPIC_UNKNOWN') return null
        throw error
      })
      const led = info !== null && info.leaders.every((leader) => leader >= 0)
      if (led && info.leaders.length === partitions) return
      if (led) {
        const detail = `topic ${topic} has ${info.leaders.length} partitions, asked ${partitions}`
        throw new CodedError('SLUICE_TOPIC_PARTITIONS', detail)
      }
      await sleep(50)
    }
    throw new CodedError('SLUICE_BROKER_FAILED', `topic ${topic} was made, but its partitions have no leaders`)
  }

  async bounds({ topic, partition }: TopicPartition): Promise<{ start: number; end: number }> {
    const name = this.#name(topic)
    try {
      const [start, end] = [
        await offsetAt(this.#cluster, name, partition, -2n),
        await stableEnd(this.#cluster, name, partition),
      ]
      return { start, end }
    } catch (error) {
      throw brokerError(error, `bounds of ${topic}/${partition}`)
    }
  }

  async read(at: TopicPartition, offset: number, maxBytes: number, maxWaitMs: number): Promise<Fetched> {
    const where = `${at.topic}/${at.partition}`
    const until = performance.now() + maxWaitMs
    for (let from = offset; ;) {
      const left = Math.max(0, Math.ceil(until - performance.now()))
      const answer = await this.#fetch(at, from, maxBytes, Math.min(left, LONGEST_POLL_MS))
      const { bytes, next } = committedOf(answer, from)
      const endOffset = Math.max(answer.lastStable, next)
      if (bytes.length > 0) return { bytes: inflate(bytes, INFLATED_BYTES, where), nextOffset: next, endOffset }
      // What there was is nothing for readers: markers, or records of a transaction that was given up.
      const moved = next > from
      from = next
      if (moved || performance.now() < until) continue
      if (from > answer.lastStable) throw new OffsetGoneError(where, offset, answer.logStart, answer.lastStable)
      return { bytes, nextOffset: from, endOffset }
    }
  }

  async #fetch(at: TopicPartition, offset: number, maxBytes: number, waitMs: number): Promise<FetchAnswer> {
    const { topic, partition } = at
    const name = this.#name(topic)
    const bytes = Math.max(1, maxBytes)
    try {
      return await this.#cluster.leader(name, partition, (c) => fetch.async(c, name, partition, offset, bytes, waitMs))
    } catch (error) {
      if (reasonOf(error) !== 'OFFSET_OUT_OF_RANGE') throw brokerError(error, `read ${topic}/${partition} at ${offset}`)
      const { start, end } = await this.bounds(at)
      throw new OffsetGoneError(`${topic}/${partition}`, offset, start, end)
    }
  }

  #names(id: string): WriterNames {
    assertName('writer', id)
    const { prefix, transactionTimeoutMs } = this.#options
    return {
      transactionalId: transactionalId(prefix, id),
      group: ledgerGroup(prefix, id),
      ledgerTopic: ledgerTopic(prefix),
      topic: (name) => this.#name(name),
      transactionTimeoutMs,
    }
  }

  writer(id: string): Promise<Writer> {
    return fence(this.#cluster, id, this.#names(id))
  }

  async peek(id: string): Promise<{ position: number; metadata: string } | null> {
    try {
      return await readLedger(this.#cluster, this.#names(id), false)
    } catch (error) {
      throw brokerError(error, `peek ${id}`)
    }
  }
}
