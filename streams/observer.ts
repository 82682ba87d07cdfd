/**
 * What a task tells whoever watches it: plain callbacks, per batch, commit, delta and change of phase, never per record.
 *
 * A callback is called after the thing happened; with `ms` before now it began. It must return soon and must not throw.
 * Gauges (position, end, K, R, entries not yet written behind) are fields of the task and are asked for, not told.
 */

/**
 * created -> recovering -> running -> stopped (handed over or told to stop), fenced (another owner has it), waiting (an
 * error of unknown outcome: it comes back as recovering) or halted (an operator is needed).
 */
export type TaskPhase = 'created' | 'recovering' | 'running' | 'stopped' | 'fenced' | 'waiting' | 'halted'

/** A recovery: K and R as found, what the log keeps, and the rows of [R, K) that were processed again. */
export interface Recovery {
  readonly committed: number
  readonly stored: number
  readonly logStart: number
  readonly logEnd: number
  readonly reprocessed: number
  readonly ms: number
}

/** One fetch that brought something; `ms` includes the wait for records to come in. */
export interface FetchSeen {
  readonly from: number
  readonly next: number
  readonly end: number
  readonly rows: number
  readonly bytes: number
  readonly ms: number
}

/** Rows that became one commit, processed. */
export interface BatchSeen {
  /** Offset of the first row, and the position after the last one. */
  readonly from: number
  readonly to: number
  /** All rows, and those of them that are events or unreadable (the rest are ticks and control records). */
  readonly rows: number
  readonly received: number
  readonly late: number
  readonly duplicates: number
  readonly conflicting: number
  /** By reason; empty mostly. */
  readonly deadLetters: ReadonlyMap<string, number>
  /** Records with a sequence number that was there already: copies, dropped. */
  readonly dropped: number
  /** Records written, by topic. */
  readonly written: ReadonlyMap<string, number>
  /** In all, and of it the waits for state that had to be loaded. */
  readonly ms: number
  readonly loadMs: number
}

/** A commit that is durable and visible. */
export interface CommitSeen {
  readonly position: number
  /** Bytes of the record batches that it carried. */
  readonly bytes: number
  /** From the call to durable and visible; before the call it waited for earlier commits. */
  readonly ms: number
  readonly waitMs: number
  /** Acceptance times of its oldest and newest row, milliseconds since 1970; NaN when it had none. */
  readonly oldestAcceptedAt: number
  readonly newestAcceptedAt: number
}

/** A delta that the store has acknowledged. */
export interface DeltaSeen {
  readonly from: number
  readonly to: number
  readonly entries: number
  readonly bytes: number
  readonly ms: number
}

/** What was refused: a delta of a fenced owner, a delta at a position that is not the state's, a read of such a state. */
export type Refused = 'delta-fenced' | 'delta-moved' | 'read-moved'

export interface TaskObserver {
  readonly phase: (task: string, phase: TaskPhase, error: Error | null) => void
  readonly recovered: (task: string, recovery: Recovery) => void
  readonly fetched: (task: string, fetch: FetchSeen) => void
  readonly processed: (task: string, batch: BatchSeen) => void
  readonly committed: (task: string, commit: CommitSeen) => void
  readonly applied: (task: string, delta: DeltaSeen) => void
  readonly refused: (task: string, what: Refused) => void
  /** It stands still in front of a record although there is input, and why; null: it goes on. */
  readonly stalled?: (task: string, why: string | null) => void
}

const nothing = (): void => {}

/** Watches nothing. */
export const noObserver: TaskObserver = {
  phase: nothing,
  recovered: nothing,
  fetched: nothing,
  processed: nothing,
  committed: nothing,
  applied: nothing,
  refused: nothing,
}
