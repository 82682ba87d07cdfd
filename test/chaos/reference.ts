/**
 * The independent reference: the input topic, read by a foreign client and decoded by another library, through the model,
 * which shares no operator with the line; and the differences between what it says and what was written.
 */
import { isDeepStrictEqual } from 'node:util'
import avsc from 'avsc'
import { firstRules } from '../../processors/rules.ts'
import { records, topics } from '../../schemas/topics.ts'
import { settle, type ModelResult } from '../model/settle.ts'
import type { LogRecord, Transaction } from '../model/types.ts'
import { comparable, lists, show } from '../simulation/agree.ts'
import { lineResult } from '../simulation/line.ts'
import type { Kafka } from 'kafkajs'
import { follow } from './foreign.ts'
import { settings } from './line.ts'
import type { Reader } from './reader.ts'

const transaction = avsc.Type.forSchema(JSON.parse(records.transaction.schema) as avsc.Schema)
const tick = avsc.Type.forSchema(JSON.parse(records.tick.schema) as avsc.Schema)

/** A record of the input as the contract classifies it. */
function recordOf(key: Buffer | null, value: Buffer | null, timestamp: number): LogRecord {
  if (value === null || value.length < 5 || value[0] !== 0) return { type: 'unreadable', reason: 'undecodable' }
  const id = value.readInt32BE(1)
  if (id !== records.transaction.id && id !== records.tick.id) return { type: 'unreadable', reason: 'unknown-schema' }
  try {
    if (id === records.tick.id) {
      const { at, clock, closeThrough } = tick.fromBuffer(value.subarray(5)) as Extract<LogRecord, { type: 'tick' }>
      return { type: 'tick', at, clock, closeThrough }
    }
    const decoded = { ...(transaction.fromBuffer(value.subarray(5)) as Transaction) }
    return { type: 'transaction', key: key?.toString() ?? null, acceptedAt: timestamp, transaction: decoded }
  } catch {
    return { type: 'unreadable', reason: 'undecodable' }
  }
}

/** Reads the whole input topic, and what has to become of it. */
export async function reference(kafka: Kafka, prefix: string): Promise<{ model: ModelResult; events: number }> {
  const topic = `${prefix}.${topics.transactions.name}`
  const admin = kafka.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  const log: LogRecord[][] = Array.from({ length: settings.partitions }, () => [])
  const unreadable: (string | null)[][] = log.map(() => [])
  const reading = await follow(kafka, `${prefix}-reference`, [topic], ({ partition, key, value, timestamp }) => {
    const record = recordOf(key, value, timestamp)
    log[partition].push(record)
    if (record.type === 'unreadable') unreadable[partition].push(key?.toString() ?? null)
  })
  const through = (): boolean => ends.every(({ partition, high }) => reading.position(topic, partition) >= Number(high))
  while (!through()) await new Promise((resolve) => setTimeout(resolve, 100))
  await reading.stop()
  const events = log.flat().filter(({ type }) => type !== 'tick').length
  const model = settle(log, settings, firstRules)
  // The model's unreadable rows come from files and have no key; these came from a topic, in the same order.
  for (const letter of model.deadLetters) {
    if (letter.transaction === null) letter.key = unreadable[letter.task].shift() ?? null
  }
  return { model, events }
}

/** Records that the reference has and the line has not, those that only the line has, and those that differ. */
export async function differences(
  reader: Reader,
  model: ModelResult,
): Promise<{ lost: number; more: number; wrong: number; found: string[] }> {
  const line = await lineResult(async (topic) => reader.written(topic), settings)
  const found: string[] = []
  let [lost, more, wrong] = [0, 0, 0]
  for (const name of lists) {
    const [ours, theirs] = [line[name], model[name]]
    lost += Math.max(0, theirs.length - ours.length)
    more += Math.max(0, ours.length - theirs.length)
    for (let at = 0; at < Math.min(ours.length, theirs.length); at++) {
      const [left, right] = [comparable(ours[at]), comparable(theirs[at])]
      if (isDeepStrictEqual(left, right)) continue
      wrong++
      if (found.length < 10) found.push(`${name} ${at}: the reference says ${show(right)}, the line ${show(left)}`)
    }
  }
  return { lost, more, wrong, found }
}
