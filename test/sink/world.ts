/** A log with output records made by hand, and a ClickHouse with the tables: what the tests of the sink stand on. */
import { join } from 'node:path'
import type { Log } from '../../streams/backend.ts'
import { objectCodec, wire } from '../../streams/avro/object.ts'
import { RecordBatchWriter } from '../../streams/records.ts'
import { records, topics } from '../../schemas/topics.ts'
import { ClickHouse } from '../../sink/clickhouse.ts'
import { migrate } from '../../sink/migrations.ts'
import { startClickHouse, type ClickHouseServer } from '../../sink/server.ts'

/** 2026-01-05 12:00:00 UTC, the start of a cycle. */
export const noon = Date.UTC(2026, 0, 5, 12)

const typeOf = {
  'transaction-outcomes': records.transactionOutcome,
  decisions: records.decision,
  alerts: records.alert,
  'hold-events': records.holdEvent,
  'dead-letters': records.deadLetter,
  settlements: records.settlement,
  instructions: records.instruction,
} as const
export type OutputTopic = keyof typeof typeOf
export type Value = Record<string, unknown>

const markCodec = objectCodec<Value>(records.mark.schema)
const codecs = new Map(
  Object.entries(typeOf).map(([topic, { id, schema }]) => [topic, { id, codec: objectCodec<Value>(schema) }]),
)
export const encoded = (topic: OutputTopic, value: Value): Uint8Array => {
  const { id, codec } = codecs.get(topic)!
  return wire(id, codec.encode(value))
}

/** Every topic of the line with `partitions` input partitions. */
export async function makeTopics(log: Log, partitions: number): Promise<void> {
  await log.createTopics(
    Object.values(topics).map(({ name, partitions: many }) => ({ name, partitions: many === 'one' ? 1 : partitions })),
  )
}

/** Writes output records with the numbers that they get, as a task does. */
export class Outputs {
  private readonly log: Log
  private readonly next = new Map<string, number>()
  private readonly batches = new Map<string, { topic: string; partition: number; parts: Uint8Array[] }>()

  constructor(log: Log) {
    this.log = log
  }

  /** Records with task, seq and logicalTime filled in; `values` give the rest. Not in the log before `commit`. */
  add(topic: OutputTopic, partition: number, ...values: Value[]): this {
    const writer = new RecordBatchWriter()
    writer.begin(noon)
    for (const value of values) {
      const seq = this.next.get(`${topic}/${partition}`) ?? 0
      this.next.set(`${topic}/${partition}`, seq + 1)
      writer.append(noon, null, 0, 0, encoded(topic, { task: partition, seq, logicalTime: noon, ...value }))
    }
    return this.push(topic, partition, writer.finish())
  }

  mark(topic: OutputTopic, partition: number, logicalTime = noon): this {
    const nextSeq = this.next.get(`${topic}/${partition}`) ?? 0
    return this.raw(
      topic,
      partition,
      wire(records.mark.id, markCodec.encode({ task: partition, nextSeq, logicalTime })),
    )
  }

  /** A value as it is. */
  raw(topic: OutputTopic, partition: number, value: Uint8Array): this {
    const writer = new RecordBatchWriter()
    writer.begin(noon)
    writer.append(noon, null, 0, 0, value)
    return this.push(topic, partition, writer.finish())
  }

  async commit(): Promise<void> {
    const writer = await this.log.writer('outputs')
    const appends = [...this.batches.values()].map(({ topic, partition, parts }) => ({
      topic,
      partition,
      batches: new Uint8Array(Buffer.concat(parts)),
    }))
    this.batches.clear()
    await writer.commit({ appends, position: 0, metadata: '' })
    await writer.close()
  }

  private push(topic: string, partition: number, batch: Uint8Array): this {
    const key = `${topic}/${partition}`
    const entry = this.batches.get(key) ?? { topic, partition, parts: [] }
    entry.parts.push(batch)
    this.batches.set(key, entry)
    return this
  }
}

export const transaction = (over: Value = {}): Value => ({
  producer: 'acme',
  payerAccount: 'acc-1',
  transactionId: 'P1',
  kind: 'PAYMENT',
  occurredAt: noon,
  payerBank: 'bank-a',
  payeeAccount: 'acc-2',
  payeeBank: 'bank-b',
  merchant: null,
  amountMinor: 10_000,
  currency: 'EUR',
  country: null,
  originalTransactionId: null,
  timePrecision: 'MILLISECOND',
  ...over,
})

export const alert = (over: Value = {}): Value => ({
  alert: 'HELD',
  producer: 'acme',
  payerAccount: 'acc-1',
  transactionId: 'P1',
  occurredAt: noon,
  amountMinor: 10_000,
  currency: 'EUR',
  score: 70,
  reasons: ['velocity'],
  ...over,
})

export interface Warehouse {
  readonly server: ClickHouseServer
  /** As the sink's writer, in the database of the tables. */
  readonly admin: ClickHouse
  readonly analyst: ClickHouse
  /** Empties every table, its memory of tokens included. */
  empty(): Promise<void>
  close(): Promise<void>
}

export async function openWarehouse(directory: string): Promise<Warehouse> {
  const server = await startClickHouse({ directory: join(directory, 'data'), environment: { PATH: '' } })
  const url = (): string => server.endpoint().url
  const outside = new ClickHouse({ url, credentials: server.admin, database: 'default' })
  const admin = new ClickHouse({ url, credentials: server.admin, database: server.database })
  const analyst = new ClickHouse({ url, credentials: server.analyst, database: server.database })
  await migrate(outside, server.database)
  return {
    server,
    admin,
    analyst,
    async empty() {
      await outside.command(`DROP DATABASE ${server.database} SYNC`)
      await migrate(outside, server.database)
    },
    async close() {
      await Promise.all([outside.close(), admin.close(), analyst.close()])
      await server.stop()
    },
  }
}
