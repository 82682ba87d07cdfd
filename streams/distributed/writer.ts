/**
 * A writer on Kafka: one transactional producer of the newest protocol, on its own, with no retry of what is indefinite.
 *
 * A commit: records (Produce v12), then the position with its metadata (TxnOffsetCommit v5), then EndTxn v5, sent once.
 * Asked again is only what a broker has refused without effect: CONCURRENT_TRANSACTIONS while it still completes the
 * transaction before, or a leader that moved. Acknowledged means decided, and the markers follow: a commit resolves when
 * they are written, so that whoever reads after it sees it (behind another writer's open transaction: when that ends),
 * and the next transaction does not meet a broker that waits.
 * Position n is proven when the first request of the transaction behind it was accepted, or a fence has read it. Over a
 * connection that broke in between it is not: a broker that crashed may have lost the markers and accept it all the same.
 * Then this writer is broken, and a fence has to say what became of n.
 */
import { describeTransactionsV0, initProducerIdV5, listOffsetsV7, offsetFetchV8 } from '@platformatic/kafka'
import type { Commit, TopicPartition, Writer } from '../backend.ts'
import { splitBatches } from '../embedded/batches.ts'
import { assertCommit } from '../embedded/log.ts'
import { CodedError, FencedError } from '../errors.ts'
import { stamped } from './wire/batches.ts'
import { type Cluster, type Node, sleep } from './wire/cluster.ts'
import { denialOf } from './wire/denial.ts'
import { brokerError, BrokerError, isFenced, isPassing } from './wire/errors.ts'
import { endTransaction, produce, READ_COMMITTED, txnOffsetCommit, type ProducePart } from './wire/requests.ts'

export interface WriterNames {
  readonly transactionalId: string
  readonly group: string
  readonly ledgerTopic: string
  /** A topic's name in Kafka. */
  readonly topic: (name: string) => string
  readonly transactionTimeoutMs: number
}

type Committed = { readonly position: number; readonly metadata: string }

const PRODUCE_MS = 20_000
/** Markers take 0.7 ms, 15 at most on one loaded machine; a broker that is asked to go on meanwhile waits 20. */
const COMPLETED_PAUSE_MS = 1
/** Asked so often they have another reason (a leader is away): then a broker is not asked a thousand times a second. */
const SOON = 50
const LATER_PAUSE_MS = 20

/** Position and metadata that a ledger group has. `stable`: waits until no transaction is pending there. */
export async function readLedger(cluster: Cluster, names: WriterNames, stable: boolean): Promise<Committed | null> {
  const { group, ledgerTopic } = names
  const request = [{ groupId: group, memberEpoch: -1, topics: [{ name: ledgerTopic, partitionIndexes: [0, 1] }] }]
  const answer = await cluster.coordinator('group', group, (c) => offsetFetchV8.api.async(c, request, stable))
  const partitions = answer.groups[0].topics[0].partitions
  const found = (index: number): Committed | null => {
    const at = partitions.find((partition) => partition.partitionIndex === index)
    if (at === undefined || at.committedOffset < 0n) return null
    return { position: index === 0 ? Number(at.committedOffset) : -1, metadata: at.metadata ?? '' }
  }
  return found(0) ?? found(1)
}

/** For a refusal that names nothing: what a writer needs rights on. */
function namesIn(error: unknown, { transactionalId, group, ledgerTopic }: WriterNames): string {
  if (denialOf(error) === null || error instanceof BrokerError) return ''
  return ` (transactional id ${transactionalId}, group ${group}, topic ${ledgerTopic})`
}

/** Fences every earlier writer of the id, then reads what it committed. */
export async function fence(cluster: Cluster, id: string, names: WriterNames): Promise<KafkaWriter> {
  try {
    const { transactionalId, transactionTimeoutMs } = names
    const producer = await cluster.coordinator('transaction', transactionalId, (c) =>
      initProducerIdV5.api.async(c, transactionalId, transactionTimeoutMs, -1n, -1),
    )
    const committed = await readLedger(cluster, names, true)
    return new KafkaWriter(cluster, id, names, committed, producer.producerId, producer.producerEpoch)
  } catch (error) {
    throw brokerError(error, `writer ${id}${namesIn(error, names)}`)
  }
}

export class KafkaWriter implements Writer {
  readonly id: string
  readonly committed: Committed | null
  readonly maxInFlight = 1
  proven: number
  readonly #cluster: Cluster
  readonly #names: WriterNames
  /** By topic and partition: sequence number of the next record, from 0 in every epoch. */
  readonly #sequences = new Map<string, number>()
  /** Nodes that take part in this transaction; of the last one, how often connections to each had broken at its end. */
  readonly #parties = new Set<Node>()
  #held = new Map<Node, number>()
  #producerId: bigint
  #epoch: number
  #position: number | null
  #broken = false
  #fenced = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    cluster: Cluster,
    id: string,
    names: WriterNames,
    committed: Committed | null,
    producerId: bigint,
    epoch: number,
  ) {
    this.#cluster = cluster
    this.id = id
    this.#names = names
    this.committed = committed
    this.proven = committed?.position ?? 0
    this.#position = committed?.position ?? null
    this.#producerId = producerId
    this.#epoch = epoch
  }

  commit(commit: Commit): Promise<void> {
    const done = this.#last.then(() => this.#commit(commit))
    // The caller sees the error; those behind find the writer broken.
    this.#last = done.catch(() => undefined)
    return done
  }

  async #commit(commit: Commit): Promise<void> {
    if (this.#fenced) throw new FencedError(`writer ${this.id}`)
    if (this.#broken) throw new CodedError('SLUICE_WRITER_BROKEN', `writer ${this.id}`)
    try {
      const rounds = await this.#checked(commit)
      this.#assertHeld()
      for (const round of rounds) await this.#produce(round)
      await this.#sendPosition(commit)
      await this.#end()
      this.#position = commit.position
      await this.#completed()
    } catch (error) {
      this.#broken = true
      // A leader that died is nobody's leader when the next writer asks.
      for (const { topic } of commit.appends) this.#cluster.forgetTopic(this.#names.topic(topic))
      this.#fenced = isFenced(error)
      if (this.#fenced) throw new FencedError(`writer ${this.id}`)
      if (error instanceof BrokerError || !(error instanceof Error) || 'code' in error) {
        throw brokerError(error, `writer ${this.id}, commit at ${commit.position}${namesIn(error, this.#names)}`)
      }
      throw error
    }
  }

  /** The commit as rounds of at most one batch per partition, which is what a Produce request takes. Sends nothing. */
  async #checked(commit: Commit): Promise<ProducePart[][]> {
    assertCommit(commit, this.#position)
    const rounds: ProducePart[][] = []
    const used = new Map<string, number>()
    for (const { topic, partition, batches } of commit.appends) {
      const name = this.#names.topic(topic)
      for (const { bytes } of splitBatches(batches, 1)) {
        const round = used.get(`${name}/${partition}`) ?? 0
        used.set(`${name}/${partition}`, round + 1)
        if (round === rounds.length) rounds.push([])
        rounds[round].push({ topic: name, partition, batch: bytes })
      }
      await this.#cluster.ask(`${topic}/${partition}`, () => this.#cluster.leaderOf(name, partition))
    }
    return rounds
  }

  /** Appends one batch to each of some partitions; those that a broker has refused for now are asked again. */
  async #produce(round: ProducePart[]): Promise<void> {
    const { transactionalId } = this.#names
    const sequences = new Map(round.map((part) => [partName(part), this.#sequences.get(partName(part)) ?? 0]))
    let waiting = round.map((part) => ({
      ...part,
      batch: stamped(part.batch, this.#producerId, this.#epoch, sequences.get(partName(part))!),
    }))
    await this.#cluster.ask(
      `writer ${this.id}`,
      async () => {
        const refused: ProducePart[] = []
        let error: unknown = null
        for (const [node, parts] of await this.#cluster.byLeader(waiting)) {
          this.#parties.add(node)
          const answers = await this.#cluster.once(node, (c) => produce.async(c, transactionalId, PRODUCE_MS, parts))
          for (const part of parts) {
            const answer = answers.find(({ topic, partition }) => topic === part.topic && partition === part.partition)
            if (answer === undefined) throw new BrokerError('Produce', `no answer for ${partName(part)}`)
            if (answer.error !== null) {
              if (!isPassing(answer.error)) throw answer.error
              error = answer.error
              refused.push(part)
              if (answer.error.reason !== 'CONCURRENT_TRANSACTIONS') this.#cluster.forgetTopic(part.topic)
              continue
            }
            this.#prove()
            const records = recordsOf(part.batch)
            this.#sequences.set(partName(part), sequences.get(partName(part))! + records)
          }
        }
        waiting = refused
        if (error !== null) throw error as Error
      },
      undefined,
      isPassing,
    )
  }

  async #sendPosition({ position, metadata }: Commit): Promise<void> {
    const { transactionalId, group, ledgerTopic } = this.#names
    const at = {
      partitionIndex: position < 0 ? 1 : 0,
      committedOffset: BigInt(Math.max(position, 0)),
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    }
    const topics = [{ name: ledgerTopic, partitions: [at] }]
    await this.#cluster.coordinator(
      'group',
      group,
      (c) => txnOffsetCommit.async(c, transactionalId, group, this.#producerId, this.#epoch, -1, '', null, topics),
      isPassing,
    )
    this.#prove()
    this.#parties.add(await this.#cluster.coordinatorOf('group', group))
  }

  /** The first request of a transaction was accepted: the one before is complete, whatever crashes now. */
  #prove(): void {
    const position = this.#position ?? 0
    if (this.proven >= position) return
    this.#assertHeld()
    this.proven = position
  }

  /** Connections to all who took part in the transaction before hold since then. */
  #assertHeld(): void {
    if (this.proven >= (this.#position ?? 0)) return
    for (const [node, losses] of this.#held) {
      if (this.#cluster.losses(node) === losses) continue
      const detail = `writer ${this.id}: a connection to ${node.host}:${node.port} broke behind the commit at ${this.#position}`
      throw new CodedError('SLUICE_BROKER_FAILED', detail)
    }
  }

  /** Once: whatever comes back but yes leaves the outcome open, and the next fence decides (safeguard 5). */
  async #end(): Promise<void> {
    const { transactionalId } = this.#names
    const coordinator = await this.#cluster.coordinatorOf('transaction', transactionalId)
    this.#held = new Map([...this.#parties, coordinator].map((node) => [node, this.#cluster.losses(node)]))
    this.#parties.clear()
    const ended = await this.#cluster.once(coordinator, (c) =>
      endTransaction.async(c, transactionalId, this.#producerId, this.#epoch, true),
    )
    this.#producerId = ended.producerId
    this.#epoch = ended.epoch
    this.#sequences.clear()
  }

  /**
   * Waits for the markers of the transaction just ended. The coordinator is asked, not the partitions: there another
   * writer's open transaction may hold up readers for seconds, which must not hold up this one. Only the one that has
   * decided, over connections that hold: another one, or the same after a crash, knows of the decision alone.
   */
  async #completed(): Promise<void> {
    const { transactionalId } = this.#names
    const coordinator = await this.#cluster.coordinatorOf('transaction', transactionalId)
    for (let tries = 0; ; tries++) {
      const { transactionStates } = await this.#cluster.once(coordinator, (c) =>
        describeTransactionsV0.api.async(c, [transactionalId]),
      )
      this.#assertHeld()
      if (transactionStates[0]?.transactionState !== 'PrepareCommit') return
      await sleep(tries < SOON ? COMPLETED_PAUSE_MS : LATER_PAUSE_MS)
    }
  }

  async close(): Promise<void> {
    this.#broken = true
  }
}

const partName = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

const recordsOf = (batch: Uint8Array): number => {
  return new DataView(batch.buffer, batch.byteOffset, batch.byteLength).getInt32(23) + 1
}

/** The last stable offset of a partition: where its read_committed readers are stopped. */
export async function stableEnd(cluster: Cluster, topic: string, partition: number): Promise<number> {
  return offsetAt(cluster, topic, partition, -1n)
}

/** `timestamp` -1: the last stable offset; -2: the first offset that is kept. */
export async function offsetAt(cluster: Cluster, topic: string, partition: number, timestamp: bigint): Promise<number> {
  const request = [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }] }]
  const answer = await cluster.leader(topic, partition, (c) => listOffsetsV7.api.async(c, -1, READ_COMMITTED, request))
  return Number(answer.topics[0].partitions[0].offset)
}
