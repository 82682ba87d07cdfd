/**
 * From record batches to steps: decodes the events of a fetch into columns, says which are dead and why, and cuts the
 * rows into steps: at control records, at the asked number of rows, and where stream time has moved far.
 */

import { compileDecoder, type Decoder } from './avro/decode.ts'
import { CANONICAL, columnFor } from './avro/columns.ts'
import { canonicalEncoder, type CanonicalEncoder } from './avro/encode.ts'
import { objectCodec, type ObjectCodec } from './avro/object.ts'
import { Arena } from './arena.ts'
import { Batch, type Column, type Frame, type NumberColumn, type TextColumn } from './batch.ts'
import { copyOf } from './bytes.ts'
import { check } from './checks.ts'
import { partitionOf } from './hash.ts'
import type { Closing, Control, Item, Step } from './operator.ts'
import { OtherWriters } from './other-writers.ts'
import { newFrame } from './records.ts'
import { pinnedIds, underPinnedIds, type SchemaIds } from './schema-ids.ts'
import type { EventSource } from './source.ts'
import { StreamClock, type ClockState } from './stream-time.ts'
import type { WriterSchemas } from './writer-schemas.ts'

const TICK = 200
const CONTROL = 201
const UNREADABLE = 202
const UNKNOWN = 255
/** Reasons that the reader itself gives, in front of the source's checks; 0 is alive. */
const builtIn = [
  '',
  'undecodable',
  'unknown-schema',
  'record-too-large',
  'unexpected-record',
  'invalid-control',
] as const
const UNDECODABLE = 1
const UNKNOWN_SCHEMA = 2
const [UNEXPECTED, INVALID_CONTROL] = [4, 5]
const after = ['time-too-early', 'time-too-late', 'misrouted-key', 'misrouted-partition'] as const

interface Tick {
  readonly at: number
  readonly clock: 'FILES' | 'WALL' | 'SIMULATED'
  readonly closeThrough: number | null
}

type Unreadable = Pick<DeadLetterValue, 'reason' | 'message' | 'file' | 'line'> & { readonly raw: Uint8Array }

/** A step with what the reader found in it. */
export interface ReadStep extends Step {
  readonly batch: Batch
  readonly deadLetters: readonly Item<DeadLetterValue>[]
  readonly control: Control | null
  /** Rows after whose outputs a mark is due. */
  readonly marks: readonly number[]
  readonly received: number
  /** Records under ids that are not the log's own, up to and with the last row. */
  readonly others: number
}

export interface DeadLetterValue {
  readonly reason: string
  readonly message: string
  readonly rawKey: Uint8Array | null
  readonly rawValue: Uint8Array | null
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly file: string
  readonly line: number
}

type Place = { readonly topic: string; readonly partition: number; readonly partitions: number }

export class EventReader {
  readonly clock: StreamClock
  private readonly source: EventSource
  private readonly at: Place
  private readonly reasons: readonly string[]
  private readonly decoders: readonly Decoder[]
  /** Records of writers that are not ours. */
  readonly others: OtherWriters
  private readonly canonical: CanonicalEncoder
  private readonly tickCodec: ObjectCodec<Tick>
  private readonly controlCodecs: Map<number, { type: string; codec: ObjectCodec<Record<string, unknown>> }>
  private readonly unreadable: ObjectCodec<Unreadable>
  /** Wire id -> row type: index of an event schema, TICK, CONTROL, UNREADABLE. */
  private readonly rowTypes = new Map<number, number>()
  private readonly foreign: ReadonlySet<number>
  private readonly underPinned: (value: Uint8Array) => Uint8Array
  private dead = new Uint8Array(0)
  private rows = new Int32Array(0)
  private fault = new Uint8Array(0)

  constructor(
    source: EventSource,
    at: Place,
    state: ClockState,
    ids: SchemaIds = pinnedIds,
    writers: WriterSchemas | null = null,
  ) {
    this.source = source
    this.at = at
    this.clock = new StreamClock(source.clock, state)
    this.reasons = [...builtIn, ...source.checks.map((c) => c.reason), ...after]
    const reader = source.events[0].schema
    this.canonical = canonicalEncoder(reader)
    this.decoders = source.events.map((writer) => compileDecoder(writer.schema, reader))
    this.others = new OtherWriters(writers, reader, this.decoders.length)
    this.tickCodec = objectCodec(source.tick.schema)
    this.unreadable = objectCodec(source.unreadable.schema)
    this.foreign = new Set(source.foreign.map((type) => ids.idOf(type)))
    this.underPinned = underPinnedIds(source.foreign, ids)
    this.controlCodecs = new Map(
      source.controls.map((type) => [ids.idOf(type), { type: type.name, codec: objectCodec(type.schema) }]),
    )
    source.events.forEach((type, index) => this.rowTypes.set(ids.idOf(type), index))
    this.rowTypes.set(ids.idOf(source.tick), TICK)
    this.rowTypes.set(ids.idOf(source.unreadable), UNREADABLE)
    for (const type of source.controls) this.rowTypes.set(ids.idOf(type), CONTROL)
  }

  /** Classifies and decodes all rows of a walked frame, and judges each row by itself. */
  decode(frame: Frame): void {
    const capacity = frame.offsets.length
    if (this.dead.length < capacity) {
      this.dead = new Uint8Array(capacity)
      this.fault = new Uint8Array(capacity)
      this.rows = new Int32Array(capacity)
    }
    const { dead, fault, rows } = this
    this.others.begin()
    dead.fill(0, 0, frame.rows)
    fault.fill(0, 0, frame.rows)
    this.classify(frame)
    let count = 0
    this.decoders.forEach((decode, type) => this.decodeType(decode, type, frame))
    for (const [type, decode] of this.others.needed) this.decodeType(decode, type, frame)
    for (let row = 0; row < frame.rows; row++) {
      if (frame.recordTypes[row] >= TICK) continue
      if (fault[row] !== 0) dead[row] = fault[row] === 2 ? 3 : 1
      else rows[count++] = row
    }
    this.keepEvents(frame, rows, count)
    this.addCodes(frame, rows, count)
    check(this.source.checks, frame, rows, count, dead, builtIn.length)
    this.checkTimeAndRoute(frame, rows, count)
    // What is dead is no event to anyone: nobody loads state by its fields, which may be anything.
    for (let row = 0; row < frame.rows; row++) if (dead[row] !== 0) frame.recordTypes[row] = UNKNOWN
  }

  private decodeType(decode: Decoder, type: number, frame: Frame): void {
    let some = 0
    for (let row = 0; row < frame.rows; row++) if (frame.recordTypes[row] === type) this.rows[some++] = row
    // The first one always: the columns must be there.
    if (some > 0 || type === 0) decode(frame, this.rows, some, frame.columns, this.fault)
  }

  private classify(frame: Frame): void {
    const { valueOffsets, valueEnds, bytes, view, recordTypes } = frame
    for (let row = 0; row < frame.rows; row++) {
      const at = valueOffsets[row]
      if (valueEnds[row] - at < 5 || bytes[at] !== 0) {
        recordTypes[row] = UNKNOWN
        this.dead[row] = 1
        continue
      }
      const id = view.getInt32(at + 1)
      recordTypes[row] = this.rowTypes.get(id) ?? this.otherType(id, row)
    }
  }

  /** Row type of a record whose id is none of the source's: of another writer's schema, or dead. */
  private otherType(id: number, row: number): number {
    const type = this.foreign.has(id) ? undefined : this.others.typeOf(id, row)
    if (type === undefined) this.dead[row] = UNEXPECTED
    else if (type === null) this.dead[row] = UNKNOWN_SCHEMA
    return type ?? UNKNOWN
  }

  /** Whether an id in a wire prefix is one of the log's own. */
  readonly owns = (id: number): boolean => this.rowTypes.has(id) || this.foreign.has(id)

  /** The column `event`: canonical encodings, in the arrival buffer, or behind a copy of it where a row had to be written anew. */
  private keepEvents(frame: Frame, rows: Int32Array, count: number): void {
    const column = columnFor(frame, frame.columns, 'event', 'raw')
    const canonical = frame.columns.get(CANONICAL)
    if (column.kind !== 'raw' || canonical?.kind !== 'code') throw new Error('event is raw, canonical a code')
    const { starts, ends } = column
    const { valueOffsets, valueEnds } = frame
    let others = 0
    for (let i = 0; i < count; i++) {
      const row = rows[i]
      starts[row] = valueOffsets[row] + 5
      ends[row] = valueEnds[row]
      if (canonical.values[row] === 0) others++
    }
    let bytes = frame.bytes
    if (others > 0) {
      const arena = new Arena(frame.bytes.length + others * 160)
      arena.copy(frame.bytes, 0, frame.bytes.length)
      for (let i = 0; i < count; i++) {
        const row = rows[i]
        if (canonical.values[row] === 1) continue
        starts[row] = arena.position
        try {
          this.canonical(frame, row, arena)
        } catch {
          // An integer beyond 2^53: the checks make the row a dead letter; its bytes are not asked for.
          arena.position = starts[row]
        }
        ends[row] = arena.position
      }
      bytes = arena.bytes
    }
    const kept: Column = { kind: 'raw', bytes, starts, ends }
    frame.columns.set('event', kept)
  }

  private addCodes(frame: Frame, rows: Int32Array, count: number): void {
    for (const { name, of, code } of this.source.codes) {
      const { bytes, offsets, lengths } = frame.columns.get(of) as TextColumn
      const column = columnFor(frame, frame.columns, name, 'code')
      if (column.kind !== 'code') continue
      for (let i = 0; i < count; i++) {
        const row = rows[i]
        column.values[row] = lengths[row] < 0 ? 255 : code(bytes, offsets[row], lengths[row])
      }
    }
  }

  private checkTimeAndRoute(frame: Frame, rows: Int32Array, count: number): void {
    const { source, dead, at: place } = this
    const base = builtIn.length + source.checks.length
    const { earliestEventTime, maxAheadMs } = source.clock
    const time = (frame.columns.get(source.time) as NumberColumn).values
    const key = frame.columns.get(source.key) as TextColumn
    const { bytes, keyOffsets, keyLengths, acceptedAt } = frame
    for (let i = 0; i < count; i++) {
      const row = rows[i]
      if (dead[row] !== 0) continue
      if (time[row] < earliestEventTime) dead[row] = base
      else if (time[row] > acceptedAt[row] + maxAheadMs) dead[row] = base + 1
      else {
        const length = key.lengths[row]
        const own = key.offsets[row]
        const at = keyOffsets[row]
        let same = keyLengths[row] === length
        for (let k = 0; same && k < length; k++) same = bytes[own + k] === bytes[at + k]
        if (!same) dead[row] = base + 2
        else if (partitionOf(bytes, own, length, place.partitions) !== place.partition) dead[row] = base + 3
      }
    }
  }

  /** The next step of a decoded frame from row `from`: at most `maxRows` rows. Moves the clock. */
  step(frame: Frame, from: number, maxRows: number): ReadStep {
    const selection = new Int32Array(Math.min(maxRows, frame.rows - from))
    const closings: Closing[] = []
    const deadLetters: Item<DeadLetterValue>[] = []
    const marks: number[] = []
    const { clock, dead } = this
    const { recordTypes, streamTime } = frame
    const time = (frame.columns.get(this.source.time) as NumberColumn).values
    const cycleStart = (columnFor(frame, frame.columns, 'cycleStart', 'number') as NumberColumn).values
    const late = columnFor(frame, frame.columns, 'late', 'code')
    if (late.kind !== 'code') throw new Error('late is a code column')
    let control: Control | null = null
    let count = 0
    let received = 0
    let row = from
    for (; row < frame.rows && row - from < maxRows; row++) {
      const type = recordTypes[row]
      if (type === CONTROL && row > from) break
      const closedBefore = clock.closedThrough
      let reason = dead[row]
      const alive = type < TICK && reason === 0
      const tick = type === TICK ? this.decodeOr(frame, row, this.tickCodec) : null
      if (row > from && this.jumps(streamTime[from], alive ? time[row] : (tick?.at ?? 0))) break
      if (alive) clock.event(time[row])
      else if (tick !== null) {
        clock.tick(tick.at, tick.clock !== 'FILES', tick.closeThrough)
        const { files, ticker } = this.source.markEvery
        if (tick.closeThrough !== null || clock.ticks % (tick.clock === 'FILES' ? files : ticker) === 0) marks.push(row)
      } else if (type === TICK) reason = UNDECODABLE
      streamTime[row] = clock.streamTime
      if (clock.closedThrough > closedBefore) {
        closings.push({
          row,
          closedThrough: clock.closedThrough,
          cut: clock.ticked || (tick?.closeThrough ?? null) !== null,
        })
      }
      if (alive) {
        const cycle = clock.cycleOf(time[row])
        cycleStart[row] = cycle
        late.values[row] = cycle > time[row] ? 1 : 0
        selection[count++] = row
        received++
        continue
      }
      if (type === CONTROL) {
        const found = this.control(frame, row)
        if (typeof found === 'number') reason = found
        else control = found
      }
      if (type === UNREADABLE || reason !== 0) {
        received++
        deadLetters.push({ row, value: this.deadLetter(frame, row, reason) })
      }
      if (type === CONTROL) {
        row++
        break
      }
    }
    const others = this.others.upTo(row)
    const batch = new Batch(frame, selection, count)
    return { frame, from, to: row, closings, deadLetters, control, marks, received, others, batch }
  }

  /** Whether an event or tick at `time` would move stream time too far from the step's beginning. */
  private jumps(start: number, time: number): boolean {
    return time - start > this.source.stepSpanMs && time > this.clock.streamTime
  }

  /** Canonical Avro values of the source's event as a batch of their own, codes included; all of them alive. */
  reenter(values: readonly Uint8Array[], cycleStart: number): Batch {
    const frame = newFrame(Math.max(1, values.length))
    const bytes = new Uint8Array(values.reduce((sum, value) => sum + value.length + 5, 0))
    let at = 0
    values.forEach((value, row) => {
      frame.valueOffsets[row] = at
      bytes.set(value, at + 5)
      at += value.length + 5
      frame.valueEnds[row] = at
      frame.streamTime[row] = this.clock.streamTime
    })
    frame.rows = values.length
    frame.bytes = bytes
    frame.view = new DataView(bytes.buffer)
    const rows = Int32Array.from(values, (_, row) => row)
    this.decoders[0](frame, rows, rows.length, frame.columns, new Uint8Array(frame.rows + 1))
    this.keepEvents(frame, rows, rows.length)
    this.addCodes(frame, rows, rows.length)
    const cycles = columnFor(frame, frame.columns, 'cycleStart', 'number') as NumberColumn
    cycles.values.fill(cycleStart)
    columnFor(frame, frame.columns, 'late', 'code')
    return new Batch(frame, rows, rows.length)
  }

  private decodeOr<T>(frame: Frame, row: number, codec: ObjectCodec<T>): T | null {
    try {
      return codec.decode(frame.bytes.subarray(frame.valueOffsets[row] + 5, frame.valueEnds[row]))
    } catch {
      // Not a whole record of its schema: the caller makes it a dead letter.
      return null
    }
  }

  /** The control record of a row, or why it is none. */
  private control(frame: Frame, row: number): Control | number {
    const known = this.controlCodecs.get(frame.view.getInt32(frame.valueOffsets[row] + 1))
    const value = known === undefined ? null : this.decodeOr(frame, row, known.codec)
    if (known === undefined || value === null) return UNDECODABLE
    return this.source.acceptsControl(known.type, value) ? { type: known.type, value, row } : INVALID_CONTROL
  }

  private deadLetter(frame: Frame, row: number, dead: number): DeadLetterValue {
    const { keyOffsets, keyLengths, valueOffsets, valueEnds, bytes } = frame
    const offset = frame.offsets[row]
    const origin = { topic: this.at.topic, partition: this.at.partition, offset }
    const rawKey = keyLengths[row] < 0 ? null : copyOf(bytes, keyOffsets[row], keyOffsets[row] + keyLengths[row])
    const rawValue = valueEnds[row] < 0 ? null : this.underPinned(copyOf(bytes, valueOffsets[row], valueEnds[row]))
    if (dead === 0) {
      const unreadable = this.decodeOr(frame, row, this.unreadable)
      if (unreadable !== null) {
        const { reason, message, raw, file, line } = unreadable
        return { reason, message, rawKey, rawValue: raw, ...origin, file, line }
      }
      dead = 1
    }
    const reason = this.reasons[dead]
    return {
      reason,
      message: this.others.said.get(row) ?? this.source.words[reason] ?? reason,
      rawKey,
      rawValue,
      ...origin,
      file: '',
      line: 0,
    }
  }
}

/** A frame for the reader: with the columns that every step needs. */
export function frameFor(capacity: number): Frame {
  const frame = newFrame(capacity)
  columnFor(frame, frame.columns, CANONICAL, 'code')
  return frame
}
