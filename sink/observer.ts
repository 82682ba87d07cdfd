/** What a sink tells whoever watches it: once per block and per failed call, never per row. How far it is: Sink.lag. */
import type { TopicPartition } from '../streams/backend.ts'
import type { SinkError } from './errors.ts'

/** A block that ClickHouse has; `ms`: from the first try, with its turn and every try after it. */
export interface BlockSeen {
  readonly table: string
  readonly rows: number
  readonly bytes: number
  readonly ms: number
}

/** Callbacks return soon and do not throw. */
export interface SinkObserver {
  inserted(at: TopicPartition, block: BlockSeen): void
  retried(at: TopicPartition, table: string, error: SinkError, tries: number): void
}
