/**
 * The in-memory state: compare-and-set on (epoch, R), and a past into which it can fall back, as a store that lost its
 * tail does. Every change keeps what it replaced, so any earlier image can be had again by undoing changes.
 */
import { randomUUID } from 'node:crypto'
import type { Applied, Delta, State, StateHeader, StateKey, TaskState } from '../backend.ts'
import { assertDelta, presentOf } from '../embedded/state.ts'
import { CodedError } from '../errors.ts'
import type { World } from './faults.ts'

/** Changes kept per task: further back nothing falls. */
const KEPT_CHANGES = 256

interface Stored {
  readonly incarnation: string
  readonly epoch: number
  /** R; null while the task has no state. */
  readonly position: number | null
  readonly metadata: string
}

interface Task {
  stored: Stored
  /** By kind, then by key in Latin-1, so that code unit order is byte order. */
  readonly kinds: Map<string, Map<string, Uint8Array>>
  readonly past: { stored: Stored; undo: (() => void)[] }[]
}

type Picture = { header: StateHeader | null; entries: { key: Uint8Array; value: Uint8Array }[] }

const textOf = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
const bytesOf = (key: string): Uint8Array => new Uint8Array(Buffer.from(key, 'latin1'))

function headerOf(stored: Stored | undefined): StateHeader | null {
  if (stored === undefined || stored.position === null) return null
  return { ...stored, position: stored.position }
}

export class MemoryState implements State {
  readonly #world: World
  readonly #tasks = new Map<string, Task>()
  #epochs = 0

  constructor(world: World) {
    this.#world = world
  }

  async acquire(name: string): Promise<TaskState> {
    const { life } = this.#world
    await this.#world.at(life, 'acquire', name)
    this.#world.assertAlive(life, name)
    let task = this.#tasks.get(name)
    if (task === undefined) this.#tasks.set(name, (task = fresh()))
    const owned = this.#raise(task)
    return new MemoryTaskState(this.#world, () => this.#tasks.get(name), name, life, owned)
  }

  /** Epochs never repeat, not even after a fall-back: an earlier image must not make an earlier owner the owner. */
  #raise(task: Task): Stored {
    this.#epochs = Math.max(this.#epochs, task.stored.epoch) + 1
    change(task, { ...task.stored, epoch: this.#epochs }, [])
    return task.stored
  }

  async peek(name: string, kind: string, keys?: readonly Uint8Array[]): Promise<Picture> {
    const task = this.#tasks.get(name)
    if (keys === undefined) return pictureOf(task, kind)
    const values = keys.map((key) => task?.kinds.get(kind)?.get(textOf(key))?.slice())
    return { header: headerOf(task?.stored), entries: presentOf(keys, values) }
  }

  async drop(name: string): Promise<void> {
    await this.#world.at(this.#world.life, 'before-delta', name)
    this.lose(name)
  }

  /** Names of the tasks that have, or had, state. */
  names(): string[] {
    return [...this.#tasks.keys()]
  }

  /** How many changes (deltas and take-overs) can be undone. */
  changes(name: string): number {
    return this.#tasks.get(name)?.past.length ?? 0
  }

  /** The state falls back by a number of changes, with its header: what a promoted replica or a cut log gives. */
  fallBack(name: string, changes: number): void {
    const task = this.#tasks.get(name)
    for (let undone = 0; task !== undefined && undone < changes; undone++) {
      const last = task.past.pop()
      if (last === undefined) return
      for (const undo of last.undo.reverse()) undo()
      task.stored = last.stored
    }
  }

  /** The state is lost whole. */
  lose(name: string): void {
    this.#tasks.delete(name)
  }

  /** Another owner, of another process, takes over. */
  steal(name: string): void {
    const task = this.#tasks.get(name)
    if (task !== undefined) this.#raise(task)
  }
}

function fresh(): Task {
  return {
    stored: { incarnation: randomUUID(), epoch: 0, position: null, metadata: '' },
    kinds: new Map(),
    past: [],
  }
}

function change(task: Task, stored: Stored, undo: (() => void)[]): void {
  task.past.push({ stored: task.stored, undo })
  if (task.past.length > KEPT_CHANGES) task.past.shift()
  task.stored = stored
}

function pictureOf(task: Task | undefined, kind: string, prefix?: Uint8Array): Picture {
  const start = prefix === undefined ? '' : textOf(prefix)
  const found = [...(task?.kinds.get(kind) ?? [])].filter(([key]) => key.startsWith(start))
  found.sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    header: headerOf(task?.stored),
    entries: found.map(([key, value]) => ({ key: bytesOf(key), value: value.slice() })),
  }
}

class MemoryTaskState implements TaskState {
  readonly header: StateHeader | null
  readonly #world: World
  readonly #task: () => Task | undefined
  readonly #name: string
  readonly #life: number
  readonly #owned: Stored
  /** What a reader without validation would go on believing: only for the faulty variant. */
  #believed: StateHeader | null

  constructor(world: World, task: () => Task | undefined, name: string, life: number, owned: Stored) {
    this.#world = world
    this.#task = task
    this.#name = name
    this.#life = life
    this.#owned = owned
    this.header = this.#believed = headerOf(owned)
  }

  #header(): StateHeader | null {
    return this.#world.faulty.staleHeader ? this.#believed : headerOf(this.#task()?.stored)
  }

  async read(keys: readonly StateKey[]): ReturnType<TaskState['read']> {
    await this.#world.at(this.#life, 'read-state', this.#name)
    this.#world.assertAlive(this.#life, this.#name)
    const kinds = this.#task()?.kinds
    const believed = keys.length === 0 && this.#world.faulty.blindProbe
    const header = believed ? this.#believed : this.#header()
    return { header, values: keys.map(({ kind, key }) => kinds?.get(kind)?.get(textOf(key))?.slice()) }
  }

  async list(kind: string, prefix?: Uint8Array): Promise<Picture> {
    await this.#world.at(this.#life, 'read-state', this.#name)
    this.#world.assertAlive(this.#life, this.#name)
    const picture = pictureOf(this.#task(), kind, prefix)
    if (this.#world.faulty.gapInLists && picture.entries.length > 1) picture.entries.pop()
    return { ...picture, header: this.#header() }
  }

  async *scan(kind: string): AsyncGenerator<Picture['entries']> {
    yield (await this.list(kind)).entries
  }

  async kinds(): Promise<string[]> {
    await this.#world.at(this.#life, 'read-state', this.#name)
    this.#world.assertAlive(this.#life, this.#name)
    return [...(this.#task()?.kinds ?? [])]
      .filter(([, entries]) => entries.size > 0)
      .map(([kind]) => kind)
      .sort()
  }

  async apply(delta: Delta): Promise<Applied> {
    assertDelta(delta)
    const fault = await this.#world.at(this.#life, 'before-delta', this.#name, delta.to)
    if (fault === 'late') {
      this.#applyLater(delta)
      throw new CodedError('SLUICE_STORE_UNREACHABLE', `${this.#name}: no answer to the delta up to ${delta.to}`)
    }
    this.#world.assertAlive(this.#life, this.#name)
    const applied = this.#apply(delta)
    if (fault === 'twice') this.#applyLater(delta)
    await this.#world.at(this.#life, 'after-delta', this.#name, delta.to)
    return applied
  }

  /** A message that the network kept arrives some turns later, whatever has become of who sent it. */
  #applyLater(delta: Delta): void {
    let turns = 20
    const arrive = (): void => {
      if (--turns > 0) setImmediate(arrive)
      else this.#apply(delta)
    }
    setImmediate(arrive)
  }

  #apply(delta: Delta): Applied {
    const { faulty } = this.#world
    const task = this.#task()
    const header = headerOf(task?.stored)
    if (task === undefined) return { result: 'moved', header }
    if (task.stored.epoch > this.#owned.epoch && !faulty.noEpoch) return { result: 'fenced', header }
    const mine = task.stored.epoch === this.#owned.epoch && task.stored.incarnation === this.#owned.incarnation
    if (!mine && !faulty.noEpoch) return { result: 'moved', header }
    if ((task.stored.position ?? 0) !== delta.from && !faulty.noCas) {
      return task.stored.position === delta.to ? { result: 'repeated' } : { result: 'moved', header }
    }
    const undo: (() => void)[] = []
    for (const kind of delta.dropKinds) {
      const dropped = task.kinds.get(kind)
      if (dropped === undefined) continue
      task.kinds.delete(kind)
      undo.push(() => task.kinds.set(kind, dropped))
    }
    const set = (kind: string, key: Uint8Array, value: Uint8Array | undefined): void => {
      let entries = task.kinds.get(kind)
      if (entries === undefined) {
        task.kinds.set(kind, (entries = new Map()))
        undo.push(() => task.kinds.delete(kind))
      }
      const [within, text] = [entries, textOf(key)]
      const before = within.get(text)
      undo.push(() => (before === undefined ? within.delete(text) : within.set(text, before)))
      if (value === undefined) within.delete(text)
      else within.set(text, value.slice())
    }
    for (const { kind, key } of delta.removes) set(kind, key, undefined)
    for (const { kind, key, value } of delta.puts) set(kind, key, value)
    change(task, { ...task.stored, position: delta.to, metadata: delta.metadata }, undo)
    this.#believed = headerOf(task.stored)
    return { result: 'applied' }
  }
}
