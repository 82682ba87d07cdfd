/**
 * Finds the records about one transaction in the part of the log that the tables do not have yet.
 *
 * Nothing is indexed while payments flow: a question reads the last seconds of the log and looks for the id's bytes, a
 * gigabyte a second, and decodes only what has them.
 */

import { setImmediate as turn } from 'node:timers/promises'
import type { RecordType } from '../../schemas/topics.ts'
import type { Log, TopicPartition } from '../../streams/backend.ts'
import type { Frame } from '../../streams/batch.ts'
import { inflate, walk } from '../../streams/records.ts'
import type { SchemaIds } from '../../streams/schema-ids.ts'
import { MAX_BATCH_BYTES, objectAt } from './tail.ts'

const READ_BYTES = 1 << 20

/** The records of these types at offsets [from, to) whose bytes hold `needle`, in order. */
export async function recordsHolding<T>(
  log: Log,
  at: TopicPartition,
  from: number,
  to: number,
  types: readonly RecordType[],
  needle: Buffer,
  frame: Frame,
  ids?: SchemaIds,
): Promise<T[]> {
  const found: T[] = []
  for (let offset = from; offset < to;) {
    const fetched = await log.read(at, offset, READ_BYTES, 0)
    if (fetched.nextOffset === offset) break
    const bytes = inflate(fetched.bytes, MAX_BATCH_BYTES, at.topic)
    if (buffer(bytes, 0, bytes.length).includes(needle)) {
      walk(bytes, offset, frame, `${at.topic}/${at.partition}`)
      for (let row = 0; row < frame.rows && frame.offsets[row] < to; row++) {
        const start = frame.valueOffsets[row]
        const end = frame.valueEnds[row]
        if (end < 0 || !buffer(bytes, start, end).includes(needle)) continue
        for (const type of types) {
          const value = objectAt<T>(type, bytes, start, end, ids)
          if (value !== null) found.push(value)
        }
      }
    }
    offset = fetched.nextOffset
    // The line goes first: a long backlog is read in turns with it.
    await turn()
  }
  return found
}

/** The bytes of a text that is looked for. */
export const needleOf = (text: string): Buffer => Buffer.from(text, 'utf8')

const buffer = (bytes: Uint8Array, from: number, to: number): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from)
