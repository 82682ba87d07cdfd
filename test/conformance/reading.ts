/** Reading a whole partition of a log under test. */
import { expect } from 'vitest'
import type { Log, TopicPartition } from '../../streams/backend.ts'
import { recordsOf } from './batches.ts'

export const MEGABYTE = 1 << 20

/** All records from an offset on, by reads of about `maxBytes`. */
export async function readAll(
  log: Log,
  at: TopicPartition,
  from = 0,
  maxBytes = MEGABYTE,
): Promise<{ offset: number; value: string }[]> {
  const records: { offset: number; value: string }[] = []
  for (let offset = from; ;) {
    const { bytes, nextOffset } = await log.read(at, offset, maxBytes, 0)
    // Behind what no reader sees a read may move on, but it does so at once.
    if (bytes.length === 0) return records.filter((record) => record.offset >= from)
    records.push(...recordsOf(bytes))
    expect(nextOffset).toBeGreaterThan(offset)
    offset = nextOffset
  }
}

export const valuesOf = (records: { value: string }[]): string[] => records.map((record) => record.value)

/**
 * So many records can be read: at once, where a commit is one moment; on a log of markers each partition shows it by
 * its own marker, a little later, with nothing else to be done for it.
 */
export async function expectThere(log: Log, at: TopicPartition, records: number, waitMs: number): Promise<void> {
  let found = 0
  for (let offset = 0; found < records;) {
    const { bytes, nextOffset } = await log.read(at, offset, MEGABYTE, waitMs)
    expect(bytes.length).toBeGreaterThan(0)
    found += recordsOf(bytes).length
    offset = nextOffset
  }
}
