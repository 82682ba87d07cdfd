/**
 * Values as the intake writes them into the input topic: wire prefix (0x00, id as int32 BE), then Avro.
 *
 * Written field by field in the order of the schemas; a test holds them against avsc. (avsc itself refuses longs beyond
 * 2^53 - 2, and an amount may be 2^53.)
 */
import { records, type RecordType } from '../schemas/topics.ts'
import type { TransactionFields } from '../schemas/validate.ts'
import { Arena } from '../streams/arena.ts'
import { pinnedIds, type SchemaIds } from '../streams/schema-ids.ts'

/** A valid transaction, as it is written. */
export interface Transaction extends TransactionFields {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly occurredAt: number
  readonly timePrecision: TimePrecision
}

export const kinds = ['PAYMENT', 'REFUND', 'REVERSAL', 'CHARGEBACK'] as const
export const timePrecisions = ['MILLISECOND', 'SECOND', 'DAY'] as const
export type TimePrecision = (typeof timePrecisions)[number]
const tickClocks = ['FILES', 'WALL', 'SIMULATED'] as const
export type TickClock = (typeof tickClocks)[number]

const arena = new Arena(1024)

function begin(type: RecordType, ids: SchemaIds): void {
  const id = ids.idOf(type)
  arena.clear()
  arena.byte(0)
  arena.byte(id >>> 24)
  arena.byte((id >>> 16) & 255)
  arena.byte((id >>> 8) & 255)
  arena.byte(id & 255)
}

function optionalText(text: string | null): void {
  arena.byte(text === null ? 0 : 2)
  if (text !== null) arena.text(text)
}

/** A transaction of the newest version. `ids` here and below: those of the log. */
export function transactionValue(transaction: Transaction, ids: SchemaIds = pinnedIds): Uint8Array {
  begin(records.transaction, ids)
  arena.text(transaction.producer)
  arena.text(transaction.payerAccount)
  arena.text(transaction.transactionId)
  arena.byte(kinds.indexOf(transaction.kind) << 1)
  arena.long(transaction.occurredAt)
  arena.text(transaction.payerBank)
  arena.text(transaction.payeeAccount)
  arena.text(transaction.payeeBank)
  optionalText(transaction.merchant)
  arena.long(transaction.amountMinor)
  arena.text(transaction.currency)
  optionalText(transaction.country)
  optionalText(transaction.originalTransactionId)
  arena.byte(timePrecisions.indexOf(transaction.timePrecision) << 1)
  return arena.toBytes()
}

/** A tick of a ticker: it closes nothing by itself. */
export function tickValue(at: number, clock: TickClock, ids: SchemaIds = pinnedIds): Uint8Array {
  begin(records.tick, ids)
  arena.long(at)
  arena.byte(tickClocks.indexOf(clock) << 1)
  arena.byte(0)
  return arena.toBytes()
}

/** What an operator decides on a held transaction. */
export interface HoldResolution {
  readonly resolutionId: string
  readonly action: 'RELEASE' | 'REJECT'
  readonly producer: string
  readonly payerAccount: string
  readonly transactionId: string
  readonly by: string
  readonly why: string
  readonly notSettledElsewhere: boolean
}

export function holdResolutionValue(resolution: HoldResolution, ids: SchemaIds = pinnedIds): Uint8Array {
  begin(records.holdResolution, ids)
  arena.text(resolution.resolutionId)
  arena.byte(resolution.action === 'RELEASE' ? 0 : 2)
  arena.text(resolution.producer)
  arena.text(resolution.payerAccount)
  arena.text(resolution.transactionId)
  arena.text(resolution.by)
  arena.text(resolution.why)
  arena.byte(resolution.notSettledElsewhere ? 1 : 0)
  return arena.toBytes()
}

/** Instant of a tick in a whole value with its prefix, or null when the value is another record. */
export function tickOf(value: Uint8Array, ids: SchemaIds = pinnedIds): number | null {
  if (value.length < 6 || value[0] !== 0) return null
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  if (view.getInt32(1) !== ids.idOf(records.tick)) return null
  let at = 5
  let zigzag = 0
  let scale = 1
  for (;;) {
    if (at >= value.length || at > 14) return null
    const byte = value[at++]
    zigzag += (byte & 127) * scale
    if (byte < 128) break
    scale *= 128
  }
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
}
