/**
 * The log on Kafka: topics, committed record batches as bytes, and writers that are transactional producers.
 *
 * Offsets have gaps: behind every commit lies a marker that no reader sees, and aborted records keep their offsets. So
 * the end is the last stable offset, and a read may move on without bytes. A reader asks for an offset and gets it or an
 * error; nothing is ever reset.
 */
import type { Fetched, Log, TopicPartition, TopicSpec, Writer } from '../backend.ts'
import { assertName } from '../embedded/keys.ts'
import { OffsetGoneError } from '../errors.ts'
import { inflate } from '../records.ts'
import { Appender } from './appender.ts'
import { ledgerGroup, ledgerTopic, topicName, transactionalId } from './names.ts'
import { createTopics } from './topics.ts'
import { committedOf } from './wire/batches.ts'
import type { Cluster, TopicInfo } from './wire/cluster.ts'
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
    return (await this.#about(topic)).id
  }

  async partitions(topic: string): Promise<number> {
    return (await this.#about(topic)).leaders.length
  }

  async #about(topic: string): Promise<TopicInfo> {
    const name = this.#name(topic)
    try {
      return await this.#cluster.topic(name)
    } catch (error) {
      throw brokerError(error, `topic ${name}`)
    }
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    for (const { name } of topics) assertName('topic', name)
    const { topicSettings: special } = this.#options
    const wanted = topics.map(({ name, partitions }) => {
      return { topic: name, name: this.#name(name), partitions, settings: special?.(name) ?? {} }
    })
    await createTopics(this.#cluster, wanted, this.#options.replicationFactor)
  }

  /** Makes a topic of the backend's own, under the name given. */
  async createOwn(name: string, partitions: number): Promise<void> {
    const own = { topic: name, name, partitions, settings: {} }
    await createTopics(this.#cluster, [own], this.#options.replicationFactor)
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

  /** Appends without a position and without a fence: appender.ts. */
  appender(id: string): Promise<Writer> {
    return Appender.open(this.#cluster, id, (name) => this.#name(name))
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
