/**
 * The input of one round: generated payments with copies, conflicts and returns, ticks as `run` writes them, and one
 * record in a hundred that is bad: cut, of an unknown schema, empty, misrouted, of an implausible time, or invalid.
 */
import avsc from 'avsc'
import { generate } from '../../intake/generator.ts'
import { seeded, type Random } from '../../intake/random.ts'
import { records } from '../../schemas/topics.ts'
import { runLog } from '../model/run-log.ts'
import type { LogRecord } from '../model/types.ts'
import { settings } from './line.ts'

/** As a producer in another language sends it. */
export interface Message {
  readonly partition: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestamp: string
}

const NOT_AFTER = Date.UTC(2026, 1, 1)
const transaction = avsc.Type.forSchema(JSON.parse(records.transaction.schema) as avsc.Schema)
const tick = avsc.Type.forSchema(JSON.parse(records.tick.schema) as avsc.Schema)

function framed(id: number, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeInt32BE(id, 1)
  return Buffer.concat([head, body])
}

/** Messages in the order in which they are to be sent; `payments`: how many of them are payments. */
export function* input(seed: number, payments: number): Generator<Message> {
  const random = seeded(seed)
  const shares = { duplicateShare: 0.02, conflictShare: 0.005, returnShare: 0.03, badShare: 0.005 }
  const made = generate({ seed, payments, paymentsPerSecond: 40, ...shares })
  const rows = [...made].map(({ transaction }, row) => ({ file: 0, row, transaction }))
  const logs = runLog(rows, settings, { notAfter: NOT_AFTER })
  const at = logs.map(() => 0)
  // By turns, a piece of each: every partition has something to do all the time.
  for (let left = true; left;) {
    left = false
    for (const [partition, log] of logs.entries()) {
      const until = Math.min(log.length, at[partition] + 50)
      for (; at[partition] < until; at[partition]++) {
        if (random.chance(0.005)) yield bad(random, partition)
        yield messageOf(log[at[partition]], partition)
      }
      left ||= at[partition] < log.length
    }
  }
}

function messageOf(record: LogRecord, partition: number): Message {
  if (record.type === 'transaction') {
    const value = framed(records.transaction.id, transaction.toBuffer(record.transaction))
    return { partition, key: Buffer.from(record.key ?? ''), value, timestamp: String(record.acceptedAt) }
  }
  if (record.type !== 'tick') throw new Error(`a round has no ${record.type}`)
  const { at, clock, closeThrough } = record
  const value = framed(records.tick.id, tick.toBuffer({ at, clock, closeThrough }))
  return { partition, key: null, value, timestamp: '0' }
}

function bad(random: Random, partition: number): Message {
  const some = [...generate({ seed: 1 + random.below(1_000), payments: 1 })][0].transaction
  const whole = transaction.toBuffer(some)
  const values: (() => Buffer | null)[] = [
    () => framed(records.transaction.id, whole.subarray(0, 1 + random.below(whole.length - 1))),
    () => framed(60_000 + random.below(1_000), whole),
    () => framed(records.transaction.id, whole),
    () => Buffer.from('not Avro'),
    () => Buffer.alloc(0),
    () => null,
  ]
  const value = values[random.below(values.length)]()
  return { partition, key: Buffer.from('__proto__'), value, timestamp: String(NOT_AFTER) }
}
