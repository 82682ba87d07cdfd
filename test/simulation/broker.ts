/**
 * A log that behaves as Kafka does, for the simulator: transactions that stay open, an EndTxn that arrives late, markers
 * that are written one by one behind the answer, readers that wait at the last stable offset, a coordinator that gives
 * transactions up, and brokers that crash, even those that lose an acknowledged transaction's markers (KAFKA-20734).
 *
 * What the protocol does about each is in `Rules`; each can be left out, to see that the simulator reports it.
 */
import { randomUUID } from 'node:crypto'
import type { Fetched, Log, TopicPartition, TopicSpec, Writer } from '../../streams/backend.ts'
import { manualClock } from '../../streams/embedded/clock.ts'
import { localGroup } from '../../streams/embedded/group.ts'
import { CodedError, FencedError, OffsetGoneError } from '../../streams/errors.ts'
import { World } from '../../streams/memory/faults.ts'
import type { MemoryBackend, MemoryOptions } from '../../streams/memory/index.ts'
import { MemoryState } from '../../streams/memory/state.ts'
import { SimulatedWriter } from './broker-writer.ts'

/** Safeguards of the writer, by their number in PROTOCOL; true: it is left out. */
export interface Rules {
  /** 1 The committed position is read before the fence, not after it. */
  readonly readsBeforeFence?: boolean
  /** 4 The fence does not wait for markers: the position that is read may be an older one. */
  readonly readsUnstable?: boolean
  /** 5 An EndTxn without an answer is sent again in the same epoch, with an epoch that outlives a transaction. */
  readonly endsAgain?: boolean
  /** 8 A commit counts as proven when its EndTxn is acknowledged. */
  readonly provenAtOnce?: boolean
}

export interface BrokerOptions {
  readonly rules: Rules
  /** Turns of the event loop that a message or a marker is late. */
  readonly delay: () => number
  /** A broker that crashes loses the markers of acknowledged transactions. */
  readonly losesMarkers?: boolean
}

export interface SimulatedKafka extends MemoryBackend {
  readonly log: SimulatedBroker
}

/** The in-memory state behind a log that behaves as Kafka does. */
export function openSimulatedKafka(options: MemoryOptions & BrokerOptions): SimulatedKafka {
  const world = new World(options.faulty ?? {}, options.watch)
  const log = new SimulatedBroker(world, options)
  const state = new MemoryState(world)
  return {
    name: 'simulated',
    log,
    state,
    group: localGroup(),
    clock: options.clock ?? manualClock(),
    crash(loss) {
      world.crash()
      for (const task of loss === undefined ? [] : state.names()) {
        const lost = loss!(task, state.changes(task))
        if (lost === 'whole') state.lose(task)
        else state.fallBack(task, lost)
      }
    },
    fallBack: (task, changes) => state.fallBack(task, changes),
    loseState: (task) => state.lose(task),
    stealState: (task) => state.steal(task),
    fence: (writer) => log.fence(writer),
    trim: () => 0,
    close: async () => world.crash(),
  }
}

export interface Entry {
  readonly base: number
  readonly next: number
  readonly bytes: Uint8Array
  state: 'open' | 'committed' | 'aborted'
  readonly writer: string
}

export interface Partition {
  readonly entries: Entry[]
  /** Behind the last record or marker. */
  end: number
}

export type Committed = { readonly position: number; readonly metadata: string }

export interface Transaction {
  /** Entries by partition, orphans of an earlier transaction of this writer included once a marker closes them. */
  readonly parts: Map<Partition, Entry[]>
  committed: Committed | null
  state: 'ongoing' | 'decided' | 'complete'
}

export interface Ledger {
  epoch: number
  committed: Committed | null
  transaction: Transaction | null
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
export async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await turn()
}

export class SimulatedBroker implements Log {
  readonly world: World
  readonly options: BrokerOptions
  /** Raised by every crash of the brokers: connections that were there before are gone. */
  connections = 0
  /** Transactions whose markers were lost. */
  lostMarkers = 0
  readonly #topics = new Map<string, { id: string; partitions: Partition[] }>()
  readonly #ledgers = new Map<string, Ledger>()

  constructor(world: World, options: BrokerOptions) {
    this.world = world
    this.options = options
  }

  partition({ topic, partition }: TopicPartition): Partition {
    const found = this.#topics.get(topic)?.partitions[partition]
    if (found === undefined) throw new CodedError('SLUICE_TOPIC_UNKNOWN', `topic ${topic}, partition ${partition}`)
    return found
  }

  async topicId(topic: string): Promise<string> {
    return this.#topics.get(topic)!.id
  }

  async partitions(topic: string): Promise<number> {
    return this.#topics.get(topic)!.partitions.length
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    for (const { name, partitions } of topics) {
      const made = Array.from({ length: partitions }, (): Partition => ({ entries: [], end: 0 }))
      if (!this.#topics.has(name)) this.#topics.set(name, { id: randomUUID(), partitions: made })
    }
  }

  async bounds(at: TopicPartition): Promise<{ start: number; end: number }> {
    return { start: 0, end: stableEnd(this.partition(at)) }
  }

  async read(at: TopicPartition, offset: number, maxBytes: number, maxWaitMs: number): Promise<Fetched> {
    const { life } = this.world
    const where = `${at.topic}/${at.partition}`
    await this.world.at(life, 'fetch', where, offset)
    const partition = this.partition(at)
    if (maxWaitMs > 0 && stableEnd(partition) <= offset) await turns(3)
    this.world.assertAlive(life, where)
    const stable = stableEnd(partition)
    // A position that was committed behind the last stable offset is kept: the reader waits there.
    if (offset > partition.end) throw new OffsetGoneError(where, offset, 0, stable)
    const pieces: Uint8Array[] = []
    let [total, next] = [0, offset]
    for (const entry of partition.entries) {
      if (entry.next <= offset || entry.base >= stable) continue
      if (total > 0 && total >= maxBytes) return { bytes: joined(pieces), nextOffset: next, endOffset: stable }
      next = entry.next
      if (entry.state !== 'committed') continue
      pieces.push(entry.bytes)
      total += entry.bytes.length
    }
    // Behind the last record there may be markers, which are nothing for readers.
    return { bytes: joined(pieces), nextOffset: Math.max(next, total === 0 ? stable : next), endOffset: stable }
  }

  async peek(id: string): Promise<Committed | null> {
    return this.#ledgers.get(id)?.committed ?? null
  }

  ledger(id: string): Ledger {
    const found = this.#ledgers.get(id) ?? { epoch: 0, committed: null, transaction: null }
    this.#ledgers.set(id, found)
    return found
  }

  async writer(id: string): Promise<Writer> {
    const { life } = this.world
    const { rules, delay } = this.options
    const ledger = this.ledger(id)
    const early = ledger.committed
    if (rules.readsBeforeFence) await turns(delay())
    await this.world.at(life, 'fence', id)
    this.world.assertAlive(life, id)
    this.fence(id)
    const { epoch } = ledger
    while (!rules.readsUnstable && ledger.transaction?.state === 'decided') {
      await turn()
      this.world.assertAlive(life, id)
    }
    await turns(delay())
    if (ledger.epoch !== epoch) throw new FencedError(`writer ${id}`)
    return new SimulatedWriter(this, id, life, epoch, rules.readsBeforeFence ? early : ledger.committed)
  }

  /** InitProducerId: a new epoch; an open transaction is given up, a decided one goes on to its end. */
  fence(id: string): void {
    const ledger = this.ledger(id)
    ledger.epoch++
    if (ledger.transaction?.state === 'ongoing') this.#giveUp(ledger.transaction)
  }

  /** The coordinator gives up transactions that are open for too long, and fences their writers. */
  giveUpOpen(): number {
    const open = [...this.#ledgers].filter(([, { transaction }]) => transaction?.state === 'ongoing')
    for (const [id] of open) this.fence(id)
    return open.length
  }

  #giveUp(transaction: Transaction): void {
    transaction.state = 'complete'
    for (const [partition, entries] of transaction.parts) mark(partition, entries, 'aborted')
  }

  /** EndTxn: decided at once; the markers, and the position, follow one by one. */
  async end(id: string): Promise<void> {
    const ledger = this.ledger(id)
    const transaction = ledger.transaction
    if (transaction?.state !== 'ongoing') return
    transaction.state = 'decided'
    const { delay } = this.options
    const connections = this.connections
    const work = [...transaction.parts].map(
      ([partition, entries]) =>
        (): void =>
          mark(partition, entries, 'committed'),
    )
    work.push(() => (ledger.committed = transaction.committed ?? ledger.committed))
    for (const step of work) {
      await turns(delay() * 3)
      if (this.options.losesMarkers && this.connections !== connections) {
        this.lostMarkers++
        break
      }
      step()
    }
    transaction.state = 'complete'
  }

  /** Resolves when every marker is written. */
  async complete(): Promise<void> {
    while ([...this.#ledgers.values()].some(({ transaction }) => transaction?.state === 'decided')) await turn()
  }

  /** Every broker is killed and comes back: what was decided is completed, or, with KAFKA-20734, forgotten. */
  crash(): void {
    this.connections++
  }
}

const joined = (pieces: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces))

function stableEnd(partition: Partition): number {
  return partition.entries.find(({ state }) => state === 'open')?.base ?? partition.end
}

/** A marker: closes what its writer has open there, what an earlier transaction left without one included. */
function mark(partition: Partition, entries: readonly Entry[], state: 'committed' | 'aborted'): void {
  const writers = new Set(entries.map(({ writer }) => writer))
  for (const entry of partition.entries) if (entry.state === 'open' && writers.has(entry.writer)) entry.state = state
  partition.end++
}
