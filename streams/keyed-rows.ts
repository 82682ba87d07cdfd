/**
 * Ids of the keys of a step's rows, for a store with one entry per key: keys that are not in memory are asked for before
 * the step, and those that changed are remembered until the next delta.
 */

import type { TaskState } from './backend.ts'
import { Batch, type Frame, type TextColumn } from './batch.ts'
import { KeyIndex } from './keys.ts'
import type { DeltaBuilder, Missing } from './store.ts'

/** What a store does with the entry of a key. */
export interface Entry {
  /** Ids up to `capacity` are about to be used. */
  grow(capacity: number): void
  encode(id: number): Uint8Array
  decode(id: number, value: Uint8Array): void
}

/** Record types of events are below; ticks and dead rows have no keys. */
const NO_EVENT = 200
const LONGEST_KEY = 256

export class KeyedRows {
  /** Id of each row's key, valid for the rows that `missing` was asked about. */
  ids = new Int32Array(0)
  /** Keys changed since the last delta. */
  changes = 0
  private readonly store: string
  private readonly column: string
  private readonly entry: Entry
  private readonly index = new KeyIndex(4096)
  private capacity = 0
  private dirty = new Uint8Array(0)
  private changed = new Int32Array(4096)
  /** Every key that was ever stored is in memory: absent here is absent there. */
  private whole = false

  constructor(store: string, column: string, entry: Entry) {
    this.store = store
    this.column = column
    this.entry = entry
  }

  load(state: TaskState): void {
    this.whole = state.header === null
  }

  missing(frame: Frame, from: number, to: number): Missing | null {
    const keys = frame.columns.get(this.column) as TextColumn
    const batch = eventsOf(frame, from, to, keys)
    if (this.ids.length < frame.streamTime.length) this.ids = new Int32Array(frame.streamTime.length)
    const { ids } = this
    this.index.findAll(keys, batch.selection, batch.count, ids)
    const wanted: number[] = []
    for (let i = 0; i < batch.count; i++) {
      const row = batch.selection[i]
      if (ids[row] >= 0) continue
      const known = this.index.size
      ids[row] = this.intern(keys, row)
      if (ids[row] >= known) wanted.push(ids[row])
    }
    if (this.whole || wanted.length === 0) return null
    return {
      keys: wanted.map((id) => ({ kind: this.store, key: this.index.key(id).slice() })),
      absorb: (values) => {
        wanted.forEach((id, i) => {
          const value = values[i]
          if (value !== undefined) this.entry.decode(id, value)
        })
      },
    }
  }

  /** The key of this id changes: it goes into the next delta. */
  mark(id: number): void {
    if (this.dirty[id] === 1) return
    this.dirty[id] = 1
    if (this.changes === this.changed.length) {
      const larger = new Int32Array(this.changed.length * 2)
      larger.set(this.changed)
      this.changed = larger
    }
    this.changed[this.changes++] = id
  }

  save(delta: DeltaBuilder): void {
    for (let i = 0; i < this.changes; i++) {
      const id = this.changed[i]
      this.dirty[id] = 0
      delta.put(this.store, this.index.key(id).slice(), this.entry.encode(id))
    }
    this.changes = 0
  }

  private intern(keys: TextColumn, row: number): number {
    const id = this.index.intern(keys.bytes, keys.offsets[row], keys.lengths[row])
    if (id >= this.capacity) {
      this.capacity = Math.max(4096, this.capacity * 2)
      this.entry.grow(this.capacity)
      const dirty = new Uint8Array(this.capacity)
      dirty.set(this.dirty)
      this.dirty = dirty
    }
    return id
  }
}

/** Rows that the reader decoded as events; dead ones among them do no harm. */
function eventsOf(frame: Frame, from: number, to: number, keys: TextColumn): Batch {
  const selection = new Int32Array(to - from)
  let count = 0
  for (let row = from; row < to; row++) {
    const length = keys.lengths[row]
    if (frame.recordTypes[row] < NO_EVENT && length > 0 && length <= LONGEST_KEY) selection[count++] = row
  }
  return new Batch(frame, selection, count)
}
