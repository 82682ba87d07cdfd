/** Where in the log a record of a given number stands: binary search, since numbers grow with offsets. */
import type { Log, TopicPartition } from '../streams/backend.ts'
import type { Frame } from '../streams/batch.ts'
import { walk } from '../streams/records.ts'
import { WIRE_PREFIX } from './wire.ts'
import { readHead } from './rows.ts'

const head = new Float64Array(3)

/** Number of the first record (of a mark: of the record after it) at or after an offset; null when there is none. */
async function numberAt(log: Log, at: TopicPartition, offset: number, frame: Frame): Promise<number | null> {
  let from = offset
  for (;;) {
    const fetched = await log.read(at, from, 1, 0)
    if (fetched.bytes.length === 0) return null
    walk(fetched.bytes, from, frame, `${at.topic}/${at.partition}`)
    if (frame.rows > 0) {
      readHead(frame.bytes, frame.valueOffsets[0] + WIRE_PREFIX, frame.valueEnds[0], head)
      return head[1]
    }
    from = fetched.nextOffset
  }
}

/**
 * An offset at or before that of record `seq` and near it: everything before it has a lower number. The start of the log
 * when `seq` is 0 or less; the caller checks that what it reads from there begins at or below `seq`.
 */
export async function seekSeq(log: Log, at: TopicPartition, seq: number, frame: Frame): Promise<number> {
  const { start, end } = await log.bounds(at)
  if (seq <= 0) return start
  let low = start
  let high = end
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    const number = await numberAt(log, at, middle, frame)
    if (number !== null && number <= seq) low = middle
    else high = middle
  }
  return low
}
