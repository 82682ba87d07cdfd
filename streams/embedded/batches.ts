/**
 * Offsets in Kafka v2 record batches: where batches begin, how many offsets they span, setting base offsets.
 *
 * Of a batch header only base offset (int64 at 0), length (int32 at 8, counted from 12), magic (int8 at 16) and
 * lastOffsetDelta (int32 at 23) matter here. The checksum covers neither base offset nor length, so both stay settable.
 */

const MIN_BATCH = 61

function fail(what: string, position: number, length: number): never {
  throw new Error(`record batches: ${what} at byte ${position} of ${length}`)
}

/** Bytes of the batch at `position`; throws when it is not a whole v2 batch. */
function batchBytes(view: DataView, position: number): number {
  if (position + MIN_BATCH > view.byteLength) fail('cut batch', position, view.byteLength)
  const bytes = 12 + view.getInt32(position + 8)
  if (bytes < MIN_BATCH || position + bytes > view.byteLength) fail('wrong batch length', position, view.byteLength)
  if (view.getInt8(position + 16) !== 2) fail('not a v2 batch', position, view.byteLength)
  if (view.getInt32(position + 23) < 0) fail('negative last offset delta', position, view.byteLength)
  return bytes
}

/** Pieces of about `target` bytes, cut between batches, with the number of offsets that each spans. */
export function splitBatches(batches: Uint8Array, target: number): { bytes: Uint8Array; span: number }[] {
  const view = new DataView(batches.buffer, batches.byteOffset, batches.byteLength)
  const pieces: { bytes: Uint8Array; span: number }[] = []
  let start = 0
  let span = 0
  let position = 0
  while (position < batches.byteLength) {
    const bytes = batchBytes(view, position)
    if (position > start && position + bytes - start > target) {
      pieces.push({ bytes: batches.subarray(start, position), span })
      start = position
      span = 0
    }
    span += view.getInt32(position + 23) + 1
    position += bytes
  }
  if (position > start) pieces.push({ bytes: batches.subarray(start, position), span })
  return pieces
}

/**
 * Sets the base offsets in place, from `base` on.
 * Returns the offset after the last record, and where the batch that holds `from` begins (0 when all are at or after it).
 */
export function placeBatches(batches: Uint8Array, base: number, from: number): { next: number; begin: number } {
  const view = new DataView(batches.buffer, batches.byteOffset, batches.byteLength)
  let next = base
  let begin = 0
  let position = 0
  while (position < batches.byteLength) {
    const bytes = batchBytes(view, position)
    view.setUint32(position, Math.floor(next / 0x1_0000_0000))
    view.setUint32(position + 4, next % 0x1_0000_0000)
    next += view.getInt32(position + 23) + 1
    position += bytes
    if (next <= from) begin = position
  }
  return { next, begin }
}

/** Number of offsets that whole batches span. */
export function spanOf(batches: Uint8Array): number {
  let span = 0
  for (const piece of splitBatches(batches, Number.MAX_SAFE_INTEGER)) span += piece.span
  return span
}
