/**
 * The embedded state: each task's entries and header in the same LMDB environment as the log.
 *
 * Owns: epochs, compare-and-set on R, atomic pictures. An incarnation of a task's state has a number under which its
 * entries lie; dropping the state gives the task a new number at once and sweeps the old entries away behind.
 */
import { randomUUID } from 'node:crypto'
import type { Transaction } from 'lmdb'
import type { Applied, Delta, State, StateHeader, StateKey, TaskState } from '../backend.ts'
import { CodedError } from '../errors.ts'
import {
  afterPrefix,
  assertEntryKey,
  assertKind,
  assertName,
  incarnationKey,
  metaKey,
  metaRange,
  nameOf,
  statePrefix,
} from './keys.ts'
import { eachPut } from '../puts.ts'
import type { CommitLoop, PrefixedKey, Root, Store, Writes } from './loop.ts'
import { pagesFor } from './room.ts'

/** The largest number of old entries removed in one transaction: about 20 ms of the write thread. */
const SWEEP_ENTRIES = 10_000

const NOTHING = new Uint8Array(0)

/** A value for lmdb: from `start` to `end` of the whole buffer. */
type Slice = Uint8Array & { start: number; end: number }

interface Stored {
  readonly number: number
  readonly incarnation: string
  readonly epoch: number
  /** R; null while the task has no state. */
  readonly position: number | null
  readonly metadata: string
}

export interface Picture {
  readonly header: StateHeader | null
  readonly entries: { key: Uint8Array; value: Uint8Array }[]
}

function headerOf(stored: Stored | undefined): StateHeader | null {
  if (stored === undefined || stored.position === null) return null
  const { incarnation, epoch, position, metadata } = stored
  return { incarnation, epoch, position, metadata }
}

/** The entries that are there, of those that were asked for. */
export const presentOf = (
  keys: readonly Uint8Array[],
  values: readonly (Uint8Array | undefined)[],
): Picture['entries'] =>
  keys.flatMap((key, i) => {
    const value = values[i]
    return value === undefined ? [] : [{ key, value }]
  })

/** Checks a delta before it is staged. Bugs of the caller: plain errors. */
export function assertDelta(delta: Delta): void {
  if (!Number.isSafeInteger(delta.from) || !Number.isSafeInteger(delta.to) || delta.from < 0 || delta.to < delta.from) {
    throw new Error(`state: a delta from ${delta.from} to ${delta.to}`)
  }
  delta.dropKinds.forEach(assertKind)
  let last: string | null = null
  const check = (kind: string, keyLength: number): void => {
    if (kind !== last) assertKind((last = kind))
    assertEntryKey(keyLength)
  }
  for (const { kind, key } of delta.removes) check(kind, key.length)
  eachPut(delta.puts, (kind, _keys, from, to) => check(kind, to - from))
}

export class EmbeddedState implements State {
  readonly #root: Root
  readonly #meta: Store
  readonly #entries: Store
  readonly #loop: CommitLoop
  /** The staged picture: what is durable, or will be when the running transaction is. */
  readonly #staged = new Map<string, Stored>()
  #nextNumber = 1
  #closed = false

  constructor(root: Root, meta: Store, entries: Store, loop: CommitLoop) {
    this.#root = root
    this.#meta = meta
    this.#entries = entries
    this.#loop = loop
    const live = new Set<number>()
    for (const { key, value } of meta.getRange(metaRange('state'))) {
      const stored = JSON.parse(new TextDecoder().decode(value)) as Stored
      this.#staged.set(nameOf(key as Uint8Array), stored)
      live.add(stored.number)
      this.#nextNumber = Math.max(this.#nextNumber, stored.number + 1)
    }
    for (const number of this.#numbers()) {
      this.#nextNumber = Math.max(this.#nextNumber, number + 1)
      if (!live.has(number)) this.#sweep(number)
    }
  }

  /** Numbers that have entries, one seek each. */
  #numbers(): number[] {
    const numbers: number[] = []
    for (;;) {
      const start = incarnationKey((numbers.at(-1) ?? 0) + 1)
      const [key] = this.#entries.getKeys({ start, limit: 1 }) as Iterable<Uint8Array>
      if (key === undefined) return numbers
      numbers.push(new DataView(key.buffer, key.byteOffset).getUint32(0))
    }
  }

  #put(writes: Writes, task: string, stored: Stored): void {
    this.#staged.set(task, stored)
    writes.put(this.#meta, metaKey('state', task), new TextEncoder().encode(JSON.stringify(stored)))
  }

  #fresh(epoch: number): Stored {
    return { number: this.#nextNumber++, incarnation: randomUUID(), epoch, position: null, metadata: '' }
  }

  async acquire(task: string): Promise<TaskState> {
    assertName('task', task)
    return this.#loop.submit({
      bytes: 0,
      stage: (writes) => {
        const found = this.#staged.get(task) ?? this.#fresh(0)
        const owned = { ...found, epoch: found.epoch + 1 }
        this.#put(writes, task, owned)
        return () => this.#owned(task, owned)
      },
    })
  }

  #owned(task: string, owned: Stored): TaskState {
    return {
      header: headerOf(owned),
      read: async (keys) => this.#picture((transaction) => this.#read(transaction, task, keys)),
      list: async (kind, prefix) => this.#picture((transaction) => this.#list(transaction, task, kind, prefix)),
      kinds: async () => this.#picture((transaction) => this.#kinds(transaction, task)),
      scan: (kind) => this.#scan(task, kind),
      apply: (delta) => this.#apply(task, owned, delta),
    }
  }

  async peek(task: string, kind: string, keys?: readonly Uint8Array[]): Promise<Picture> {
    if (keys === undefined) return this.#picture((transaction) => this.#list(transaction, task, kind))
    const asked = keys.map((key) => ({ kind, key }))
    const { header, values } = this.#picture((transaction) => this.#read(transaction, task, asked))
    return { header, entries: presentOf(keys, values) }
  }

  async drop(task: string): Promise<void> {
    const old = await this.#loop.submit({
      group: `state/${task}`,
      bytes: 0,
      stage: (writes) => {
        const found = this.#staged.get(task)
        if (found !== undefined) this.#put(writes, task, this.#fresh(found.epoch))
        return () => found?.number
      },
    })
    if (old !== undefined) this.#sweep(old)
  }

  #apply(task: string, owned: Stored, delta: Delta): Promise<Applied> {
    try {
      assertDelta(delta)
    } catch (error) {
      return Promise.reject(error)
    }
    let [bytes, pages] = [0, 0]
    eachPut(delta.puts, (_kind, _keys, keyFrom, keyTo, _values, valueFrom, valueTo) => {
      const size = keyTo - keyFrom + valueTo - valueFrom
      bytes += size
      pages += pagesFor(size)
    })
    const touched = delta.dropKinds.length > 0 ? Infinity : delta.puts.length + delta.removes.length
    return this.#loop.submit<Applied>({
      group: `state/${task}`,
      bytes,
      pages,
      touched,
      stage: (writes) => {
        const stored = this.#staged.get(task)
        const header = headerOf(stored)
        if (stored === undefined) return () => ({ result: 'moved', header })
        if (stored.epoch !== owned.epoch) return () => ({ result: 'fenced', header })
        if (stored.incarnation !== owned.incarnation) return () => ({ result: 'moved', header })
        const position = stored.position ?? 0
        if (position !== delta.from) {
          return () => (stored.position === delta.to ? { result: 'repeated' } : { result: 'moved', header })
        }
        this.#write(writes, stored.number, delta)
        this.#put(writes, task, { ...stored, position: delta.to, metadata: delta.metadata })
        return () => ({ result: 'applied' })
      },
    })
  }

  #write(writes: Writes, number: number, delta: Delta): void {
    const prefixes = new Map<string, Uint8Array>()
    const prefixOf = (kind: string): Uint8Array => {
      let prefix = prefixes.get(kind)
      if (prefix === undefined) prefixes.set(kind, (prefix = statePrefix(number, kind)))
      return prefix
    }
    for (const kind of delta.dropKinds) {
      const range = { start: prefixOf(kind), end: statePrefix(number, kind, 1) }
      for (const key of this.#entries.getKeys(range)) writes.remove(this.#entries, key)
    }
    // lmdb copies a key when it queues the write, so that one object serves for all.
    const key: PrefixedKey = [NOTHING, NOTHING, 0, 0]
    for (const entry of delta.removes) {
      key[0] = prefixOf(entry.kind)
      key[1] = entry.key
      key[2] = 0
      key[3] = entry.key.length
      writes.remove(this.#entries, key)
    }
    let kind: string | null = null
    let buffer: Uint8Array = NOTHING
    let slice = NOTHING as Uint8Array as Slice
    eachPut(delta.puts, (putKind, keys, keyFrom, keyTo, values, valueFrom, valueTo) => {
      if (putKind !== kind) key[0] = prefixOf((kind = putKind))
      key[1] = keys
      key[2] = keyFrom
      key[3] = keyTo
      if (valueTo - valueFrom === values.length) return writes.put(this.#entries, key, values)
      // Of a value lmdb notes where it stands; it reads `start` and `end` at once, and keeps the buffer alive.
      if (values !== buffer) slice = new Uint8Array((buffer = values).buffer) as Uint8Array as Slice
      slice.start = values.byteOffset + valueFrom
      slice.end = values.byteOffset + valueTo
      writes.put(this.#entries, key, slice)
    })
  }

  /** Runs a reader on one snapshot of the environment. */
  #picture<T>(reader: (transaction: Transaction) => T): T {
    if (this.#closed) throw new CodedError('SLUICE_CLOSED', 'state')
    const transaction = this.#root.useReadTransaction()
    try {
      return reader(transaction)
    } finally {
      transaction.done()
    }
  }

  #stored(transaction: Transaction, task: string): Stored | undefined {
    const bytes = this.#meta.get(metaKey('state', task), { transaction })
    return bytes === undefined ? undefined : (JSON.parse(new TextDecoder().decode(bytes)) as Stored)
  }

  #read(transaction: Transaction, task: string, keys: readonly StateKey[]): Awaited<ReturnType<TaskState['read']>> {
    const stored = this.#stored(transaction, task)
    if (stored === undefined) return { header: null, values: keys.map(() => undefined) }
    const options = { transaction }
    const key: PrefixedKey = [NOTHING, NOTHING, 0, 0]
    let kind: string | undefined
    const values = keys.map((entry) => {
      if (entry.kind !== kind) {
        kind = entry.kind
        key[0] = statePrefix(stored.number, kind)
      }
      key[1] = entry.key
      key[3] = entry.key.length
      return this.#entries.get(key, options)
    })
    return { header: headerOf(stored), values }
  }

  async *#scan(task: string, kind: string): AsyncGenerator<Picture['entries']> {
    yield this.#picture((transaction) => this.#list(transaction, task, kind)).entries
  }

  #list(transaction: Transaction, task: string, kind: string, prefix?: Uint8Array): Picture {
    const stored = this.#stored(transaction, task)
    if (stored === undefined) return { header: null, entries: [] }
    const before = statePrefix(stored.number, kind)
    const start = prefix === undefined ? before : new Uint8Array([...before, ...prefix])
    // A kind's prefix ends with 0, so that there is always a key after it.
    const end = afterPrefix(start) as Uint8Array
    const entries: { key: Uint8Array; value: Uint8Array }[] = []
    for (const { key, value } of this.#entries.getRange({ start, end, transaction })) {
      entries.push({ key: (key as Uint8Array).subarray(before.length), value })
    }
    return { header: headerOf(stored), entries }
  }

  #kinds(transaction: Transaction, task: string): string[] {
    const kinds: string[] = []
    const stored = this.#stored(transaction, task)
    if (stored === undefined) return kinds
    const end = incarnationKey(stored.number + 1)
    for (let start = incarnationKey(stored.number); ;) {
      const [key] = this.#entries.getKeys({ start, end, limit: 1, transaction }) as Iterable<Uint8Array>
      if (key === undefined) return kinds
      const kind = new TextDecoder().decode(key.subarray(4, key.indexOf(0, 4)))
      kinds.push(kind)
      start = statePrefix(stored.number, kind, 1)
    }
  }

  /** Removes what an abandoned incarnation left, in small transactions behind the others. */
  #sweep(number: number): void {
    const step = async (): Promise<void> => {
      let left = true
      while (left && !this.#closed) {
        left = await this.#loop.submit({
          bytes: 0,
          stage: (writes) => {
            const range = { start: incarnationKey(number), end: incarnationKey(number + 1), limit: SWEEP_ENTRIES }
            const keys = [...this.#entries.getKeys(range)]
            for (const key of keys) writes.remove(this.#entries, key)
            return () => keys.length === SWEEP_ENTRIES
          },
        })
      }
    }
    step().catch((error: unknown) => {
      // Nothing refers to these entries any more, and the next opening sweeps again. A failed store says so to its users.
      if (!(error instanceof CodedError)) throw error
    })
  }

  close(): void {
    this.#closed = true
  }
}
