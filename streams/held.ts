/**
 * Records that wait for a person, kept whole in the stored state; in memory is which there are (held-index.ts).
 *
 * H1  Records are read before the step that needs them, and forgotten after it.
 * H2  A record that has changed stays in memory until a delta with it is in the store: what is read afterwards has it.
 * H3  Two may be held under one identity: the second came after the horizon of the first. Both are kept; the older one is
 *     found first.
 */

import { createHash } from 'node:crypto'
import type { TaskState } from './backend.ts'
import type { Frame } from './batch.ts'
import { ByteReader, ByteWriter, copyOf } from './bytes.ts'
import { CodedError } from './errors.ts'
import { HeldIndex, ordinalKey, tagOf, type OpenHold } from './held-index.ts'
import type { DeltaBuilder, Missing, Store } from './store.ts'

export interface Held {
  readonly group: string
  /** Hash of its identity, and of the identity that it refers to and waits for ('' when it waits for none). */
  readonly identity: string
  readonly refersTo: string
  readonly content0: number
  readonly content1: number
  /** Stream time at which it was held, and its place among all held ones of the task. */
  readonly heldAt: number
  /** As its dedup entry says: which of several entries of one identity is its own. */
  readonly firstSeenAt: number
  readonly ordinal: number
  readonly reasons: readonly string[]
  /** Cannot be checked for copies: a release has to say that it was not settled elsewhere. */
  readonly unchecked: boolean
  readonly originalCycleStart: number
  /** What returns that an operator released have drawn on it while it is held. */
  readonly drawn: number
  /** Canonical Avro bytes. */
  readonly event: Uint8Array
}

const utf8 = new TextEncoder()

/** Where whole records were before there was an index: no record, so that a program from then stops here. */
const INDEXED = Uint8Array.of(255)

/** A record in memory; `savedTo`: position of the delta that it went with, Infinity before. */
interface Kept {
  readonly held: Held
  savedTo: number
}

export class HeldStore implements Store {
  readonly name: string
  /** Says what a step needs of what is held. */
  needs: ((frame: Frame, from: number, to: number) => Missing | null) | null = null
  /** Number of records ever held: the next ordinal. */
  private ordinal = 0
  private readonly index = new HeldIndex()
  /** H2 and H1, by ordinal. */
  private readonly kept = new Map<number, Kept>()
  private readonly loaded = new Map<number, Held>()
  private readonly changed = new Set<number>()
  /** Position of the last delta that is stored, and of that up to which `kept` was cleared. */
  private storedTo = -1
  private clearedTo = -1
  /** The stored state has the form with an index, and says so. */
  private indexed = false
  /** It has records of the form before: the next delta writes them anew. */
  private old = false
  /** Resolutions carried out, by the hash of their id: stream time. Remembered for the horizon. */
  private readonly resolutions = new Map<string, number>()
  private readonly newResolutions = new Set<string>()
  private readonly horizonMs: number
  private streamTime = 0

  constructor(name: string, horizonMs: number) {
    this.name = name
    this.horizonMs = horizonMs
  }

  /** How many are held. */
  get size(): number {
    return this.index.size
  }

  /** How many records are in memory. */
  get inMemory(): number {
    return this.kept.size + this.loaded.size
  }

  /** Ordinals that may be held under an identity, and that may wait for it. */
  ordinalsOf(identity: string): number[] {
    return this.index.byIdentity(tagOf(identity))
  }

  ordinalsFor(identity: string): number[] {
    return this.index.byReference(tagOf(identity))
  }

  /** The oldest one held under an identity; null when there is none. */
  find(identity: string): Held | null {
    for (const ordinal of this.ordinalsOf(identity)) {
      const held = this.get(ordinal)
      if (held.identity === identity) return held
    }
    return null
  }

  /** Held records that wait for an identity, in order of arrival. */
  waitingFor(identity: string): Held[] {
    return this.ordinalsFor(identity)
      .map((ordinal) => this.get(ordinal))
      .filter((held) => held.refersTo === identity)
  }

  /** Which have waited longest: when they were held. */
  longest(limit: number): OpenHold[] {
    return this.index.oldest(limit)
  }

  /**
   * The records that have waited longest, for display; `peek` looks at entries of the stored state. What is resolved
   * meanwhile is left out.
   */
  async oldest(limit: number, peek: (kind: string, keys: readonly Uint8Array[]) => Promise<Found>): Promise<Held[]> {
    const ordinals = this.index.oldest(limit).map(({ ordinal }) => ordinal)
    const found = new Map<number, Held>()
    const absent: Uint8Array[] = []
    for (const ordinal of ordinals) {
      const held = this.kept.get(ordinal)?.held
      if (held === undefined) absent.push(ordinalKey(ordinal))
      else found.set(ordinal, held)
    }
    for (const { value } of absent.length === 0 ? [] : await peek(this.records, absent)) {
      const held = decode(new ByteReader(value))
      found.set(held.ordinal, held)
    }
    return ordinals.flatMap((ordinal) => found.get(ordinal) ?? [])
  }

  missing(frame: Frame, from: number, to: number): Missing | null {
    return this.needs?.(frame, from, to) ?? null
  }

  /** Asks for those that are not in memory; `more` says what is needed once they are. */
  ask(ordinals: Iterable<number>, more: () => Missing | null = () => null): Missing | null {
    const absent = [...new Set(ordinals)].filter((ordinal) => !this.kept.has(ordinal) && !this.loaded.has(ordinal))
    if (absent.length === 0) return more()
    return {
      keys: absent.map((ordinal) => ({ kind: this.records, key: ordinalKey(ordinal) })),
      absorb: (values) => {
        absent.forEach((ordinal, i) => {
          const value = values[i]
          if (value === undefined)
            throw new CodedError('SLUICE_STATE_DAMAGED', `${this.records}: ${ordinal} is not there`)
          this.loaded.set(ordinal, decode(new ByteReader(value)))
        })
      },
      more,
    }
  }

  private get(ordinal: number): Held {
    const held = this.kept.get(ordinal)?.held ?? this.loaded.get(ordinal)
    if (held === undefined) throw new Error(`${this.name}: ${ordinal} was not declared`)
    return held
  }

  add(held: Omit<Held, 'ordinal'>): void {
    this.enter({ ...held, ordinal: this.ordinal++ })
  }

  private enter(held: Held): void {
    this.index.add(held.ordinal, held.heldAt, tagOf(held.identity), tagOf(held.refersTo))
    this.put(held)
  }

  /** Replaces a held record by one with other reasons; it keeps its place. */
  put(held: Held): void {
    if (held.refersTo === '') this.index.waitsNoMore(held.ordinal)
    this.kept.set(held.ordinal, { held, savedTo: Infinity })
    this.changed.add(held.ordinal)
  }

  remove({ ordinal }: Held): void {
    this.index.remove(ordinal)
    this.kept.delete(ordinal)
    this.loaded.delete(ordinal)
    this.changed.add(ordinal)
  }

  /** Whether this resolution was carried out before; remembers it from now on. */
  repeated(resolutionId: string, now: number): boolean {
    // Hashed: whatever its length, it fits a key.
    const id = createHash('sha256').update(resolutionId).digest('hex')
    const at = this.resolutions.get(id)
    if (at !== undefined && now - at <= this.horizonMs) return true
    this.resolutions.set(id, now)
    this.newResolutions.add(id)
    return false
  }

  get dirtyEntries(): number {
    return this.changed.size + this.newResolutions.size
  }

  stored(to: number): void {
    this.storedTo = to
  }

  /** Only here, between two steps, is anything forgotten: a step that waits for others' keys has what it found. */
  advance(streamTime: number): void {
    this.streamTime = streamTime
    this.loaded.clear()
    if (this.clearedTo === this.storedTo) return
    this.clearedTo = this.storedTo
    for (const [ordinal, { savedTo }] of this.kept) if (savedTo <= this.storedTo) this.kept.delete(ordinal)
  }

  private get records(): string {
    return `${this.name}/records`
  }

  save(delta: DeltaBuilder): void {
    const writer = new ByteWriter()
    if (!this.indexed) {
      if (this.old) delta.dropKind(this.name)
      delta.put(this.name, utf8.encode('indexed'), INDEXED)
      this.indexed = true
    }
    for (const ordinal of this.changed) {
      const kept = this.kept.get(ordinal)
      if (kept === undefined) {
        delta.remove(this.records, ordinalKey(ordinal))
        continue
      }
      delta.put(this.records, ordinalKey(ordinal), encode(kept.held, writer))
      kept.savedTo = delta.to
    }
    this.index.save(delta, `${this.name}/index`)
    this.changed.clear()
    for (const id of this.newResolutions) {
      writer.varint(this.resolutions.get(id) ?? 0)
      delta.put(`${this.name}/resolutions`, utf8.encode(id), writer.take())
    }
    this.newResolutions.clear()
    for (const [id, at] of this.resolutions) {
      if (this.streamTime - at <= this.horizonMs) continue
      this.resolutions.delete(id)
      delta.remove(`${this.name}/resolutions`, utf8.encode(id))
    }
    writer.varint(this.ordinal)
    delta.put(`${this.name}/ordinal`, utf8.encode('next'), writer.take())
  }

  async load(state: TaskState): Promise<void> {
    this.index.load((await state.list(`${this.name}/index`)).entries)
    for (const { key, value } of (await state.list(`${this.name}/resolutions`)).entries) {
      this.resolutions.set(new TextDecoder().decode(key), new ByteReader(value).varint())
    }
    const [next] = (await state.list(`${this.name}/ordinal`)).entries
    if (next !== undefined) this.ordinal = new ByteReader(next.value).varint()
    this.newResolutions.clear()
    await this.loadOld(state)
  }

  /** Whole records by account and identity, as they were kept before there was an index: they are taken over. */
  private async loadOld(state: TaskState): Promise<void> {
    const { entries } = await state.list(this.name)
    this.indexed = entries.some(({ value }) => value.length === INDEXED.length)
    if (this.indexed) return
    this.old = entries.length > 0
    const held = entries.map(({ value }) => decode(new ByteReader(value)))
    for (const one of held.sort((a, b) => a.ordinal - b.ordinal)) this.enter(one)
  }
}

type Found = readonly { readonly value: Uint8Array }[]

/** A hash of an identity as text. */
export const identityText = (lanes: Int32Array, at = 0): string => {
  let text = ''
  for (let k = 0; k < 4; k++) text += (lanes[at + k] >>> 0).toString(16).padStart(8, '0')
  return text
}

/** A held record as it is stored. */
export function encode(held: Held, writer: ByteWriter): Uint8Array {
  writer.text(held.group)
  writer.text(held.identity)
  writer.text(held.refersTo)
  writer.int32(held.content0)
  writer.int32(held.content1)
  writer.varint(held.heldAt)
  writer.varint(held.firstSeenAt)
  writer.varint(held.ordinal)
  writer.varint(held.reasons.length)
  for (const reason of held.reasons) writer.text(reason)
  writer.varint(held.unchecked ? 1 : 0)
  writer.varint(held.originalCycleStart)
  writer.varint(held.drawn)
  writer.bytes(held.event)
  return writer.take()
}

/** Reads what `encode` wrote. */
export function decode(reader: ByteReader): Held {
  const group = reader.text()
  const identity = reader.text()
  const refersTo = reader.text()
  const content0 = reader.int32()
  const content1 = reader.int32()
  const heldAt = reader.varint()
  const firstSeenAt = reader.varint()
  const ordinal = reader.varint()
  const reasons = Array.from({ length: reader.varint() }, () => reader.text())
  const unchecked = reader.varint() === 1
  const originalCycleStart = reader.varint()
  const drawn = reader.varint()
  const event = copyOf(reader.bytes())
  return {
    group,
    identity,
    refersTo,
    content0,
    content1,
    heldAt,
    firstSeenAt,
    ordinal,
    reasons,
    unchecked,
    originalCycleStart,
    drawn,
    event,
  }
}
