/**
 * A task as it is watched: adds up what the steps of a batch found and tells the observer. Without an observer nothing is
 * counted, and every call returns at once.
 */

import type { Append, Delta } from './backend.ts'
import type { Frame } from './batch.ts'
import type { ReadStep } from './event-reader.ts'
import { noObserver, type Refused, type TaskObserver, type TaskPhase } from './observer.ts'
import type { Output } from './output.ts'
import { eachPut } from './puts.ts'
import type { Store } from './store.ts'

/** What of a processor is looked at after each step. */
interface Watched {
  readonly graph: { readonly outputs: readonly Output[] }
  readonly stores: ReadonlyMap<string, Store>
  /** The step that has just run. */
  readonly ran: Pick<ReadStep, 'from' | 'to' | 'frame'> & Partial<ReadStep>
}

/** What the log keeps of the input. */
interface LogBounds {
  readonly start: number
  readonly end: number
}

/** A commit on its way: tell when it is called, and when it is done. */
export interface CommitWatch {
  called(): void
  done(): void
}
const unwatched: CommitWatch = { called: () => {}, done: () => {} }

export class Watch {
  private readonly task: string
  private readonly observer: TaskObserver
  private readonly on: boolean
  /** Whether the timestamps of its input say when a record was accepted; of records of other tasks they are logical time. */
  private readonly accepts: boolean
  private began = 0
  private rows = 0
  private received = 0
  private late = 0
  private duplicates = 0
  private conflicting = 0
  private loadMs = 0
  private droppedBefore = 0
  private deadLetters = new Map<string, number>()
  private readonly recordsBefore = new Map<Output, number>()

  constructor(task: string, observer: TaskObserver | undefined, accepts: boolean) {
    this.task = task
    this.accepts = accepts
    this.observer = observer ?? noObserver
    this.on = observer !== undefined
    this.phase('created')
  }

  phase(phase: TaskPhase, error: Error | null = null): void {
    this.observer.phase(this.task, phase, error)
  }

  refused(what: Refused): void {
    this.observer.refused(this.task, what)
  }

  /** Ready to run, after a recovery that began at `began` (performance.now()). */
  recovered(began: number, committed: number, stored: number, log: LogBounds, reprocessed: number): void {
    const ms = performance.now() - began
    this.observer.recovered(this.task, { committed, stored, logStart: log.start, logEnd: log.end, reprocessed, ms })
  }

  /** `began`: when the fetch was asked for (performance.now()). */
  fetched(began: number, from: number, frame: Frame, fetched: { nextOffset: number; endOffset: number }): void {
    if (!this.on || fetched.nextOffset === from) return
    const { nextOffset: next, endOffset: end } = fetched
    const { rows, bytes } = frame
    this.observer.fetched(this.task, { from, next, end, rows, bytes: bytes.length, ms: performance.now() - began })
  }

  /** A batch begins. */
  begin(processor: Watched): void {
    if (!this.on) return
    this.began = performance.now()
    this.rows = this.received = this.late = this.duplicates = this.conflicting = this.loadMs = 0
    this.deadLetters = new Map()
    this.droppedBefore = dropped(processor)
    for (const output of processor.graph.outputs) this.recordsBefore.set(output, output.records)
  }

  /** State was waited for, since `began`. */
  loaded(began: number): void {
    this.loadMs += performance.now() - began
  }

  /** A step ran. Two array reads per row and no call: a few ns of the microseconds that a row takes. */
  stepped({ ran }: Watched): void {
    if (!this.on) return
    const { frame, from, to, batch, received, deadLetters } = ran
    this.rows += to - from
    this.received += received ?? 0
    for (const { value } of deadLetters ?? []) {
      this.deadLetters.set(value.reason, (this.deadLetters.get(value.reason) ?? 0) + 1)
    }
    if (batch === undefined) return
    const late = codes(frame, 'late')
    const novelty = codes(frame, 'novelty')
    const { selection, count } = batch
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      if (late !== null) this.late += late[row]
      // The codes of deduplicate: 0 fresh, 1 duplicate, 2 conflicting.
      if (novelty !== null && novelty[row] !== 0) {
        if (novelty[row] === 1) this.duplicates++
        else this.conflicting++
      }
    }
  }

  /** The batch of the offsets [from, to) is processed. */
  processed(processor: Watched, from: number, to: number): void {
    if (!this.on) return
    const written = new Map<string, number>()
    for (const output of processor.graph.outputs) {
      const { topic } = output.destination
      const records = output.records - (this.recordsBefore.get(output) ?? 0)
      if (records > 0) written.set(topic, (written.get(topic) ?? 0) + records)
    }
    const { rows, received, late, duplicates, conflicting, deadLetters, loadMs } = this
    const ms = performance.now() - this.began
    const counts = { rows, received, late, duplicates, conflicting, deadLetters, loadMs, ms, from, to, written }
    this.observer.processed(this.task, { ...counts, dropped: dropped(processor) - this.droppedBefore })
  }

  /** A commit of what rows [from, to) of the frame gave; to be made before the frame is used again. */
  commit(position: number, appends: readonly Append[], frame: Frame, from: number, to: number): CommitWatch {
    if (!this.on) return unwatched
    const { oldest, newest } = acceptedIn(frame, from, this.accepts ? to : from)
    const bytes = appends.reduce((sum, { batches }) => sum + batches.length, 0)
    const ready = performance.now()
    let called = ready
    return {
      called: () => (called = performance.now()),
      done: () =>
        this.observer.committed(this.task, {
          position,
          bytes,
          ms: performance.now() - called,
          waitMs: called - ready,
          oldestAcceptedAt: oldest,
          newestAcceptedAt: newest,
        }),
    }
  }

  /** A delta was sent at `began` and is acknowledged. */
  applied(began: number, { from, to, puts, removes }: Delta): void {
    if (!this.on) return
    const ms = performance.now() - began
    let bytes = 0
    eachPut(puts, (_kind, _keys, keyFrom, keyTo, _values, valueFrom, valueTo) => {
      bytes += keyTo - keyFrom + valueTo - valueFrom
    })
    for (const { key } of removes) bytes += key.length
    this.observer.applied(this.task, { from, to, entries: puts.length + removes.length, bytes, ms })
  }
}

const codes = (frame: Frame, name: string): Uint8Array | null => {
  const column = frame.columns.get(name)
  return column?.kind === 'code' ? column.values : null
}

function dropped({ stores }: Watched): number {
  let sum = 0
  for (const store of stores.values()) sum += store.dropped ?? 0
  return sum
}

/** Oldest and newest acceptance time of rows [from, to); NaN when there are none. */
function acceptedIn({ acceptedAt }: Frame, from: number, to: number): { oldest: number; newest: number } {
  let oldest = to > from ? acceptedAt[from] : NaN
  let newest = oldest
  for (let row = from + 1; row < to; row++) {
    const at = acceptedAt[row]
    if (at > newest) newest = at
    else if (at < oldest) oldest = at
  }
  return { oldest, newest }
}
