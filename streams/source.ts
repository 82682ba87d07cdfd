/** Where events come in: what a topology says about its source, and the records of a fetch as rows of a frame. */

import type { Check } from './checks.ts'
import type { ClockSettings } from './stream-time.ts'

/** A record type and its pinned wire id. */
export interface RecordType {
  readonly name: string
  readonly id: number
  readonly schema: string
}

/** A code column worked out from a text column: 255 where the text is absent or not known. */
export interface CodeOf {
  readonly name: string
  readonly of: string
  readonly code: (bytes: Uint8Array, offset: number, length: number) => number
}

/** A source of events as columns, with ticks, control records and unreadable rows between them. */
export interface EventSource {
  readonly objects: false
  /** Columns of the reader's schema and what the source adds. */
  readonly columns: readonly string[]
  /** The reader's schema first, then the other pinned writers. */
  readonly events: readonly RecordType[]
  readonly tick: RecordType
  readonly controls: readonly RecordType[]
  readonly unreadable: RecordType
  /** Record types that are known and belong on other topics. */
  readonly foreign: readonly RecordType[]
  /** Whether a control record says what it must; one that does not is a dead letter. */
  readonly acceptsControl: (type: string, value: Readonly<Record<string, unknown>>) => boolean
  /** Number column of the event time. */
  readonly time: string
  /** Text column that the record key must equal. */
  readonly key: string
  readonly codes: readonly CodeOf[]
  readonly checks: readonly Check[]
  readonly clock: ClockSettings & { readonly earliestEventTime: number; readonly maxAheadMs: number }
  /** Marks are forwarded after every k-th tick: of an import, of a ticker. */
  readonly markEvery: { readonly files: number; readonly ticker: number }
  /** Stream time that one step may span: the horizon of dedup over its buckets; what is held in a step is known in the next. */
  readonly stepSpanMs: number
  /** What a dead letter says, by reason. */
  readonly words: Readonly<Record<string, string>>
}

/** A source of cold records as plain objects, numbered per source task: copies are dropped and counted, a gap halts. */
export interface ObjectSource {
  readonly objects: true
  readonly columns: readonly string[]
  readonly records: readonly RecordType[]
}

export type SourceSpec = EventSource | ObjectSource

/** Columns that an event source adds to the fields of its schema; `event`: the event's canonical Avro bytes. */
export const sourceColumns = ['cycleStart', 'late', 'canonical', 'event'] as const
