/** What the live side reads of the log: tails, alerts by position, searching by bytes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LiveAlerts } from '../../cli/live/alerts.ts'
import { needleOf, recordsHolding } from '../../cli/live/log-search.ts'
import { codecOf, endsOf, Tail } from '../../cli/live/tail.ts'
import { Troubles } from '../../cli/live/troubles.ts'
import type { AlertEvent } from '../../intake/http/ports.ts'
import type { AlertRecord } from '../../schemas/generated.ts'
import { records, topics } from '../../schemas/topics.ts'
import { wire } from '../../streams/avro/object.ts'
import type { Log } from '../../streams/backend.ts'
import { CodedError } from '../../streams/errors.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { newFrame, RecordBatchWriter } from '../../streams/records.ts'

const topic = topics.alerts.name
const alertOf = (transactionId: string, seq = 0): AlertRecord => ({
  task: 0,
  seq,
  logicalTime: 1,
  alert: 'HELD',
  producer: 'shop',
  payerAccount: 'ACC-1',
  transactionId,
  occurredAt: 5,
  amountMinor: 1230,
  currency: 'EUR',
  score: 60,
  reasons: ['velocity'],
})

async function memoryLog(): Promise<Log> {
  const { log } = openMemory()
  await log.createTopics([{ name: topic, partitions: 2 }])
  return log
}

/** Appends alerts with these ids, each followed by a mark. */
async function append(log: Log, partition: number, ids: readonly string[]): Promise<void> {
  const batch = new RecordBatchWriter()
  batch.begin(0)
  const mark = wire(records.mark.id, codecOf(records.mark).encode({ task: partition, nextSeq: 0, logicalTime: 0 }))
  for (const id of ids) {
    batch.append(0, null, 0, 0, wire(records.alert.id, codecOf<AlertRecord>(records.alert).encode(alertOf(id))))
    batch.append(0, null, 0, 0, mark)
  }
  const writer = await log.writer(`test-${partition}`)
  await writer.commit({ appends: [{ topic, partition, batches: batch.finish() }], position: -1, metadata: '' })
}

const soon = async (right: () => boolean): Promise<void> => {
  for (let i = 0; !right() && i < 500; i++) await sleep(10)
  expect(right()).toBe(true)
}

test('a tail gives each record once, those that are there and those that come; marks are passed over', async () => {
  const log = await memoryLog()
  await append(log, 0, ['a', 'b'])
  const heard: string[] = []
  const failed: Error[] = []
  const tail = new Tail<AlertRecord>({
    log,
    topic,
    type: records.alert,
    from: await endsOf(log, topic, 2),
    deliver: (alert, partition) => void heard.push(`${partition}${alert.transactionId}`),
    failed: (error) => failed.push(error),
  })
  await soon(() => heard.length === 1)
  await append(log, 1, ['c'])
  await soon(() => heard.length === 2)
  expect(heard).toEqual(['0b', '1c'])
  await soon(() => tail.offsets[0] === 4 && tail.offsets[1] === 2)
  tail.stop()
  await append(log, 0, ['d'])
  await tail.done
  expect([heard.length, failed]).toEqual([2, []])
})

test('a tail goes on where it was when the log was away, and what is wrong is said while it is', async () => {
  const log = await memoryLog()
  await append(log, 0, ['a'])
  let away = false
  const read: Log['read'] = (...asked) =>
    away ? Promise.reject(new CodedError('SLUICE_BROKER_FAILED', 'fetch')) : log.read(...asked)
  const flaky = new Proxy(log, {
    get: (of, name) => (name === 'read' ? read : (Reflect.get(of, name) as unknown)),
  })
  const heard: string[] = []
  const errors: Error[] = []
  const troubles = new Troubles((error) => errors.push(error))
  const tail = new Tail<AlertRecord>({
    log: flaky,
    topic,
    type: records.alert,
    from: [0, 0],
    deliver: (alert) => void heard.push(alert.transactionId),
    failed: troubles.ended,
    interrupted: troubles.passing(),
  })
  await soon(() => heard.length === 1)
  away = true
  await append(log, 0, ['b'])
  await soon(() => troubles.words.length === 1)
  expect(troubles.words[0]).toMatch(/goes on by itself: SLUICE_BROKER_FAILED/)
  await append(log, 1, ['c'])
  away = false
  await soon(() => heard.length === 3 && troubles.words.length === 0)
  expect([heard.toSorted(), errors.length]).toEqual([['a', 'b', 'c'], 1])
  tail.stop()
  await tail.done
})

test('a tail that meets bytes of another shape says so, once', async () => {
  const log = await memoryLog()
  const batch = new RecordBatchWriter()
  batch.begin(0)
  batch.append(0, null, 0, 0, wire(records.alert.id, Uint8Array.from([2, 4])))
  const writer = await log.writer('test')
  await writer.commit({ appends: [{ topic, partition: 0, batches: batch.finish() }], position: -1, metadata: '' })
  const failed: string[] = []
  const tail = new Tail({
    log,
    topic,
    type: records.alert,
    from: [0, 0],
    deliver: () => {},
    failed: (error) => failed.push(error.name),
  })
  await tail.done
  expect(failed).toEqual(['AvroError'])
})

test('alerts go on after every position that they gave, and refuse positions of another log', async () => {
  const log = await memoryLog()
  await append(log, 0, ['a', 'b', 'c'])
  await append(log, 1, ['x', 'y'])
  const alerts = new LiveAlerts(log, (error) => {
    throw error
  })
  const follow = async (after: string | null, count: number): Promise<AlertEvent[]> => {
    const heard: AlertEvent[] = []
    const following = await alerts.follow(after, (alert) => heard.push(alert))
    await soon(() => heard.length >= count)
    following.stop()
    return heard
  }
  const all = await follow('start', 5)
  expect(all).toHaveLength(5)
  for (let i = 0; i < all.length; i++) {
    const rest = await follow(all[i].id, 4 - i)
    const ids = (some: readonly AlertEvent[]): string[] => some.map(({ transactionId }) => transactionId).sort()
    expect(ids(rest)).toEqual(ids(all.slice(i + 1)))
  }
  const [of] = all[0].id.split('.')
  for (const wrong of ['', 'x', `${of}.0`, `${of}.0.0.0`, `${of}.0.99`, `${of}.-1.0`, '00000000.0.0'])
    await expect(alerts.follow(wrong, () => {})).rejects.toThrow(/no position/)
  await alerts.close()
})

test('the log is searched by bytes: only records that hold the id, only in the asked range', async () => {
  const log = await memoryLog()
  await append(log, 0, ['needle-1', 'other', 'needle-1'])
  await append(log, 0, ['none'])
  const at = { topic, partition: 0 }
  const find = async (from: number, to: number, id: string): Promise<number> =>
    (await recordsHolding<AlertRecord>(log, at, from, to, [records.alert], needleOf(id), newFrame(4))).length
  expect(await find(0, 8, 'needle-1')).toBe(2)
  expect(await find(1, 8, 'needle-1')).toBe(1)
  expect(await find(0, 4, 'needle-1')).toBe(1)
  expect(await find(0, 8, 'nowhere')).toBe(0)
})
