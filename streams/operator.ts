/** What an operator is: a specification that can be validated and described, and what it becomes inside a task. */

import type { Batch, Frame } from './batch.ts'
import type { HashKey } from './hash.ts'
import type { Store } from './store.ts'

/** Cold records, as plain objects, each with the row that caused it; ascending by row. */
export interface Item<T = unknown> {
  readonly row: number
  readonly value: T
}
export type Items<T = unknown> = readonly Item<T>[]

/** What flows along an edge in one step. */
export type Flowing = Batch | Items

/** Hands a value to everything that follows on that port. */
export type Emit = (port: string, value: Flowing) => void

/** A control record, decoded, in its own step. */
export interface Control {
  readonly type: string
  readonly value: Readonly<Record<string, unknown>>
  readonly row: number
}

/** Cycles that a row closed: all that end at or before closedThrough, emitted before the row itself is judged. */
export interface Closing {
  readonly row: number
  readonly closedThrough: number
  /** A ticker runs, or an import ends here: sinks should have what this closes at once. */
  readonly cut: boolean
}

/** The step that a task is in: rows [from, to) of the frame. */
export interface Step {
  readonly frame: Frame
  readonly from: number
  readonly to: number
  readonly closings: readonly Closing[]
  /** The control record that the step consists of. */
  readonly control?: Control | null
}

/** What an operator may ask of its task. */
export interface TaskContext {
  /** Number of the input partition, which is the task's number. */
  readonly task: number
  readonly partitions: number
  /** Key of identity hashes, from the log's manifest. */
  readonly hashKey: HashKey
  /** Stores by name; an operator creates its own and finds others' here. */
  readonly stores: Map<string, Store>
  /** The current step. */
  readonly step: () => Step
  /** Stream time and closed cycles after the last row of the current step. */
  readonly streamTime: () => number
  readonly closedThrough: () => number
  /** Puts records of the source's event type, as canonical Avro bytes, into a batch of their own. */
  readonly reenter: (values: readonly Uint8Array[]) => Batch
}

export interface OperatorRuntime {
  process(input: Flowing, emit: Emit): void
  control?(control: Control, emit: Emit): void
}

/** A word of the topology. */
export interface OperatorSpec {
  /** The verb, as the topology says it: deduplicate, accumulate. */
  readonly word: string
  /** The name that its store and the description carry. */
  readonly name: string
  /** Columns that it reads and adds. */
  readonly needs: readonly string[]
  readonly adds: readonly string[]
  /** Stores that it creates, and stores of others that it uses. */
  readonly stores: readonly string[]
  readonly uses: readonly string[]
  /** What comes out, by port; 'out' is the main one. */
  readonly ports: readonly string[]
  /** 'items' when it emits plain objects on its main port. */
  readonly emits: 'batch' | 'items'
  create(context: TaskContext): OperatorRuntime
}
