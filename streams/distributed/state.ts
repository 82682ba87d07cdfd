/**
 * The state on Redis: per task a header, the set of its kinds, and one hash per kind, all in one slot.
 *
 * Every operation is one Lua script (scripts/), so one atomic unit; a time-out is no answer, and an apply that is sent
 * again says `repeated`. Nothing ever expires: a time to live is a clock.
 */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Applied, Delta, State, StateHeader, StateKey, TaskState } from '../backend.ts'
import { assertName } from '../embedded/keys.ts'
import { assertDelta, presentOf } from '../embedded/state.ts'
import { CodedError } from '../errors.ts'
import { eachPut } from '../puts.ts'
import { stateKey } from './names.ts'
import { storeError } from './redis.ts'
import { RespWriter } from './resp.ts'
import { script, type Arguments } from './script.ts'

const scripts = {
  acquire: script('acquire'),
  counts: script('counts'),
  header: script('header'),
  read: script('read'),
  list: script('list'),
  kinds: script('kinds'),
  scan: script('scan'),
  apply: script('apply'),
  drop: script('drop'),
}

/** Somebody who still writes may add a kind between two questions; so many rounds are more than it can. */
const ROUNDS = 100

type Picture = { header: StateHeader | null; entries: { key: Uint8Array; value: Uint8Array }[] }
type Value = Buffer | null

function headerOf([incarnation, epoch, position, metadata]: readonly Value[]): StateHeader | null {
  if (incarnation === null || position === null) return null
  return {
    incarnation: incarnation.toString(),
    epoch: Number(epoch),
    position: Number(position),
    metadata: (metadata ?? '').toString(),
  }
}

export class RedisState implements State {
  readonly #redis: Redis
  readonly #prefix: string

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis
    this.#prefix = prefix
  }

  async acquire(task: string): Promise<TaskState> {
    assertName('task', task)
    const keys = new TaskKeys(this.#prefix, task)
    const found = (await this.run('acquire', task, [keys.header, keys.kinds], [randomUUID()])) as Value[]
    const [incarnation, epoch] = [String(found[0]), String(found[1])]
    if (headerOf(found) !== null) await this.#assertWhole(task, keys)
    return new RedisTaskState(this, task, keys, incarnation, epoch, headerOf(found))
  }

  /** Errors: SLUICE_STATE_DAMAGED when a kind has another number of entries than was written. */
  async #assertWhole(task: string, keys: TaskKeys): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const fields = ((await this.run('header', task, [keys.header], [])) as Buffer[]).map(String)
      const kinds = fields.filter((field) => field.startsWith('n:')).map((field) => field.slice(2))
      const hashes = kinds.map((kind) => keys.kind(kind))
      const differ = (await this.run('counts', task, [keys.header, ...hashes], kinds)) as Buffer[] | number
      if (typeof differ === 'number') continue
      if (differ.length === 0) return
      throw new CodedError('SLUICE_STATE_DAMAGED', `state of ${task}: entries of ${differ.map(String).join(', ')}`)
    }
    throw new CodedError('SLUICE_STORE_UNREACHABLE', `state of ${task}: it changes faster than it can be checked`)
  }

  async peek(task: string, kind: string, keys?: readonly Uint8Array[]): Promise<Picture> {
    const own = new TaskKeys(this.#prefix, task)
    if (keys === undefined) return pictureOf(await this.run('list', task, [own.header, own.kind(kind)], ['']))
    const { header, values } = await this.read(
      task,
      own,
      keys.map((key) => ({ kind, key })),
    )
    return { header, entries: presentOf(keys, values) }
  }

  async read(task: string, own: TaskKeys, keys: readonly StateKey[]): ReturnType<TaskState['read']> {
    const kinds = new Map<string, number[]>()
    for (const [index, { kind }] of keys.entries()) {
      const same = kinds.get(kind)
      if (same === undefined) kinds.set(kind, [index])
      else same.push(index)
    }
    const args = new RespWriter()
    for (const same of kinds.values()) {
      args.text(String(same.length))
      for (const index of same) args.bytes(keys[index].key)
    }
    const hashes = [...kinds.keys()].map((kind) => own.kind(kind))
    const found = (await this.run('read', task, [own.header, ...hashes], { written: [args] })) as Value[]
    const values: (Uint8Array | undefined)[] = Array.from({ length: keys.length })
    let at = 4
    for (const same of kinds.values()) {
      for (const index of same) {
        const value = found[at++] ?? null
        values[index] = value === null ? undefined : new Uint8Array(value)
      }
    }
    return { header: headerOf(found), values }
  }

  async drop(task: string): Promise<void> {
    const keys = new TaskKeys(this.#prefix, task)
    for (let round = 0; round < ROUNDS; round++) {
      const kinds = ((await this.run('kinds', task, [keys.kinds], [])) as Buffer[]).map(String)
      const all = [keys.header, keys.kinds, ...kinds.map((kind) => keys.kind(kind))]
      if ((await this.run('drop', task, all, [randomUUID(), ...kinds])) === 1) return
    }
    throw new CodedError('SLUICE_STORE_FAILED', `state of ${task}: it is written faster than it can be dropped`)
  }

  async run(name: keyof typeof scripts, task: string, keys: string[], args: Arguments): Promise<unknown> {
    if (this.#redis.status === 'end') throw new CodedError('SLUICE_CLOSED', `state of ${task}`)
    try {
      return await scripts[name](this.#redis, keys, args)
    } catch (error) {
      throw storeError(this.#redis, error, `state of ${task}, ${name}`)
    }
  }
}

class TaskKeys {
  readonly #tag: string

  constructor(prefix: string, task: string) {
    this.#tag = stateKey(prefix, task)
  }

  get header(): string {
    return `${this.#tag}:header`
  }

  get kinds(): string {
    return `${this.#tag}:kinds`
  }

  kind(kind: string): string {
    return `${this.#tag}:kind:${kind}`
  }
}

/** Entries by ascending key bytes. */
function pictureOf(answer: unknown): Picture {
  const values = answer as Value[]
  const entries: { key: Uint8Array; value: Uint8Array }[] = []
  for (let at = 4; at < values.length; at += 2) {
    entries.push({ key: new Uint8Array(values[at] as Buffer), value: new Uint8Array(values[at + 1] as Buffer) })
  }
  entries.sort((a, b) => Buffer.compare(a.key, b.key))
  return { header: headerOf(values), entries }
}

class RedisTaskState implements TaskState {
  readonly header: StateHeader | null
  readonly #state: RedisState
  readonly #task: string
  readonly #keys: TaskKeys
  readonly #incarnation: string
  readonly #epoch: string

  constructor(
    state: RedisState,
    task: string,
    keys: TaskKeys,
    incarnation: string,
    epoch: string,
    header: StateHeader | null,
  ) {
    this.#state = state
    this.#task = task
    this.#keys = keys
    this.#incarnation = incarnation
    this.#epoch = epoch
    this.header = header
  }

  read(keys: readonly StateKey[]): ReturnType<TaskState['read']> {
    return this.#state.read(this.#task, this.#keys, keys)
  }

  async list(kind: string, prefix?: Uint8Array): Promise<Picture> {
    const begin = prefix === undefined ? '' : Buffer.from(prefix)
    const keys = [this.#keys.header, this.#keys.kind(kind)]
    return pictureOf(await this.#state.run('list', this.#task, keys, [begin]))
  }

  async *scan(kind: string): AsyncGenerator<Picture['entries']> {
    let cursor = '0'
    do {
      const found = (await this.#state.run('scan', this.#task, [this.#keys.kind(kind)], [cursor])) as [Buffer, Buffer[]]
      cursor = String(found[0])
      const entries: Picture['entries'] = []
      for (let at = 0; at < found[1].length; at += 2) {
        entries.push({ key: new Uint8Array(found[1][at]), value: new Uint8Array(found[1][at + 1]) })
      }
      yield entries
    } while (cursor !== '0')
  }

  async kinds(): Promise<string[]> {
    const found = (await this.#state.run('kinds', this.#task, [this.#keys.kinds], [])) as Buffer[]
    return found.map(String).sort()
  }

  async apply(delta: Delta): Promise<Applied> {
    assertDelta(delta)
    const changes = changesOf(delta)
    const head = new RespWriter()
    for (const each of [this.#incarnation, this.#epoch, String(delta.from), String(delta.to), delta.metadata])
      head.text(each)
    const written = [head]
    for (const [kind, { drop, removes, puts }] of changes) {
      const counts = new RespWriter(256)
      for (const each of [kind, drop ? '1' : '0', String(removes.count), String(puts.count / 2)]) counts.text(each)
      written.push(counts, removes, puts)
    }
    const keys = [this.#keys.header, this.#keys.kinds, ...[...changes.keys()].map((kind) => this.#keys.kind(kind))]
    const [result, ...header] = (await this.#state.run('apply', this.#task, keys, { written })) as [Buffer, ...Value[]]
    const said = String(result)
    if (said === 'applied' || said === 'repeated') return { result: said }
    return { result: said === 'fenced' ? 'fenced' : 'moved', header: headerOf(padded(header)) }
  }
}

/** Redis ends an array at its last value that is not nil. */
const padded = (header: readonly Value[]): Value[] => Array.from({ length: 4 }, (_, index) => header[index] ?? null)

/** Of one kind: what a delta does to it, as arguments of the script. */
interface Change {
  drop: boolean
  readonly removes: RespWriter
  /** Field, value, field, value ... */
  readonly puts: RespWriter
}

function changesOf({ dropKinds, removes, puts }: Delta): Map<string, Change> {
  const changes = new Map<string, Change>()
  let [last, change]: [string | null, Change] = [null, newChange()]
  const changeOf = (kind: string): Change => {
    if (kind === last) return change
    last = kind
    const known = changes.get(kind)
    change = known ?? newChange()
    if (known === undefined) changes.set(kind, change)
    return change
  }
  for (const kind of dropKinds) changeOf(kind).drop = true
  for (const { kind, key } of removes) changeOf(kind).removes.bytes(key)
  eachPut(puts, (kind, keys, keyFrom, keyTo, values, valueFrom, valueTo) => {
    const { puts: written } = changeOf(kind)
    written.bytes(keys, keyFrom, keyTo)
    written.bytes(values, valueFrom, valueTo)
  })
  return changes
}

const newChange = (): Change => ({ drop: false, removes: new RespWriter(0), puts: new RespWriter() })
