/** Avro bytes of one transaction, by whatever schema they were written, as fields. */
import { kindSymbols, timePrecisionSymbols } from '../../schemas/generated.ts'
import { records } from '../../schemas/topics.ts'
import { FAULT, compileDecoder, type Decoder } from '../../streams/avro/decode.ts'
import { unreadable } from '../../streams/avro/resolvable.ts'
import type { CodeColumn, Frame, NumberColumn, TextColumn } from '../../streams/batch.ts'
import { newFrame } from '../../streams/records.ts'

/** Why records of a schema that a file brings with it cannot be read as transactions by Avro's rules; null when they can. */
export function refusedSchema(schema: string): string | null {
  const why = unreadable(schema, records.transaction.schema)
  if (why === null) return null
  return `Its schema cannot be read as a transaction: ${why}. Write with a schema that resolves to schemas/transaction.v2.avsc.`
}

export type TextField =
  | 'producer'
  | 'payerAccount'
  | 'transactionId'
  | 'payerBank'
  | 'payeeAccount'
  | 'payeeBank'
  | 'merchant'
  | 'currency'
  | 'country'
  | 'originalTransactionId'

/** Reads one record after the other; what it says is of the last one. */
export class TransactionReader {
  /** Bytes that texts stand in. */
  bytes: Uint8Array = new Uint8Array(0)
  private readonly frame: Frame = newFrame(1)
  private readonly decode: Decoder
  private readonly rows = Int32Array.of(0)
  private readonly fault = new Uint8Array(1)
  private viewed: Uint8Array | null = null

  /** Errors: SchemaError for a schema that cannot be read as ours. */
  constructor(schema: string) {
    this.decode = compileDecoder(schema, records.transaction.schema)
  }

  /** Reads bytes[start, end), without wire prefix. */
  read(bytes: Uint8Array, start: number, end: number): 'ok' | 'undecodable' | 'record-too-large' {
    const { frame } = this
    if (this.viewed !== bytes) {
      frame.bytes = bytes
      frame.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      this.viewed = bytes
    }
    // The decoder expects the wire prefix in front and does not look at it.
    frame.valueOffsets[0] = start - 5
    frame.valueEnds[0] = end
    this.decode(frame, this.rows, 1, frame.columns, this.fault)
    this.bytes = (frame.columns.get('producer') as TextColumn).bytes
    if (this.fault[0] === FAULT.tooLarge) return 'record-too-large'
    return this.fault[0] === FAULT.none ? 'ok' : 'undecodable'
  }

  /** Where a text stands in `bytes`; length -1 when it is absent. */
  place(field: TextField): { at: number; length: number } {
    const { offsets, lengths } = this.frame.columns.get(field) as TextColumn
    return { at: offsets[0], length: lengths[0] }
  }

  text(field: TextField): string | null {
    const { at, length } = this.place(field)
    return length < 0 ? null : Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, length).toString('utf8')
  }

  /** Infinite beyond 2^53. */
  number(field: 'occurredAt' | 'amountMinor'): number {
    return (this.frame.columns.get(field) as NumberColumn).values[0]
  }

  kind(): (typeof kindSymbols)[number] {
    return kindSymbols[(this.frame.columns.get('kind') as CodeColumn).values[0]]
  }

  timePrecision(): (typeof timePrecisionSymbols)[number] {
    return timePrecisionSymbols[(this.frame.columns.get('timePrecision') as CodeColumn).values[0]]
  }
}
