/** What a contender has written, read back as a read_committed reader sees it, in the terms of the oracle. */

import { objectCodec } from '../../streams/avro/object.ts'
import type { Log } from '../../streams/backend.ts'
import { newFrame, walk } from '../../streams/records.ts'
import { decisionRow, settlementRow, type Pay1Outputs } from './oracle.ts'
import { decisionRecord, settlementRecord } from './pay1-topology.ts'
import { RowDigest } from './row-hash.ts'

interface Decision {
  readonly id: string
  readonly outcome: string
  readonly score: number
}
interface Settlement {
  readonly payerBank: string
  readonly payeeBank: string
  readonly currency: string
  readonly windowStart: number
  readonly sumMinor: number
  readonly count: number
}

const FETCH_BYTES = 4 << 20

export interface OutputTopics {
  readonly decisions: string
  readonly settlements: string
}

/** Windows that begin at the cutoff or after it are left out, for everybody. */
export async function readBack(log: Log, topics: OutputTopics, cutoff: number): Promise<Pay1Outputs> {
  const [decisions, settlements] = [new RowDigest(), new RowDigest()]
  let [declined, settledCount, settledMinor] = [0, 0, 0]
  const decision = objectCodec<Decision>(decisionRecord.schema)
  await readValues(log, topics.decisions, (value) => {
    const { id, outcome, score } = decision.decode(value)
    if (outcome === 'DECLINED') declined++
    decisions.add(decisionRow(id, outcome === 'DECLINED', score))
  })
  const settlement = objectCodec<Settlement>(settlementRecord.schema)
  await readValues(log, topics.settlements, (value) => {
    const { payerBank, payeeBank, currency, windowStart, sumMinor, count } = settlement.decode(value)
    if (windowStart >= cutoff) return
    settledCount += count
    settledMinor += sumMinor
    settlements.add(settlementRow(`${payerBank}|${payeeBank}|${currency}`, windowStart, sumMinor, count))
  })
  return {
    decisions: decisions.rows,
    declined,
    decisionDigest: decisions.toString(),
    settlements: settlements.rows,
    settledCount,
    settledMinor,
    settlementDigest: settlements.toString(),
  }
}

/** Every committed value of a topic, without its wire prefix. */
export async function readValues(log: Log, topic: string, take: (value: Uint8Array) => void): Promise<void> {
  const partitions = await log.partitions(topic)
  const frame = newFrame(4096)
  for (let partition = 0; partition < partitions; partition++) {
    const at = { topic, partition }
    const { start, end } = await log.bounds(at)
    for (let offset = start; offset < end;) {
      const fetched = await log.read(at, offset, FETCH_BYTES, 0)
      walk(fetched.bytes, offset, frame, topic)
      for (let row = 0; row < frame.rows; row++) {
        take(frame.bytes.subarray(frame.valueOffsets[row] + 5, frame.valueEnds[row]))
      }
      if (fetched.nextOffset === offset) break
      offset = fetched.nextOffset
    }
  }
}

/** What differs, as 'name: found / expected'. */
export const differencesOf = (found: Pay1Outputs, expected: Pay1Outputs): string[] =>
  (Object.keys(expected) as (keyof Pay1Outputs)[])
    .filter((name) => found[name] !== expected[name])
    .map((name) => `${name}: ${found[name]} / ${expected[name]}`)
