/**
 * Membership in a consumer group that shares out tasks and never commits: classic protocol, cooperative-sticky.
 *
 * A task is a topic of one partition that stays empty: all it does is to be assigned. So members may run different sets
 * of tasks, and a task keeps its meaning whatever others join with. Cooperative means that only what moves is given up.
 * The group is told about it (the next JoinGroup) only when `revoked` has resolved; nobody gets a task before that.
 */
import { Consumer, type ConnectionOptions } from '@platformatic/kafka'
import type { Group } from '../backend.ts'
import { taskGroup, taskTopic } from './names.ts'
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

export function kafkaGroup(options: GroupOptions): Group & { close(): Promise<void> } {
  const members = new Set<() => Promise<void>>()
  return {
    async join(tasks, on) {
      const topics = new Map(tasks.map((task) => [taskTopic(options.prefix, task), task]))
      await Promise.all([...topics.keys()].map((topic) => options.createTopic(topic)))
      const consumer = new Consumer({
        clientId: options.clientId,
        groupId: taskGroup(options.prefix),
        bootstrapBrokers: [...options.brokers],
        tls: options.tls,
        sasl: options.sasl,
        sessionTimeout: options.sessionTimeoutMs ?? 10_000,
        heartbeatInterval: options.heartbeatMs ?? 1_000,
        rebalanceTimeout: options.rebalanceTimeoutMs ?? 30_000,
        protocols: [{ name: 'cooperative-sticky', version: 3 }],
        // Asked before every JoinGroup: the one place where the client waits for us.
        protocolsMetadata: async () => {
          await giveUp()
          return Buffer.alloc(0)
        },
        autocommit: false,
        metadataMaxAge: 1_000,
        retries: 20,
        retryDelay: 100,
      })
      const held = new Set<string>()
      const failed = options.onError ?? ((): void => undefined)

      /** What the group has now assigned to this member; null while it is none. */
      const assigned = (): Set<string> => {
        const names = (consumer.assignments ?? []).map(({ topic }) => topics.get(topic))
        return new Set(names.filter((task) => task !== undefined))
      }
      /** Gives up what is held and no longer assigned. */
      async function giveUp(everything = false): Promise<void> {
        const wanted = everything ? new Set<string>() : assigned()
        const lost = [...held].filter((task) => !wanted.has(task))
        await Promise.all(
          lost.map(async (task) => {
            try {
              await on.revoked(task)
            } catch (error) {
              failed(error as Error)
            }
            held.delete(task)
          }),
        )
      }
      consumer.on('consumer:group:join', () => {
        for (const task of assigned()) {
          if (held.has(task)) continue
          held.add(task)
          on.assigned(task)
        }
      })
      consumer.on('error', failed)
      let left: Promise<void> | null = null
      const leave = (): Promise<void> => {
        left ??= (async () => {
          members.delete(leave)
          await giveUp(true)
          await new Promise<void>((resolve, reject) => {
            consumer.leaveGroup(true, (error) => (error ? reject(error) : resolve()))
          })
          await consumer.close(true)
        })()
        return left
      }
      /** A heartbeat or a join that was answered: the assignment of this generation holds. */
      const confirmed = async (task: string): Promise<boolean> => {
        if (left === null) {
          await new Promise<void>((resolve) => {
            const heard = (): void => {
              for (const event of answers) consumer.off(event, heard)
              resolve()
            }
            for (const event of answers) consumer.on(event, heard)
          })
        }
        return left === null && assigned().has(task)
      }
      members.add(leave)
      try {
        consumer.topics.trackAll(...topics.keys())
        await consumer.joinGroup({})
      } catch (error) {
        members.delete(leave)
        await consumer.close(true)
        throw brokerError(error, `group ${taskGroup(options.prefix)}`)
      }
      return { leave, confirmed }
    },
    async close() {
      await Promise.all([...members].map((leave) => leave()))
    },
  }
}
