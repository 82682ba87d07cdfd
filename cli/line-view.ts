/** What the sheet, the page and the commands see of a line that runs: in this process, or in workers elsewhere. */

import type { AsOf } from '../dashboard/snapshot.ts'
import type { Processor, Topology } from '../streams/index.ts'
import type { TopicPartition } from '../streams/backend.ts'
import type { Line } from './engine.ts'

export interface TaskView {
  readonly name: string
  readonly options: { readonly at: TopicPartition }
  /** K, and what the log had at the last look. */
  readonly committed: number
  readonly end: number
  /** Why its partition stands still; null when it does not, and of a task elsewhere, which says so itself. */
  readonly stalled: string | null
  /** Stores, clock and outputs; in workers elsewhere as they were when the task last wrote its state. */
  readonly processor: Processor
}

export interface LineView {
  readonly line: Line
  readonly topologies: readonly [Topology, Topology]
  /** Source tasks first, in the order of their partitions, then the settlement task. */
  readonly tasks: readonly TaskView[]
  /** What stopped it; null while it runs, or while somebody else has to know. */
  readonly halted: Error | null
  /** Which point the tasks are shown at; null: at this instant. */
  readonly asOf: AsOf | null
  /** Input records that are in the log and not committed by their task. */
  lag(): number
  /** Largest closedThrough of the source tasks: the log's clock. */
  closedThrough(): number
  /** Resolves when every task has committed all of its input, and is seen as it is then. */
  caughtUp(): Promise<void>
  /** Awaited by an intake before it appends more. */
  readonly pace: () => Promise<void>
}
