/** Schemas of other producers, older and newer than ours, and payments written with them. */
import avro from 'avsc'
import { tickValue, type Transaction } from '../../intake/wire.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { wire } from '../../streams/avro/object.ts'
import type { Backend } from '../../streams/backend.ts'
import { partitionOf } from '../../streams/hash.ts'
import { RecordBatchWriter } from '../../streams/records.ts'
import type { SchemaIds } from '../../streams/schema-ids.ts'
import { TestDriver, type DriverOptions } from '../../streams/testing.ts'
import type { WriterLookup } from '../../streams/writer-schemas.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'

export interface Avsc {
  type: string
  name: string
  namespace?: string
  fields: ({ name: string; type: unknown } & Record<string, unknown>)[]
}

export const ours = (): Avsc => JSON.parse(records.transaction.schema) as Avsc
export const text = (schema: object): string => JSON.stringify(schema)
const field = (schema: Avsc, name: string): Avsc['fields'][number] => schema.fields.find((one) => one.name === name)!

/** Versions that a producer may have, each readable as ours. */
export const compatible = {
  'with an optional field that we do not know': (): Avsc => {
    const schema = ours()
    schema.fields.splice(3, 0, { name: 'channel', type: ['null', 'string'], default: null })
    return schema
  },
  'with its fields in another order': (): Avsc => {
    const schema = ours()
    schema.fields.reverse()
    return schema
  },
  'without a field that has a default with us': (): Avsc => {
    const schema = ours()
    schema.fields = schema.fields.filter(({ name }) => name !== 'timePrecision' && name !== 'country')
    return schema
  },
  'with an int where we have a long': (): Avsc => {
    const schema = ours()
    field(schema, 'amountMinor').type = 'int'
    return schema
  },
} as const satisfies Record<string, () => Avsc>

/** Versions that must be refused, and the field that the words must name. */
export const incompatible: readonly [string, string, () => Avsc][] = [
  [
    'an amount as text',
    'amountMinor',
    () => {
      const schema = ours()
      field(schema, 'amountMinor').type = 'string'
      return schema
    },
  ],
  [
    'no payer bank',
    'payerBank',
    () => {
      const schema = ours()
      schema.fields = schema.fields.filter(({ name }) => name !== 'payerBank')
      return schema
    },
  ],
]

export const payment = (n: number): Transaction => ({
  producer: 'acquirer',
  payerAccount: `ACC-${n % 17}`,
  transactionId: `P${n}`,
  kind: 'PAYMENT',
  occurredAt: Date.UTC(2026, 0, 5, 12) + n * 1000,
  payerBank: n % 2 === 0 ? 'bank-a' : 'bank-b',
  payeeAccount: `PAYEE-${n % 5}`,
  payeeBank: n % 2 === 0 ? 'bank-b' : 'bank-a',
  merchant: null,
  amountMinor: 1_000 + n,
  currency: 'EUR',
  country: null,
  originalTransactionId: null,
  timePrecision: 'MILLISECOND',
})

/** A payment as another producer writes it: by avsc, under its own schema and id. */
export function writtenBy(schema: object, id: number, transaction: Transaction): Uint8Array {
  const type = avro.Type.forSchema(schema as avro.Schema)
  return wire(id, type.toBuffer({ channel: 'web', ...transaction }))
}

export interface Sent {
  readonly transaction: Transaction
  readonly value: Uint8Array
}

let senders = 0

/** Appends values to their partitions, or all of them to one. */
export async function append(backend: Backend, partitions: number, sent: readonly Sent[]): Promise<void> {
  const writer = await backend.log.writer(`producer-${senders++}`)
  const batches = Array.from({ length: partitions }, () => new RecordBatchWriter())
  for (const { transaction, value } of sent) {
    const key = Buffer.from(transaction.payerAccount)
    const batch = batches[partitionOf(key, 0, key.length, partitions)]
    if (batch.count === 0) batch.begin(transaction.occurredAt)
    batch.append(transaction.occurredAt, key, 0, key.length, value)
  }
  const appends = batches.flatMap((batch, partition) =>
    batch.count === 0 ? [] : [{ topic: topics.transactions.name, partition, batches: batch.finish() }],
  )
  await writer.commit({ appends, position: -1, metadata: '' })
  await writer.close()
}

/** Closes everything up to an instant, in all partitions. */
export async function close(backend: Backend, partitions: number, at: number, ids?: SchemaIds): Promise<void> {
  const writer = await backend.log.writer(`producer-${senders++}`)
  const appends = Array.from({ length: partitions }, (_, partition) => {
    const batch = new RecordBatchWriter()
    batch.begin(at)
    batch.append(at, null, 0, 0, tickValue(at, 'WALL', ids))
    return { topic: topics.transactions.name, partition, batches: batch.finish() }
  })
  await writer.commit({ appends, position: -1, metadata: '' })
  await writer.close()
}

/** The line over a backend that asks `lookup`; null: nobody. */
export function lineOver(
  backend: Backend,
  partitions: number,
  lookup: WriterLookup | null,
  task: DriverOptions['task'] = {},
): TestDriver {
  const settings = { ...defaultSettings, partitions }
  return new TestDriver({
    topologies: [payments(settings), settlement(settings)],
    topics: Object.values(topics),
    partitions,
    markOf: (topic) => (topic === topics.cyclePartials.name ? null : records.mark),
    backend,
    task: { writers: { topic: topics.writerSchemas.name, record: records.writerSchema, lookup }, ...task },
  })
}
