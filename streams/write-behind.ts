/**
 * The stored state of a task, written behind: at most one delta waits for its proof, at most one is under way.
 *
 * What is read is used only with a header that stands between the last delta acknowledged and the last one sent (K4); who
 * has nothing to read probes it. While the store cannot be reached it is asked again, by the same delta: that is
 * harmless, for a delta has effect once (B5). Nothing else of the task stops meanwhile until it has to read.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Delta, StateHeader, StateKey, TaskState } from './backend.ts'
import { CodedError, FencedError } from './errors.ts'
import type { Missing } from './store.ts'
import type { Watch } from './watch.ts'

export interface WriteBehindOptions {
  readonly task: string
  readonly state: TaskState
  readonly watch: Watch
  /** Told when a delta up to a position is in the store. */
  readonly applied: (to: number) => void
  readonly reached: ((point: 'delta' | 'applied') => void | Promise<void>) | undefined
  /** Whether the task is to stop: then the store is not waited for. */
  readonly stopping: () => boolean
}

/** An owner with nothing to do looks at the header this often: a store that fell back under it heals. */
const PROBE_MS = 1_000
const PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000
/** Asked so often more when the task is to stop: what is behind is recovered by the next owner. */
const LAST_TRIES = 3

export class WriteBehind {
  /** R, as last acknowledged. */
  stored: number
  /** Position that the last delta sent leads to. */
  sent: number
  /** When the last delta was taken (performance.now()). */
  taken = performance.now()
  /** Why the store is being asked again; null while it answers. */
  away: Error | null = null
  private readonly options: WriteBehindOptions
  private waiting: Delta | null = null
  private applying: Promise<void> | null = null
  /** While somebody reads the stored state as it stands; deltas wait. */
  private held: Promise<unknown> | null = null
  private failed: Error | null = null
  private probed = performance.now()

  constructor(options: WriteBehindOptions) {
    this.options = options
    this.stored = this.sent = options.state.header?.position ?? 0
  }

  /** Whether a delta can be taken; the changes stay in memory else, and join the next one. */
  takes(to: number): boolean {
    return this.waiting === null && to !== this.sent
  }

  /** Keeps a delta until it is proven. */
  take(delta: Delta): void {
    this.waiting = delta
    this.taken = performance.now()
  }

  get busy(): boolean {
    return this.waiting !== null || this.applying !== null
  }

  /** Entries of deltas that are not stored yet. */
  get entries(): number {
    return this.waiting === null ? 0 : this.waiting.puts.length + this.waiting.removes.length
  }

  raise(): void {
    if (this.failed !== null) throw this.failed
  }

  /** Sends what waits if it is proven, and what comes to wait behind it. */
  send(proven: number): void {
    if (this.waiting === null || this.applying !== null || proven < this.waiting.to) return
    this.applying = this.apply().then(
      () => {
        this.applying = null
        this.send(proven)
      },
      (error: unknown) => {
        this.applying = null
        this.failed ??= error as Error
      },
    )
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.applying !== null) await this.applying
    this.raise()
  }

  /** Sends what waits now; the caller has seen to its proof. */
  async apply(): Promise<void> {
    while (this.held !== null) await this.held
    const delta = this.waiting
    if (delta === null) return
    const { task, state, watch, reached, applied: tell } = this.options
    this.waiting = null
    this.sent = delta.to
    await reached?.('delta')
    const began = performance.now()
    const applied = await this.ask(() => state.apply(delta))
    if (applied.result === 'fenced' || applied.result === 'moved') watch.refused(`delta-${applied.result}`)
    if (applied.result === 'fenced') throw new FencedError(task)
    if (applied.result === 'moved') {
      const found = applied.header?.position ?? 'none'
      throw new CodedError('SLUICE_STATE_MOVED', `${task}: R = ${found}, expected ${delta.from}`)
    }
    this.stored = delta.to
    tell(delta.to)
    watch.applied(began, delta)
    await reached?.('applied')
  }

  /** Lets `read` look at the stored state, which stands still meanwhile. One at a time. */
  async still<Result>(read: (state: TaskState) => Promise<Result>): Promise<Result> {
    while (this.held !== null) await this.held
    const before = this.applying
    const reading = (before ?? Promise.resolve()).then(() => read(this.options.state))
    // Whoever waits only waits; the error is the reader's.
    this.held = reading.catch(() => undefined).then(() => (this.held = null))
    return reading
  }

  async read(keys: readonly StateKey[]): Promise<(Uint8Array | undefined)[]> {
    const { header, values } = await this.ask(() => this.options.state.read(keys))
    this.assertOurs(header)
    return values
  }

  /** Reads what a step needs, and what turns out to be needed besides. */
  async load(missing: readonly Missing[]): Promise<void> {
    for (let asked = missing; asked.length > 0;) {
      const values = await this.read(asked.flatMap(({ keys }) => keys))
      const more: Missing[] = []
      let at = 0
      for (const one of asked) {
        one.absorb(values.slice(at, at + one.keys.length))
        at += one.keys.length
        const next = one.more?.() ?? null
        if (next !== null) more.push(next)
      }
      asked = more
    }
  }

  /** Looks at the header, once in a while. */
  async probe(): Promise<void> {
    if (performance.now() - this.probed >= PROBE_MS) await this.read([])
  }

  private assertOurs(header: StateHeader | null): void {
    const { task, state, watch } = this.options
    this.probed = performance.now()
    if (header !== null && state.header !== null && header.epoch > state.header.epoch) throw new FencedError(task)
    const position = header?.position ?? 0
    const ours = state.header === null || header === null || header.incarnation === state.header.incarnation
    if (ours && position >= this.stored && position <= this.sent) return
    watch.refused('read-moved')
    const found = header === null ? 'no state' : `R = ${position}${ours ? '' : ' of another incarnation'}`
    throw new CodedError('SLUICE_STATE_MOVED', `${task}: ${found}, expected ${this.stored} to ${this.sent}`)
  }

  private async ask<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    let tries = 0
    for (let pause = PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
      try {
        const answer = await ask()
        this.away = null
        return answer
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'SLUICE_STORE_UNREACHABLE') throw error
        if (this.options.stopping() && ++tries > LAST_TRIES) throw error
        this.away = error
        await sleep(pause)
      }
    }
  }
}
