/**
 * Appends without a transaction: an idempotent producer, acks=all, for whoever has no position to commit with its records
 * (the HTTP intake). Any number of them write at once, and none fences another.
 *
 * P1  A commit resolves when every batch of it is on all in-sync replicas. It is not atomic over partitions: after an
 *     error some of it may be there. What is sent again then is a copy, and found to be one.
 * P2  What a broker did not answer is sent again with the same numbers: the broker knows the copy. When that does not end
 *     in time the producer is thrown away, as every writer is after an error.
 */
import { initProducerIdV5 } from '@platformatic/kafka'
import type { Append, Commit, Writer } from '../backend.ts'
import { splitBatches } from '../embedded/batches.ts'
import { CodedError } from '../errors.ts'
import { numbered } from './wire/batches.ts'
import type { Cluster } from './wire/cluster.ts'
import { brokerError, BrokerError, isLost, isPassing, reasonOf } from './wire/errors.ts'
import { produce, type ProducePart } from './wire/requests.ts'

const PRODUCE_MS = 10_000

interface Numbered extends ProducePart {
  readonly records: number
}

export class Appender implements Writer {
  readonly id: string
  readonly committed = null
  readonly proven = 0
  readonly maxInFlight = 1
  readonly #cluster: Cluster
  readonly #nameOf: (topic: string) => string
  readonly #producerId: bigint
  readonly #epoch: number
  /** By topic and partition: number of the next record. */
  readonly #sequences = new Map<string, number>()
  #broken = false
  #last: Promise<unknown> = Promise.resolve()

  private constructor(
    cluster: Cluster,
    id: string,
    nameOf: (topic: string) => string,
    producerId: bigint,
    epoch: number,
  ) {
    this.#cluster = cluster
    this.id = id
    this.#nameOf = nameOf
    this.#producerId = producerId
    this.#epoch = epoch
  }

  /** `id`: for messages only. `nameOf`: a topic's name in Kafka. */
  static async open(cluster: Cluster, id: string, nameOf: (topic: string) => string): Promise<Appender> {
    try {
      const made = await cluster.any(`appender ${id}`, (c) => initProducerIdV5.api.async(c, null, 0, -1n, -1))
      return new Appender(cluster, id, nameOf, made.producerId, made.producerEpoch)
    } catch (error) {
      throw brokerError(error, `appender ${id}`)
    }
  }

  commit(commit: Commit): Promise<void> {
    const done = this.#last.then(() => this.#commit(commit.appends))
    this.#last = done.catch(() => undefined)
    return done
  }

  async #commit(appends: readonly Append[]): Promise<void> {
    if (this.#broken) throw new CodedError('SLUICE_WRITER_BROKEN', `appender ${this.id}`)
    try {
      for (const round of this.#rounds(appends)) await this.#send(round)
    } catch (error) {
      this.#broken = true
      throw brokerError(error, `appender ${this.id}`)
    }
  }

  /** At most one batch per partition in a request; numbers are given in the order of sending. */
  #rounds(appends: readonly Append[]): Numbered[][] {
    const rounds: Numbered[][] = []
    const used = new Map<string, number>()
    for (const { topic, partition, batches } of appends) {
      const name = this.#nameOf(topic)
      const place = `${name}/${partition}`
      for (const { bytes, span } of splitBatches(batches, 1)) {
        const sequence = this.#sequences.get(place) ?? 0
        // Numbers go round at 2^31, as the broker counts them.
        this.#sequences.set(place, (sequence + span) % 2 ** 31)
        const batch = numbered(bytes, this.#producerId, this.#epoch, sequence)
        const round = used.get(place) ?? 0
        used.set(place, round + 1)
        if (round === rounds.length) rounds.push([])
        rounds[round].push({ topic: name, partition, batch, records: span })
      }
    }
    return rounds
  }

  async #send(round: readonly Numbered[]): Promise<void> {
    let waiting: readonly Numbered[] = round
    const forget = (): void => {
      for (const { topic } of waiting) this.#cluster.forgetTopic(topic)
    }
    await this.#cluster.ask(
      `appender ${this.id}`,
      async () => {
        const refused: Numbered[] = []
        let failure: unknown = null
        await Promise.all(
          [...(await this.#cluster.byLeader(waiting))].map(async ([node, parts]) => {
            try {
              const answers = await this.#cluster.once(node, (c) => produce.async(c, null, PRODUCE_MS, parts))
              for (const part of parts) {
                const answer = answers.find((one) => one.topic === part.topic && one.partition === part.partition)
                if (answer === undefined)
                  throw new BrokerError('Produce', `no answer for ${part.topic}/${part.partition}`)
                // A copy of what was sent before the answer was lost: it is there.
                if (answer.error === null || answer.error.reason === 'DUPLICATE_SEQUENCE_NUMBER') continue
                failure = answer.error
                refused.push(part)
              }
            } catch (error) {
              failure = error
              refused.push(...parts.filter((part) => !refused.includes(part)))
            }
          }),
        )
        waiting = refused
        if (failure !== null) throw failure as Error
      },
      forget,
      (error) => isPassing(error) || isLost(error) || again.has(reasonOf(error) ?? ''),
    )
  }

  async close(): Promise<void> {
    this.#broken = true
    await this.#last
  }
}

/** It may have been appended, and sending it again with the same numbers is right. */
const again = new Set(['REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'NETWORK_EXCEPTION'])
