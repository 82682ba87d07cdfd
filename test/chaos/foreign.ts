/** The foreign client: kafkajs reads what a topic's read_committed readers see, each record once, however often it is cut off. */
import './kafkajs-aborted.ts'
import { Kafka, logLevel, type Consumer } from 'kafkajs'

/** A record as it lies in its partition. */
export interface Read {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestamp: number
}

export function client(brokers: readonly string[]): Kafka {
  const retry = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 100 }
  return new Kafka({ clientId: 'foreign', brokers: [...brokers], logLevel: logLevel.NOTHING, retry })
}

/**
 * A read_committed consumer from the beginning. A group hands records out again after a rebalance: what was handed out
 * already, by its offset, is left out here, so a copy that `each` sees is one in the log.
 */
export async function follow(
  kafka: Kafka,
  group: string,
  topics: readonly string[],
  each: (record: Read) => void,
): Promise<{ position(topic: string, partition: number): number; stop(): Promise<void> }> {
  const next = new Map<string, number>()
  const begin = async (): Promise<Consumer> => {
    const consumer = kafka.consumer({ groupId: group, sessionTimeout: 30_000, maxWaitTimeInMs: 500 })
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({
      eachBatchAutoResolve: true,
      eachBatch: async ({ batch: { topic, partition, messages } }) => {
        const name = `${topic}/${partition}`
        for (const { offset, key, value, timestamp } of messages) {
          if (Number(offset) < (next.get(name) ?? 0)) continue
          next.set(name, Number(offset) + 1)
          each({ topic, partition, offset: Number(offset), key, value, timestamp: Number(timestamp) })
        }
      },
    })
    return consumer
  }
  let stopped = false
  let consumer = await begin()
  const { CRASH } = consumer.events
  const watch = (): void => {
    // What the client takes for final (a broker that is gone) is a reason to begin again.
    consumer.on(CRASH, ({ payload }) => {
      if (stopped || payload.restart) return
      void consumer
        .disconnect()
        .then(begin)
        .then((again) => {
          consumer = again
          watch()
        })
    })
  }
  watch()
  return {
    position: (topic, partition) => next.get(`${topic}/${partition}`) ?? 0,
    async stop() {
      stopped = true
      await consumer.disconnect()
    },
  }
}
