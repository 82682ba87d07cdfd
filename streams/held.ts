/**
 * Records that wait for a person, kept whole: by the group (payer account) that they belong to.
 *
 * Two may be held under one identity: the second came after the horizon of the first. Both are kept; the older one is
 * found first.
 */

import { createHash } from 'node:crypto'
import type { TaskState } from './backend.ts'
import type { Batch } from './batch.ts'
import { ByteReader, ByteWriter, copyOf } from './bytes.ts'
import type { DeltaBuilder, Store } from './store.ts'

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

export class HeldStore implements Store {
  readonly name: string
  /** Number of records ever held: the next ordinal. */
  private ordinal = 0
  /** By group, then by identity; those of one identity in order of arrival. */
  private readonly groups = new Map<string, Map<string, Held[]>>()
  private readonly changed = new Map<string, Held>()
  /** Resolutions carried out, by the hash of their id: stream time. Remembered for the horizon. */
  private readonly resolutions = new Map<string, number>()
  private readonly newResolutions = new Set<string>()
  private readonly horizonMs: number
  private streamTime = 0

  constructor(name: string, horizonMs: number) {
    this.name = name
    this.horizonMs = horizonMs
  }

  /** The held record of the row's group whose identity hash is lanes[at ..]; null when there is none. */
  match(batch: Batch, row: number, lanes: Int32Array, at: number): Held | null {
    const { bytes, offsets, lengths } = batch.text('payerAccount')
    const group = new TextDecoder().decode(bytes.subarray(offsets[row], offsets[row] + lengths[row]))
    return this.find(group, identityText(lanes, at))
  }

  find(group: string, identity: string): Held | null {
    return this.groups.get(group)?.get(identity)?.[0] ?? null
  }

  /** Held records that wait for an identity, in order of arrival. */
  waitingFor(group: string, identity: string): Held[] {
    return [...(this.groups.get(group)?.values() ?? [])]
      .flat()
      .filter((held) => held.refersTo === identity)
      .sort((a, b) => a.ordinal - b.ordinal)
  }

  /** Every held record, in order of arrival. */
  all(): Held[] {
    return [...this.groups.values()]
      .flatMap((group) => [...group.values()].flat())
      .sort((a, b) => a.ordinal - b.ordinal)
  }

  add(held: Omit<Held, 'ordinal'>): void {
    this.put({ ...held, ordinal: this.ordinal++ })
  }

  /** Replaces a held record by one with other reasons; it keeps its place. */
  put(held: Held): void {
    let group = this.groups.get(held.group)
    if (group === undefined) this.groups.set(held.group, (group = new Map()))
    const others = (group.get(held.identity) ?? []).filter(({ ordinal }) => ordinal !== held.ordinal)
    group.set(
      held.identity,
      [...others, held].sort((a, b) => a.ordinal - b.ordinal),
    )
    this.changed.set(keyOf(held), held)
  }

  remove(held: Held): void {
    const group = this.groups.get(held.group)
    const others = (group?.get(held.identity) ?? []).filter(({ ordinal }) => ordinal !== held.ordinal)
    if (others.length > 0) group?.set(held.identity, others)
    else group?.delete(held.identity)
    if (group?.size === 0) this.groups.delete(held.group)
    this.changed.set(keyOf(held), held)
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

  advance(streamTime: number): void {
    this.streamTime = streamTime
  }

  save(delta: DeltaBuilder): void {
    const writer = new ByteWriter()
    for (const [key, { group, identity, ordinal }] of this.changed) {
      const held = this.groups
        .get(group)
        ?.get(identity)
        ?.find((one) => one.ordinal === ordinal)
      if (held === undefined) delta.remove(this.name, utf8.encode(key))
      else delta.put(this.name, utf8.encode(key), encode(held, writer))
    }
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
    for (const { value } of (await state.list(this.name)).entries) {
      const held = decode(new ByteReader(value))
      this.put(held)
    }
    for (const { key, value } of (await state.list(`${this.name}/resolutions`)).entries) {
      this.resolutions.set(new TextDecoder().decode(key), new ByteReader(value).varint())
    }
    const [next] = (await state.list(`${this.name}/ordinal`)).entries
    if (next !== undefined) this.ordinal = new ByteReader(next.value).varint()
    this.changed.clear()
    this.newResolutions.clear()
  }
}

const keyOf = ({ group, identity, ordinal }: Held): string => `${group}\0${identity}\0${ordinal}`

/** A hash of an identity as text. */
export const identityText = (lanes: Int32Array, at = 0): string => {
  let text = ''
  for (let k = 0; k < 4; k++) text += (lanes[at + k] >>> 0).toString(16).padStart(8, '0')
  return text
}

function encode(held: Held, writer: ByteWriter): Uint8Array {
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
