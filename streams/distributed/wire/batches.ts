/**
 * Record batches between columns and broker: stamped with producer and sequence on the way out, and on the way in
 * filtered to what was committed. Layout of a batch: streams/records.ts.
 */
import { crc32c } from '../../hash.ts'
import type { FetchAnswer } from './requests.ts'

const HEADER = 61
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/**
 * A copy of one batch as part of a transaction: producer id, epoch and first sequence set, base offset 0, new checksum.
 * The original stays as it is: the same bytes may go to several partitions.
 */
export function stamped(batch: Uint8Array, producerId: bigint, epoch: number, sequence: number): Uint8Array {
  return numbered(batch, producerId, epoch, sequence, TRANSACTIONAL)
}

/** The same of an idempotent producer, outside of transactions. */
export function numbered(
  batch: Uint8Array,
  producerId: bigint,
  epoch: number,
  sequence: number,
  attributes = 0,
): Uint8Array {
  // Not slice: that of a Buffer copies nothing.
  const copy = new Uint8Array(batch)
  const view = new DataView(copy.buffer)
  view.setBigInt64(0, 0n)
  view.setInt32(12, -1)
  view.setInt16(21, (view.getInt16(21) & ~TRANSACTIONAL) | attributes)
  view.setBigInt64(43, producerId)
  view.setInt16(51, epoch)
  view.setInt32(53, sequence)
  view.setUint32(17, crc32c(copy.subarray(21)))
  return copy
}

/**
 * The batches of an answer that a reader may see: whole ones, committed, with records. A transaction counts as aborted
 * from the offset that the broker names until its own marker says so. `next` is the offset after the last whole batch,
 * `from` when there is none: behind what was dropped, too.
 */
export function committedOf(answer: FetchAnswer, from: number): { bytes: Uint8Array; next: number } {
  const { bytes, aborted } = answer
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const dead = new Set<bigint>()
  let begun = 0
  let next = from
  const kept: Uint8Array[] = []
  let length = 0
  for (let at = 0; at + HEADER <= bytes.length;) {
    const end = at + 12 + view.getInt32(at + 8)
    if (end > bytes.length || end < at + HEADER) break
    const last = view.getBigInt64(at) + BigInt(view.getInt32(at + 23))
    const producerId = view.getBigInt64(at + 43)
    const attributes = view.getInt16(at + 21)
    while (begun < aborted.length && aborted[begun].firstOffset <= last) dead.add(aborted[begun++].producerId)
    const dropped = (attributes & TRANSACTIONAL) !== 0 && dead.has(producerId)
    if ((attributes & CONTROL) !== 0) {
      if (isAbortMarker(bytes, at + HEADER)) dead.delete(producerId)
    } else if (!dropped && Number(last) >= from) {
      kept.push(bytes.subarray(at, end))
      length += end - at
    }
    next = Math.max(next, Number(last) + 1)
    at = end
  }
  if (length === bytes.length) return { bytes, next }
  return { bytes: new Uint8Array(Buffer.concat(kept, length)), next }
}

/** Whether the one record of a control batch is an abort marker: its key is a version and a type, 0 = abort. */
function isAbortMarker(bytes: Uint8Array, at: number): boolean {
  const skipVarint = (): void => {
    while (bytes[at++] > 127);
  }
  skipVarint()
  at++
  skipVarint()
  skipVarint()
  skipVarint()
  return bytes[at + 2] === 0 && bytes[at + 3] === 0
}
