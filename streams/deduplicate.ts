/** deduplicate: first seen, copy, or same identity with other content; within a horizon of stream time. */

import { Arena } from './arena.ts'
import type { Batch } from './batch.ts'
import { codeColumn, numberColumn } from './features/aggregate.ts'
import { Hash128, hash128, type HashKey } from './hash.ts'
import { identityText, type HeldStore } from './held.ts'
import type { OperatorSpec, TaskContext } from './operator.ts'
import { SeenStore } from './seen.ts'

export interface Deduplicate {
  /** Text columns that make the identity: the first fields of the event's schema, in its order. */
  readonly identity: readonly string[]
  /** Text columns that name another record's identity, where the code column `when` is not 0. */
  readonly refersTo?: { readonly columns: readonly string[]; readonly when: string }
  readonly time: string
  readonly withinMs: number
  /** Columns whose values the entry keeps, then the names of those that later operators set. */
  readonly remember: { readonly numbers: readonly string[]; readonly codes: readonly string[] }
  readonly later: { readonly numbers: readonly string[]; readonly codes: readonly string[] }
  /** Store of held records that those too old to be checked are compared with; without it they are fresh. */
  readonly held?: string
}

/** Codes of the column `novelty`. */
export const noveltyCodes = ['fresh', 'duplicate', 'conflicting'] as const
const FRESH = 0
const DUPLICATE = 1
const CONFLICTING = 2

/** Adds `novelty`, `firstSeenAt` (null when fresh) and `tooLate`; keeps entry numbers per row in its store. */
export function deduplicate(name: string, spec: Deduplicate): OperatorSpec {
  const needs = [...spec.identity, spec.time, ...spec.remember.numbers, ...spec.remember.codes]
  if (spec.refersTo !== undefined) needs.push(spec.refersTo.when)
  return {
    word: 'deduplicate',
    name,
    needs,
    adds: ['novelty', 'firstSeenAt', 'tooLate'],
    stores: [name],
    uses: spec.held === undefined ? [] : [spec.held],
    ports: ['out'],
    emits: 'batch',
    create(context) {
      const numbers = [...spec.remember.numbers, ...spec.later.numbers]
      const codes = [...spec.remember.codes, ...spec.later.codes]
      const store = new SeenStore(name, spec.withinMs, numbers, codes)
      context.stores.set(name, store)
      const runtime = new Deduplicator(spec, store, context)
      return {
        process(input, emit) {
          runtime.process(input as Batch)
          emit('out', input)
        },
      }
    },
  }
}

class Deduplicator {
  private readonly spec: Deduplicate
  private readonly store: SeenStore
  private readonly context: TaskContext
  private readonly key: HashKey
  private readonly hasher = new Hash128()
  private readonly arena = new Arena(1024)
  private lanes = new Int32Array(0)
  private contents = new Int32Array(0)
  private readonly scratch = new Int32Array(4)

  constructor(spec: Deduplicate, store: SeenStore, context: TaskContext) {
    this.spec = spec
    this.store = store
    this.context = context
    this.key = context.hashKey
  }

  process(batch: Batch): void {
    const { frame, selection, count } = batch
    const { store, spec } = this
    const capacity = frame.streamTime.length
    if (this.lanes.length < capacity * 4) {
      this.lanes = new Int32Array(capacity * 4)
      this.contents = new Int32Array(capacity * 4)
    }
    store.beginRows(capacity)
    this.hashIdentities(batch)
    this.hashContents(batch)
    store.lookAhead(this.lanes, selection, count)
    const novelty = codeColumn(batch, 'novelty')
    const firstSeenAt = numberColumn(batch, 'firstSeenAt')
    const tooLate = codeColumn(batch, 'tooLate')
    const time = batch.number(spec.time)
    const refers = spec.refersTo === undefined ? null : batch.code(spec.refersTo.when)
    const numbers = spec.remember.numbers.map((name) => batch.number(name))
    const codes = spec.remember.codes.map((name) => batch.code(name))
    const { lanes, contents } = this
    const { streamTime } = frame
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const at = row * 4
      const now = streamTime[row]
      tooLate[row] = 0
      if (refers !== null && refers[row] !== 0) this.findOriginal(batch, row, now)
      const entry = store.find(lanes, at, now)
      if (entry >= 0) {
        novelty[row] = store.sameContent(entry, contents[at], contents[at + 1]) ? DUPLICATE : CONFLICTING
        firstSeenAt[row] = store.firstSeenAt(entry)
        continue
      }
      if (time[row] < now - spec.withinMs) {
        tooLate[row] = 1
        const held = this.heldStore()?.find(identityText(lanes, at)) ?? null
        if (held !== null) {
          novelty[row] = held.content0 === contents[at] && held.content1 === contents[at + 1] ? DUPLICATE : CONFLICTING
          firstSeenAt[row] = held.firstSeenAt
          continue
        }
      }
      novelty[row] = FRESH
      firstSeenAt[row] = NaN
      // An event ahead of stream time is remembered from its own time on: its copy is never older than the horizon and unknown.
      const added = store.add(lanes, at, contents[at], contents[at + 1], Math.max(now, time[row]))
      store.entryOfRow[row] = added
      for (let k = 0; k < numbers.length; k++) store.setNumber(added, k, numbers[k][row])
      for (let k = 0; k < codes.length; k++) store.setCode(added, k, codes[k][row])
    }
  }

  private heldStore(): HeldStore | undefined {
    return this.spec.held === undefined ? undefined : (this.context.stores.get(this.spec.held) as HeldStore)
  }

  /** Identity: the texts' Avro encoding one after the other, with which the event begins. */
  private hashIdentities(batch: Batch): void {
    const lengths = this.spec.identity.map((name) => batch.text(name).lengths)
    const { bytes, starts } = batch.raw('event')
    const { selection, count } = batch
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      // Added up, not taken from offsets: an encoding may differ from the canonical one in the lengths it writes.
      let length = 0
      for (let k = 0; k < lengths.length; k++) length += lengths[k][row] + (lengths[k][row] < 64 ? 1 : 2)
      hash128(bytes, starts[row], length, this.key, this.lanes, row * 4)
    }
  }

  private hashContents(batch: Batch): void {
    const { selection, count } = batch
    const { bytes, starts, ends } = batch.raw('event')
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      hash128(bytes, starts[row], ends[row] - starts[row], this.key, this.contents, row * 4)
    }
  }

  private findOriginal(batch: Batch, row: number, now: number): void {
    const { columns } = this.spec.refersTo as NonNullable<Deduplicate['refersTo']>
    const { bytes } = batch.text(columns[0])
    this.hasher.reset(this.key)
    for (const name of columns) {
      const { offsets, lengths } = batch.text(name)
      this.arena.clear()
      this.arena.long(lengths[row])
      this.hasher.update(this.arena.bytes, 0, this.arena.position)
      this.hasher.update(bytes, offsets[row], lengths[row])
    }
    this.hasher.finish(this.scratch, 0)
    this.store.originalOfRow[row] = this.store.find(this.scratch, 0, now)
  }
}

/** The hash of an identity given as texts: the same as that of the event that begins with them. */
export function identityHash(texts: readonly string[], key: HashKey): Int32Array {
  const arena = new Arena(256)
  for (const text of texts) arena.text(text)
  const out = new Int32Array(4)
  hash128(arena.bytes, 0, arena.position, key, out, 0)
  return out
}
