/**
 * features: a table with one record per key, fed row by row, answering with feature columns. Keys that are not in memory
 * are loaded before the step; what changed is written behind in deltas.
 */

import type { TaskState } from '../backend.ts'
import { Batch, type Frame, type TextColumn } from '../batch.ts'
import { ByteReader } from '../bytes.ts'
import { KeyIndex, type KeySlices } from '../keys.ts'
import type { OperatorSpec, TaskContext } from '../operator.ts'
import type { DeltaBuilder, Missing, Store } from '../store.ts'
import { type Aggregate, KeyLines, numberPanes, type PaneNumbers, type PaneWindow } from './aggregate.ts'
import { DistinctList } from './distinct.ts'
import { FoldCell, type Fold } from './fold.ts'
import { PaneLists } from './panes.ts'

/** Features of one key, declared. */
export interface Features {
  /** One or two text columns. */
  readonly key: readonly string[]
  readonly time: string
  readonly windows: readonly PaneWindow[]
  readonly count?: string
  readonly sum?: { readonly name: string; readonly of: string; readonly saturated: string }
  readonly distinct?: readonly { readonly name: string; readonly of: string }[]
  readonly fold?: Fold
  /** Code column of the time precision, and how exact each code is, ms: windows shorter than it are absent. */
  readonly precision: { readonly code: string; readonly ms: readonly number[] }
  /** Rows whose code is not 0 are passed by: no feature of theirs, and they are no one's. */
  readonly unless: string
}

/** At most this much state per key: what is asserted when an entry is written. */
const MAX_ENTRY_BYTES = 4096

export function features(name: string, spec: Features): OperatorSpec {
  const columns = [...spec.key, spec.time, spec.precision.code, spec.unless]
  if (spec.sum) columns.push(spec.sum.of)
  for (const { of } of spec.distinct ?? []) columns.push(of)
  const added = aggregatesOf(spec).flatMap((aggregate) => aggregate.features.map((feature) => feature.name))
  if (spec.sum) added.push(spec.sum.saturated)
  return {
    word: 'features',
    name,
    needs: [...columns, ...(spec.fold?.needs ?? [])],
    adds: added,
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'batch',
    create(context) {
      const table = new FeatureTable(name, spec, context)
      context.stores.set(name, table)
      return {
        process(input, emit) {
          table.feed(input as Batch)
          emit('out', input)
        },
      }
    },
  }
}

function aggregatesOf(spec: Features): Aggregate[] {
  const aggregates: Aggregate[] = []
  if (spec.count !== undefined) aggregates.push(new PaneLists(spec.count, spec.windows))
  if (spec.sum) aggregates.push(new PaneLists(spec.sum.name, spec.windows, spec.sum))
  for (const { name, of } of spec.distinct ?? []) aggregates.push(new DistinctList(name, of, spec.time, spec.windows))
  if (spec.fold) aggregates.push(new FoldCell(spec.fold))
  return aggregates
}

class FeatureTable implements Store {
  readonly name: string
  private readonly spec: Features
  private readonly context: TaskContext
  private readonly aggregates: readonly Aggregate[]
  private readonly index = new KeyIndex(4096)
  private capacity = 0
  private readonly lines: KeyLines
  private changed = new Int32Array(4096)
  private changes = 0
  private ids = new Int32Array(0)
  private keys: KeySlices = { bytes: new Uint8Array(0), offsets: this.ids, lengths: this.ids }
  private panes: PaneNumbers = { index: [], slot: [] }
  private joined = { bytes: new Uint8Array(0), offsets: new Int32Array(0), lengths: new Int32Array(0) }
  private selected = new Int32Array(0)
  /** Every key that was ever stored is in memory: absent here is absent there. */
  private whole = false

  constructor(name: string, spec: Features, context: TaskContext) {
    this.name = name
    this.spec = spec
    this.context = context
    this.aggregates = aggregatesOf(spec)
    this.lines = new KeyLines(this.aggregates.length)
  }

  load(state: TaskState): Promise<void> {
    this.whole = state.header === null
    return Promise.resolve()
  }

  missing(frame: Frame, from: number, to: number): Missing | null {
    const batch = this.rowsOf(frame, from, to)
    this.prepare(batch)
    const absent: number[] = []
    for (let i = 0; i < batch.count; i++) if (this.ids[batch.selection[i]] < 0) absent.push(batch.selection[i])
    if (absent.length === 0) return null
    if (this.whole) {
      for (const row of absent) this.ids[row] = this.intern(row)
      return null
    }
    const wanted = new Map<number, Uint8Array>()
    for (const row of absent) {
      const before = this.index.size
      const id = this.intern(row)
      this.ids[row] = id
      if (id >= before) wanted.set(id, this.index.key(id).slice())
    }
    const ids = [...wanted.keys()]
    return {
      keys: ids.map((id) => ({ kind: this.name, key: wanted.get(id) as Uint8Array })),
      absorb: (values) => {
        ids.forEach((id, i) => {
          const value = values[i]
          if (value === undefined) return
          const reader = new ByteReader(value)
          for (const aggregate of this.aggregates) aggregate.decode(id, reader)
        })
      },
    }
  }

  feed(all: Batch): void {
    const batch = this.only(all)
    numberPanes(batch, batch.number(this.spec.time), this.spec.windows, this.panes)
    const { ids } = this
    const { words, stride } = this.lines
    for (let i = 0; i < batch.count; i++) {
      const id = ids[batch.selection[i]]
      if (id < 0) throw new Error(`features '${this.name}': row ${batch.selection[i]} has a key that was not declared`)
      if (words[id * stride] === 0) this.mark(id)
    }
    for (const aggregate of this.aggregates) aggregate.feed(batch, ids, this.panes)
    this.blankCoarse(batch)
    void this.context
  }

  save(delta: DeltaBuilder): void {
    const { puts } = delta
    for (let i = 0; i < this.changes; i++) {
      const id = this.changed[i]
      this.lines.words[id * this.lines.stride] = 0
      this.index.writeKey(id, puts.begin(this.name))
      const writer = puts.value()
      const keyLength = writer.length
      for (const aggregate of this.aggregates) aggregate.encode(id, writer)
      if (writer.length - keyLength > MAX_ENTRY_BYTES) {
        throw new Error(`features '${this.name}': ${writer.length - keyLength} bytes for one key`)
      }
      puts.end()
    }
    this.changes = 0
  }

  get dirtyEntries(): number {
    return this.changes
  }

  /** Rows that the reader decoded as events; dead ones among them do no harm. */
  private rowsOf(frame: Frame, from: number, to: number): Batch {
    const selection = new Int32Array(to - from)
    let count = 0
    const { recordTypes } = frame
    const first = frame.columns.get(this.spec.key[0]) as TextColumn
    for (let row = from; row < to; row++) {
      if (recordTypes[row] < 200 && first.lengths[row] > 0 && first.lengths[row] <= 256) selection[count++] = row
    }
    return new Batch(frame, selection, count)
  }

  private prepare(batch: Batch): void {
    const rows = batch.frame.streamTime.length
    if (this.ids.length < rows) {
      this.ids = new Int32Array(rows)
      const windows = this.spec.windows
      this.panes = { index: windows.map(() => new Float64Array(rows)), slot: windows.map(() => new Int32Array(rows)) }
    }
    this.keys = this.spec.key.length === 1 ? batch.text(this.spec.key[0]) : this.join(batch)
    this.index.findAll(this.keys, batch.selection, batch.count, this.ids)
  }

  /** Two texts as one key, separated by a zero byte. */
  private join(batch: Batch): KeySlices {
    const [a, b] = this.spec.key.map((name) => batch.text(name))
    const rows = batch.frame.streamTime.length
    if (this.joined.offsets.length < rows) {
      this.joined = { ...this.joined, offsets: new Int32Array(rows), lengths: new Int32Array(rows) }
    }
    let size = 0
    for (let i = 0; i < batch.count; i++) {
      const row = batch.selection[i]
      size += a.lengths[row] + Math.max(0, b.lengths[row]) + 1
    }
    if (this.joined.bytes.length < size) this.joined = { ...this.joined, bytes: new Uint8Array(size * 2) }
    const { bytes, offsets, lengths } = this.joined
    let at = 0
    for (let i = 0; i < batch.count; i++) {
      const row = batch.selection[i]
      offsets[row] = at
      for (let k = 0, from = a.offsets[row]; k < a.lengths[row]; k++) bytes[at++] = a.bytes[from + k]
      bytes[at++] = 0
      for (let k = 0, from = b.offsets[row]; k < b.lengths[row]; k++) bytes[at++] = b.bytes[from + k]
      lengths[row] = at - offsets[row]
    }
    return this.joined
  }

  private intern(row: number): number {
    const id = this.index.intern(this.keys.bytes, this.keys.offsets[row], this.keys.lengths[row])
    if (id >= this.capacity) {
      this.capacity = Math.max(4096, this.capacity * 2)
      this.lines.grow(this.capacity)
      this.aggregates.forEach((aggregate, i) => aggregate.grow(this.capacity, this.lines, i + 1))
    }
    return id
  }

  private mark(id: number): void {
    this.lines.words[id * this.lines.stride] = 1
    if (this.changes === this.changed.length) {
      const larger = new Int32Array(this.changed.length * 2)
      larger.set(this.changed)
      this.changed = larger
    }
    this.changed[this.changes++] = id
  }

  /** The rows that have features; the others' are absent. */
  private only(all: Batch): Batch {
    const codes = all.code(this.spec.unless)
    if (this.selected.length < all.count) this.selected = new Int32Array(all.frame.streamTime.length)
    let count = 0
    let others = 0
    for (let i = 0; i < all.count; i++) {
      const row = all.selection[i]
      if (codes[row] === 0) this.selected[count++] = row
      else others++
    }
    const batch = new Batch(all.frame, this.selected, count)
    if (others > 0) this.blank(all, (row) => codes[row] !== 0, 0)
    return batch
  }

  private blankCoarse(batch: Batch): void {
    const { code, ms } = this.spec.precision
    const codes = batch.code(code)
    for (let value = 1; value < ms.length; value++) {
      let some = false
      for (let i = 0; i < batch.count && !some; i++) some = codes[batch.selection[i]] === value
      if (some) this.blank(batch, (row) => codes[row] === value, ms[value])
    }
  }

  /** Makes features absent: those of windows shorter than `coarserThanMs`, or all when that is 0. */
  private blank(batch: Batch, which: (row: number) => boolean, coarserThanMs: number): void {
    for (const { features: columns } of this.aggregates) {
      for (const { name, windowMs } of columns) {
        if (coarserThanMs > 0 && (windowMs < 0 || windowMs >= coarserThanMs)) continue
        let column = batch.frame.columns.get(name)
        if (column?.kind !== 'number' || column.values.length < batch.frame.streamTime.length) {
          column = { kind: 'number', values: new Float64Array(batch.frame.streamTime.length) }
          batch.frame.columns.set(name, column)
        }
        for (let i = 0; i < batch.count; i++) if (which(batch.selection[i])) column.values[batch.selection[i]] = NaN
      }
    }
    if (coarserThanMs === 0 && this.spec.sum) {
      const name = this.spec.sum.saturated
      const column = batch.frame.columns.get(name)
      if (column?.kind !== 'code' || column.values.length < batch.frame.streamTime.length) {
        batch.frame.columns.set(name, { kind: 'code', values: new Uint8Array(batch.frame.streamTime.length) })
      } else for (let i = 0; i < batch.count; i++) if (which(batch.selection[i])) column.values[batch.selection[i]] = 0
    }
  }
}
