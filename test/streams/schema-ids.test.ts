/** Ids of the wire prefix are names: the same log under other ids gives the same records, digests and dead letters. */
import { describe, expect, test } from 'vitest'
import { fixedLog } from '../../bench/fixed-digest.ts'
import { tickOf, tickValue, transactionValue, type Transaction } from '../../intake/wire.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { fedTopicsUnder } from '../../sink/topics.ts'
import { newFrame, walk } from '../../streams/records.ts'
import { pinnedIds, schemaIds, type SchemaIds } from '../../streams/schema-ids.ts'
import { TestDriver } from '../../streams/testing.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'

/** As a registry might give them: dense, from 1, in another order, so that every pinned id means something else. */
const given = schemaIds(
  Object.fromEntries(
    Object.values(records)
      .toReversed()
      .map(({ name }, i) => [name, i + 1]),
  ),
)
const partitions = 2
const notOutputs: readonly string[] = [topics.transactions.name, topics.imports.name, topics.writerSchemas.name]
const goodTransaction: Transaction = {
  producer: 'shop',
  payerAccount: 'DE-1',
  transactionId: 'P1',
  kind: 'PAYMENT',
  occurredAt: 1_767_614_400_123,
  payerBank: 'bank-a',
  payeeAccount: 'FR-2',
  payeeBank: 'bank-b',
  merchant: null,
  amountMinor: 10_000,
  currency: 'EUR',
  country: null,
  originalTransactionId: null,
  timePrecision: 'MILLISECOND',
}

/** Everything that the line writes for a log full of trouble, under some ids. */
async function lineUnder(ids: SchemaIds): Promise<TestDriver> {
  const settings = { ...defaultSettings, partitions }
  const driver = new TestDriver({
    topologies: [payments(settings), settlement(settings)],
    topics: Object.values(topics),
    partitions,
    markOf: (topic) => (topic === topics.cyclePartials.name ? null : records.mark),
    task: { schemas: ids },
  })
  await driver.create()
  const writer = await driver.backend.log.writer('fixed')
  for (const [partition, fetches] of fixedLog(3_000, partitions, ids).entries()) {
    const appends = fetches.map((batches) => ({ topic: topics.transactions.name, partition, batches }))
    await writer.commit({ appends, position: 0, metadata: '' })
  }
  await driver.run()
  return driver
}

async function firstId(driver: TestDriver, topic: string): Promise<number> {
  const { bytes } = await driver.backend.log.read({ topic, partition: 0 }, 0, 1 << 20, 0)
  const frame = newFrame(16)
  walk(bytes, 0, frame)
  return frame.view.getInt32(frame.valueOffsets[0] + 1)
}

test('a log under other ids gives the same records, the same dead letters and the same digests', async () => {
  const [mine, other] = [await lineUnder(pinnedIds), await lineUnder(given)]
  expect(other.digests()).toEqual(mine.digests())
  for (const { name } of Object.values(topics)) {
    if (notOutputs.includes(name)) continue
    const written = await mine.read(name)
    expect(await other.read(name)).toEqual(written)
    expect(written.length).toBeGreaterThan(0)
  }
  const kept = (await other.read(topics.deadLetters.name)).filter(
    ({ value }) => value['rawValue'] instanceof Uint8Array,
  )
  expect(kept.length).toBeGreaterThan(0)
  expect(await firstId(mine, topics.decisions.name)).toBe(records.decision.id)
  expect(await firstId(other, topics.decisions.name)).toBe(given.idOf(records.decision))
})

describe('under ids of a registry', () => {
  test('the intake writes them and reads them back', () => {
    const transaction = transactionValue(goodTransaction, given)
    expect(new DataView(transaction.buffer, transaction.byteOffset).getInt32(1)).toBe(given.idOf(records.transaction))
    expect(transaction.subarray(5)).toEqual(transactionValue(goodTransaction).subarray(5))
    const tick = tickValue(1_767_614_400_123, 'WALL', given)
    expect(tickOf(tick, given)).toBe(1_767_614_400_123)
    expect(tickOf(tick)).toBeNull()
  })

  test('the sink expects them', () => {
    for (const { name, record, markId } of fedTopicsUnder(given)) {
      const type = Object.values(topics).find((topic) => topic.name === name)!.records[0]
      expect(record.id).toBe(given.idOf(type))
      expect(markId).toBe(given.idOf(records.mark))
    }
  })

  test('a type without an id, two types with one, and what is no id are refused', () => {
    expect(() => schemaIds({ 'tick.v1': 4 }).idOf(records.mark)).toThrow(/no schema id for mark\.v1/)
    expect(() => schemaIds({ 'tick.v1': 4, 'mark.v1': 4 })).toThrow(/4 is given to tick\.v1 and to mark\.v1/)
    expect(() => schemaIds({ 'tick.v1': 2 ** 31 })).toThrow(/no id/)
  })
})
