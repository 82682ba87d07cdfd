/**
 * The way to the brokers: who leads which partition, who coordinates which id, and connections to them.
 *
 * A connection carries one request at a time (a broker answers a connection's requests in order, so a long poll would
 * hold up what comes behind it); idle ones are kept. `ask` asks again only what had no effect or may happen twice;
 * whoever sends something that may not uses `once`.
 */
import type { TopicPartition } from '../../backend.ts'
import { Connection, findCoordinatorV4, metadataV12, type ConnectionOptions } from '@platformatic/kafka'
import { isIP } from 'node:net'
import { CodedError } from '../../errors.ts'
import { denialOf, doubtOf } from './denial.ts'
import { BrokerError, isLost, isPassing, reasonOf } from './errors.ts'
import { Sessions } from './session.ts'

export interface ClusterOptions {
  /** host:port of some brokers; the others are found through them. */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly tls?: ConnectionOptions['tls']
  readonly sasl?: ConnectionOptions['sasl']
  /** How long something that may be asked again is asked, in ms. */
  readonly patienceMs?: number
}

export interface TopicInfo {
  readonly id: string
  /** Node that leads each partition; -1 where there is none now. */
  readonly leaders: readonly number[]
}

type Coordinated = 'group' | 'transaction'
export interface Node {
  readonly host: string
  readonly port: number
}

const REQUEST_MS = 30_000
const PATIENCE_MS = 30_000
/** First pause before asking again: what a broker needs to complete the transaction before (2 ms), then longer. */
const PAUSE_MS = 2
const LONGEST_PAUSE_MS = 200
/** A broker that dies breaks handshakes for milliseconds, and takes no connections then; one of another kind goes on. */
const DOUBT_MS = 3_000

/** A connection that nobody has needed for so long is closed. */
const IDLE_MS = 60_000

const nameOf = ({ host, port }: Node): string => `${host}:${port}`
const mayAskAgain = (error: unknown): boolean => isPassing(error) || isLost(error)

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export class Cluster {
  readonly options: ClusterOptions
  readonly #nodes = new Map<number, Node>()
  readonly #topics = new Map<string, TopicInfo>()
  readonly #coordinators = new Map<string, Node>()
  readonly #idle = new Map<string, { readonly connection: Connection; readonly since: number }[]>()
  readonly #open = new Set<Connection>()
  /** How often a connection to a node ended otherwise than by us. */
  readonly #losses = new Map<string, number>()
  readonly #sessions = new Sessions()
  /** Why a broker has ended a connection that was made already: an alert of TLS comes after the handshake. */
  readonly #refused = new WeakMap<Connection, Error>()
  #closed = false

  constructor(options: ClusterOptions) {
    this.options = options
  }

  /**
   * Asks until there is an answer that is not passing, or patience ends. `forget` drops what may have been wrong;
   * `again` says after which errors: by default also when no answer came, which is for what may happen twice.
   */
  async ask<T>(where: string, send: () => Promise<T>, forget?: () => void, again = mayAskAgain): Promise<T> {
    const until = performance.now() + (this.options.patienceMs ?? PATIENCE_MS)
    let doubtedSince: number | null = null
    for (let pause = PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 1.3)) {
      this.#assertOpen(where)
      try {
        return await send()
      } catch (error) {
        this.#assertOpen(where)
        if (!again(error) || performance.now() > until) throw error
        doubtedSince = doubtOf(error) === null ? null : (doubtedSince ?? performance.now())
        if (doubtedSince !== null && performance.now() - doubtedSince > DOUBT_MS) throw error
        if (reasonOf(error) !== 'CONCURRENT_TRANSACTIONS' && reasonOf(error) !== 'UNSTABLE_OFFSET_COMMIT') forget?.()
        await sleep(pause)
      }
    }
  }

  /** Sends one request over a connection of its own to a node. */
  async once<T>(node: Node, send: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#lend(node)
    let answer: T
    try {
      answer = await send(connection)
    } catch (error) {
      // A refusal leaves the connection as it is; anything else may have left half an answer on it.
      if (reasonOf(error) === null) {
        this.#lost(node, connection)
        await connection.close()
      } else this.#giveBack(node, connection)
      throw this.#refused.get(connection) ?? error
    }
    this.#giveBack(node, connection)
    return answer
  }

  /** Asks any broker; for what each of them can do, or passes on. */
  any<T>(where: string, send: (connection: Connection) => Promise<T>): Promise<T> {
    let turn = 0
    return this.ask(where, () => {
      const nodes = [...this.#nodes.values(), ...this.options.brokers.map(parseBroker)]
      return this.once(nodes[turn++ % nodes.length], send)
    })
  }

  /** Asks the leader of a partition. */
  leader<T>(topic: string, partition: number, send: (connection: Connection) => Promise<T>): Promise<T> {
    const forget = (): void => void this.#topics.delete(topic)
    return this.ask(`${topic}/${partition}`, async () => this.once(await this.leaderOf(topic, partition), send), forget)
  }

  /** Asks the coordinator of a group or of a transactional id. */
  coordinator<T>(
    type: Coordinated,
    id: string,
    send: (connection: Connection) => Promise<T>,
    again = mayAskAgain,
  ): Promise<T> {
    const forget = (): void => void this.#coordinators.delete(`${type} ${id}`)
    return this.ask(`${type} ${id}`, async () => this.once(await this.coordinatorOf(type, id), send), forget, again)
  }

  /** Parts of a request, together by the node that leads their partitions. */
  async byLeader<Part extends TopicPartition>(parts: readonly Part[]): Promise<Map<Node, Part[]>> {
    const leaders = new Map<Node, Part[]>()
    for (const part of parts) {
      const node = await this.leaderOf(part.topic, part.partition)
      const own = leaders.get(node)
      if (own === undefined) leaders.set(node, [part])
      else own.push(part)
    }
    return leaders
  }

  /** Node that leads a partition. Errors: SLUICE_TOPIC_UNKNOWN; BrokerError when it has no leader now. */
  async leaderOf(topic: string, partition: number): Promise<Node> {
    const { leaders } = this.#topics.get(topic) ?? (await this.topic(topic))
    if (!(partition in leaders)) {
      const detail = `partition ${partition} of topic ${topic}, which has ${leaders.length}`
      throw new CodedError('SLUICE_TOPIC_UNKNOWN', detail)
    }
    const node = this.#nodes.get(leaders[partition])
    if (node === undefined) {
      this.#topics.delete(topic)
      throw new BrokerError('Metadata', 'LEADER_NOT_AVAILABLE', `${topic}/${partition}`)
    }
    return node
  }

  forgetTopic(topic: string): void {
    this.#topics.delete(topic)
  }

  async coordinatorOf(type: Coordinated, id: string): Promise<Node> {
    const known = this.#coordinators.get(`${type} ${id}`)
    if (known !== undefined) return known
    const keyType = type === 'group' ? 0 : 1
    const answer = await this.any(`coordinator of ${type} ${id}`, (c) => findCoordinatorV4.api.async(c, keyType, [id]))
    const { host, port } = answer.coordinators[0]
    this.#coordinators.set(`${type} ${id}`, { host, port })
    return { host, port }
  }

  /** Asks the brokers about a topic. Errors: SLUICE_TOPIC_UNKNOWN. */
  async topic(name: string): Promise<TopicInfo> {
    let answer
    try {
      answer = await this.any(`topic ${name}`, (c) => metadataV12.api.async(c, [name], false))
    } catch (error) {
      const reason = reasonOf(error)
      if (reason !== 'UNKNOWN_TOPIC_OR_PARTITION' && reason !== 'INVALID_TOPIC_EXCEPTION') throw error
      throw new CodedError('SLUICE_TOPIC_UNKNOWN', `topic ${name}`, { cause: error })
    }
    this.#nodes.clear()
    for (const { nodeId, host, port } of answer.brokers) this.#nodes.set(nodeId, { host, port })
    const [{ topicId, partitions }] = answer.topics
    const leaders: number[] = []
    for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId
    const info = { id: topicId, leaders }
    this.#topics.set(name, info)
    return info
  }

  async #lend(node: Node): Promise<Connection> {
    this.#assertOpen(`${node.host}:${node.port}`)
    const idle = this.#idle.get(nameOf(node)) ?? []
    for (let kept = idle.pop(); kept !== undefined; kept = idle.pop()) {
      if (kept.connection.isConnected() && !this.#sessions.isOver(kept.connection)) return kept.connection
      void this.#discard(kept.connection)
    }
    const { clientId, tls, sasl: login } = this.options
    const sasl = login === undefined ? undefined : this.#sessions.keeping(login)
    // By its name a server behind a shared address knows which certificate to show; an address is none (RFC 6066).
    const tlsServerName = tls !== undefined && isIP(node.host) === 0
    const options = { requestTimeout: REQUEST_MS, connectTimeout: 5_000, maxInflights: 1, tls, tlsServerName, sasl }
    const connection = new Connection(clientId, options)
    // Whoever waits for an answer hears of it; without a listener the event alone would end the process.
    connection.on('error', (error: Error) => {
      if (denialOf(error) !== null) this.#refused.set(connection, error)
      this.#lost(node, connection)
    })
    connection.on('close', () => this.#lost(node, connection))
    this.#open.add(connection)
    await connection.connect(node.host, node.port)
    if (this.#closed) await this.#discard(connection)
    this.#assertOpen(`${node.host}:${node.port}`)
    return connection
  }

  #giveBack(node: Node, connection: Connection): void {
    const now = performance.now()
    const idle = this.#idle.get(nameOf(node)) ?? []
    this.#idle.set(nameOf(node), idle)
    if (connection.isConnected()) idle.push({ connection, since: now })
    // Ended by us, before the broker does it after ten minutes, which would look like a broker that is gone.
    while (idle.length > 0 && now - idle[0].since > IDLE_MS) void this.#discard(idle.shift()!.connection)
  }

  #lost(node: Node, connection: Connection): void {
    // What we have closed ourselves is not there any more.
    if (!this.#open.delete(connection)) return
    this.#losses.set(nameOf(node), this.losses(node) + 1)
  }

  /** How often a connection to this node has broken: what was accepted before may be gone since. */
  losses(node: Node): number {
    return this.#losses.get(nameOf(node)) ?? 0
  }

  async #discard(connection: Connection): Promise<void> {
    this.#open.delete(connection)
    await connection.close()
  }

  #assertOpen(where: string): void {
    if (this.#closed) throw new CodedError('SLUICE_CLOSED', where)
  }

  /** Ends every connection; requests under way reject with SLUICE_CLOSED. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#open].map((connection) => this.#discard(connection)))
  }
}

/** host:port as its parts. */
export function parseBroker(broker: string): Node {
  const colon = broker.lastIndexOf(':')
  const port = Number(broker.slice(colon + 1))
  if (colon < 1 || !Number.isInteger(port)) throw new Error(`brokers: '${broker}' is not host:port`)
  // An address of version 6 stands in brackets here, and without them in a socket's.
  return { host: broker.slice(0, colon).replace(/^\[|\]$/g, ''), port }
}
