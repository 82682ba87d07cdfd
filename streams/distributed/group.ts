/**
 * Membership in a consumer group that shares out tasks and never commits: classic protocol, cooperative-sticky.
 *
 * A task is a topic of one partition that stays empty: all it does is to be assigned. So members may run different sets
 * of tasks, and a task keeps its meaning whatever others join with. Cooperative means that only what moves is given up.
 * The group is told about it (the next JoinGroup) only when `revoked` has resolved; nobody gets a task before that.
 */
import { isIP } from 'node:net'
import { Consumer, type ConnectionOptions } from '@platformatic/kafka'
import type { Group } from '../backend.ts'
import { taskGroup, taskTopic } from './names.ts'
import { parseBroker, sleep } from './wire/cluster.ts'
import { brokerError } from './wire/errors.ts'

export interface GroupOptions {
  readonly prefix: string
  readonly clientId: string
  readonly brokers: readonly string[]
  readonly tls?: ConnectionOptions['tls']
  readonly sasl?: ConnectionOptions['sasl']
  /** After so long without a heartbeat a member is taken for dead: what a crash costs. */
  readonly sessionTimeoutMs?: number
  readonly heartbeatMs?: number
  /** The longest that giving up tasks may take. */
  readonly rebalanceTimeoutMs?: number
  /** Makes the topic of a task. */
  readonly createTopic: (name: string) => Promise<void>
  /** A callback failed, or the group cannot be reached: nothing is assigned anew until it can. */
  readonly onError?: (error: Error) => void
}

/** What tells that the coordinator still knows this member, or that it is none any more. */
const answers = ['consumer:heartbeat:end', 'consumer:group:join', 'consumer:group:leave'] as const

/** A membership that broke is made anew this long after; brokers that are away come back or not. */
const REVIVE_MS = 500

export function kafkaGroup(options: GroupOptions): Group & { close(): Promise<void> } {
  const members = new Set<Member>()
  return {
    async join(tasks, on) {
      const topics = new Map(tasks.map((task) => [taskTopic(options.prefix, task), task]))
      await Promise.all([...topics.keys()].map((topic) => options.createTopic(topic)))
      const member = new Member(options, topics, on)
      members.add(member)
      try {
        await member.join()
      } catch (error) {
        members.delete(member)
        await member.close()
        throw brokerError(error, `group ${taskGroup(options.prefix)}`)
      }
      const leave = (): Promise<void> => {
        members.delete(member)
        return member.leave()
      }
      return { leave, confirmed: (task) => member.confirmed(task) }
    },
    async close() {
      await Promise.all([...members].map((member) => member.leave()))
      members.clear()
    },
  }
}

class Member {
  readonly #options: GroupOptions
  /** Task by its topic. */
  readonly #topics: ReadonlyMap<string, string>
  readonly #on: Parameters<Group['join']>[1]
  readonly #held = new Set<string>()
  /** Whoever waits to hear from the coordinator. */
  readonly #waiting = new Set<() => void>()
  #consumer: Consumer
  #left: Promise<void> | null = null
  #reviving = false

  constructor(options: GroupOptions, topics: ReadonlyMap<string, string>, on: Parameters<Group['join']>[1]) {
    this.#options = options
    this.#topics = topics
    this.#on = on
    this.#consumer = this.#make()
  }

  #make(): Consumer {
    const options = this.#options
    // Tasks go on while a membership that broke is made anew; what another has meanwhile is given up behind.
    let joined = false
    const consumer: Consumer = new Consumer({
      clientId: options.clientId,
      groupId: taskGroup(options.prefix),
      bootstrapBrokers: [...options.brokers],
      tls: options.tls,
      // As for every other connection (wire/cluster.ts); an address is no name.
      tlsServerName:
        options.tls !== undefined && options.brokers.every((broker) => isIP(parseBroker(broker).host) === 0),
      sasl: options.sasl,
      sessionTimeout: options.sessionTimeoutMs ?? 10_000,
      heartbeatInterval: options.heartbeatMs ?? 1_000,
      rebalanceTimeout: options.rebalanceTimeoutMs ?? 30_000,
      protocols: [{ name: 'cooperative-sticky', version: 3 }],
      // Asked before every JoinGroup: the one place where the client waits for us.
      protocolsMetadata: async () => {
        if (joined) await this.#giveUp(this.#assigned())
        return Buffer.alloc(0)
      },
      autocommit: false,
      metadataMaxAge: 1_000,
      retries: 20,
      retryDelay: 100,
    })
    consumer.on('consumer:group:join', () => {
      joined = true
      this.#take()
    })
    for (const event of answers) consumer.on(event, () => this.#heard())
    consumer.on('error', (error: Error) => this.#broke(consumer, error))
    consumer.on('consumer:heartbeat:stalled', () => this.#broke(consumer, new Error('no heartbeat was answered')))
    return consumer
  }

  async join(): Promise<void> {
    this.#consumer.topics.trackAll(...this.#topics.keys())
    await this.#consumer.joinGroup({})
  }

  /** What the group has now assigned to this member; nothing while it is none. */
  #assigned(): Set<string> {
    const names = (this.#consumer.assignments ?? []).map(({ topic }) => this.#topics.get(topic))
    return new Set(names.filter((task) => task !== undefined))
  }

  #take(): void {
    const begin = (): void => {
      for (const task of this.#left === null ? this.#assigned() : []) {
        if (this.#held.has(task)) continue
        this.#held.add(task)
        this.#on.assigned(task)
      }
    }
    // Again behind it: what is being given up may have come back meanwhile.
    void this.#giveUp(this.#assigned()).then(begin)
    begin()
  }

  /** Gives up what is held and not wanted any more. */
  async #giveUp(wanted: ReadonlySet<string>): Promise<void> {
    const lost = [...this.#held].filter((task) => !wanted.has(task))
    await Promise.all(
      lost.map(async (task) => {
        try {
          await this.#on.revoked(task)
        } catch (error) {
          this.#options.onError?.(error as Error)
        }
        this.#held.delete(task)
      }),
    )
  }

  #heard(): void {
    for (const heard of this.#waiting) heard()
    this.#waiting.clear()
  }

  /** A heartbeat or a join that is answered from now on: the assignment of that generation holds. */
  async confirmed(task: string): Promise<boolean> {
    if (this.#left === null) await new Promise<void>((resolve) => this.#waiting.add(resolve))
    return this.#left === null && this.#assigned().has(task)
  }

  /** The client does not join again by itself after some errors: a new member takes the place of the old one. */
  #broke(consumer: Consumer, error: Error): void {
    this.#options.onError?.(error)
    if (consumer !== this.#consumer || this.#left !== null || this.#reviving) return
    this.#reviving = true
    void this.#revive().finally(() => (this.#reviving = false))
  }

  async #revive(): Promise<void> {
    while (this.#left === null) {
      await this.#consumer.close(true).catch(() => undefined)
      await sleep(REVIVE_MS)
      if (this.#left !== null) return
      this.#consumer = this.#make()
      try {
        await this.join()
        return
      } catch (error) {
        this.#options.onError?.(error as Error)
      }
    }
  }

  leave(): Promise<void> {
    this.#left ??= (async () => {
      this.#heard()
      await this.#giveUp(new Set())
      // Where the group cannot be told, its session time-out does it.
      await new Promise<void>((resolve) => {
        this.#consumer.leaveGroup(true, (error) => {
          if (error) this.#options.onError?.(error)
          resolve()
        })
      })
      await this.close()
    })()
    return this.#left
  }

  async close(): Promise<void> {
    await this.#consumer.close(true).catch((error: unknown) => this.#options.onError?.(error as Error))
  }
}
