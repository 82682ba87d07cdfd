/**
 * One task: one input partition, from recovery to hand-over. The log commits, the state follows.
 *
 * K1  The writer is made (fence) before K or R is read; K is what the writer found.
 * K2  The state stands for R <= K. [R, K) is processed again with outputs suppressed; at K the digest must be equal.
 * K3  A delta is serialised at the end of a step, before the next step touches the state, and goes to the store only
 *     when its position is proven.
 * K4  At takeover everything is read from the image that was acquired; afterwards values are used only with a header
 *     whose position lies between the last acknowledged delta and the last one sent.
 * K5  Any error of a commit but FencedError is indefinite: the task is thrown away and recovered.
 * K6  Outputs are a function of the input only: commit boundaries, batches and crashes appear in none of them.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { concatMap, defer, lastValueFrom, repeat, takeWhile } from 'rxjs'
import type { Backend, Fetched, TaskState, TopicPartition, Writer } from './backend.ts'
import type { Frame } from './batch.ts'
import { CodedError, FencedError } from './errors.ts'
import { frameFor } from './event-reader.ts'
import type { HashKey } from './hash.ts'
import { imageOf } from './image.ts'
import type { TaskObserver } from './observer.ts'
import { Processor } from './processor.ts'
import { walk } from './records.ts'
import type { SchemaIds } from './schema-ids.ts'
import type { RecordType } from './source.ts'
import { DeltaBuilder, type Missing } from './store.ts'
import { takeOver, type Expected } from './takeover.ts'
import type { Topology } from './topology.ts'
import { WriteBehind } from './write-behind.ts'
import { WriterSchemas, type WriterSchemaOptions } from './writer-schemas.ts'
import { Watch } from './watch.ts'

export interface TaskOptions {
  readonly topology: Topology
  /** Also the id of its writer and of its state. */
  readonly name: string
  readonly at: TopicPartition
  /** Number of input partitions of the source topology, N. */
  readonly partitions: number
  readonly backend: Backend
  readonly hashKey: HashKey
  readonly markOf: (topic: string) => RecordType | null
  /** Ids of the log's wire prefixes; default: the pinned ones. */
  readonly schemas?: SchemaIds
  /** Where other writers' schemas are kept and asked for; absent: their records are dead letters. */
  readonly writers?: WriterSchemaOptions
  /** Most rows of a commit; unbounded: a fetch. */
  readonly batchRows?: number
  readonly fetchBytes?: number
  /**
   * Between the beginnings of two commits while input comes in small pieces; 0, and as fast as it goes, by default. A
   * transaction costs a broker about the same whatever it carries. Full fetches do not wait.
   */
  readonly commitMs?: number
  /** A delta is taken when so many entries have changed, and when nothing comes in. */
  readonly deltaEntries?: number
  /** A delta is taken when the last one is so old, also when something comes in; and not before when nothing does. */
  readonly flushMs?: number
  /** Changed entries in memory at most: beyond that the task waits for the store. Ten deltas by default. */
  readonly overlayEntries?: number
  /** The line was made beforehand (`createTasks`): what is absent is lost, and no first start. */
  readonly expected?: Expected
  /** Told what an operator should know, once. */
  readonly warned?: (warning: string) => void
  /** Told what happens; nothing is counted without one. */
  readonly observer?: TaskObserver
  /** Called at named points, so that a test can stop the process there. */
  readonly reached?: (point: 'commit' | 'committed' | 'delta' | 'applied') => void | Promise<void>
}

/** A fetch is about this large: some thousand payments, small enough to stay in the cache while it is worked on. */
const FETCH_BYTES = 1 << 20
/** Coalesces some commits; bounds what a recovery has to process again, and the memory of a delta. */
const DELTA_ENTRIES = 50_000
/** The overlay may hold so many deltas while the store is away: some hundred thousand entries, below 100 MB. */
const OVERLAY_DELTAS = 10
const POLL_MS = 200
/** So many polls without a record: what has changed without an entry (clock, counters) is written, too ... */
const FLUSH_AFTER_POLLS = 3
/** ... and nobody ticks: no commit comes that would prove the last one, and its state would stay behind. */
const PROVE_AFTER_POLLS = 10

export class Task {
  readonly name: string
  /** Position up to which input is processed and handed to the log; what the log had at the last poll. */
  position = 0
  end = 0
  /** K, and rows processed again at recovery. */
  committed = 0
  reprocessed = 0
  processor: Processor
  readonly options: TaskOptions
  private readonly frame: Frame
  private readonly watch: Watch
  private writer: Writer | null = null
  private behind: WriteBehind | null = null
  private writerSchemas: WriterSchemas | null = null
  private readonly commits: Promise<void>[] = []
  private idlePolls = 0
  /** When the last commit began, and whether there was more input than its fetch could take. */
  private commitBegan = 0
  private pressed = false
  private stopping = false
  private failed: Error | null = null

  constructor(options: TaskOptions) {
    this.options = options
    this.name = options.name
    this.frame = frameFor(4096)
    this.processor = new Processor(options)
    this.watch = new Watch(options.name, options.observer, !options.topology.source.spec.objects)
  }

  /**
   * Fences, loads the state and processes [R, K) again. False: it was stopped meanwhile, and must not be run.
   * Errors: CodedError when log and state do not fit together.
   */
  async recover(): Promise<boolean> {
    const { name } = this.options
    const began = performance.now()
    this.watch.phase('recovering')
    const taken = await takeOver(this.options, (writer) => (this.writer = writer))
    const { writer, state, bounds, committed: to, stored: from } = taken
    const where = `${name}: K = ${to}, R = ${from}, log ${bounds.start} to ${bounds.end}`
    if (taken.warning !== null) this.options.warned?.(taken.warning)
    const { watch } = this
    const reached = this.options.reached
    await this.openWriterSchemas()
    const processor = new Processor({ ...this.options, writerSchemas: this.writerSchemas })
    this.processor = processor
    const applied = (to: number): void => processor.stored(to)
    this.behind = new WriteBehind({ task: name, state, watch, applied, reached, stopping: () => this.stopping })
    if (state.header !== null) await this.processor.load(imageOf(state, name))
    this.position = this.committed = to
    if (from < to) {
      await this.reprocess(from, to)
      if (this.stopping) return false
      const expected = writer.committed?.metadata
      if (this.processor.metadata() !== expected) throw new CodedError('SLUICE_NOT_DETERMINISTIC', where)
      this.takeDelta(to)
      await this.behind.apply()
    }
    this.watch.recovered(began, to, from, bounds, this.reprocessed)
    return !this.stopping
  }

  private async openWriterSchemas(): Promise<void> {
    const { backend, at, topology, writers, schemas } = this.options
    if (writers === undefined || topology.source.spec.objects) return
    this.writerSchemas = await WriterSchemas.open(backend.log, writers, at.partition, schemas)
  }

  /** Why it stands still although there is input; null when it does not. */
  get stalled(): string | null {
    return this.writerSchemas?.waiting ?? null
  }

  /** R. */
  get stored(): number {
    return this.behind?.stored ?? 0
  }

  /** Entries changed in memory that the store does not have yet, and why it cannot be asked; null when it can. */
  get overlay(): { readonly entries: number; readonly away: Error | null } {
    return { entries: this.processor.dirtyEntries + (this.behind?.entries ?? 0), away: this.behind?.away ?? null }
  }

  /** Lets `read` look at the stored state as it stands; the task goes on meanwhile, and writes behind afterwards. */
  async whileStored<Result>(read: (state: TaskState) => Promise<Result>): Promise<Result> {
    if (this.behind === null) throw new CodedError('SLUICE_CLOSED', `${this.name} has not recovered`)
    return this.behind.still(read)
  }

  private async reprocess(from: number, to: number): Promise<void> {
    let position = from
    while (position < to && !this.stopping) {
      const fetched = await this.fetch(position, POLL_MS)
      let rows = this.frame.rows
      while (rows > 0 && this.frame.offsets[rows - 1] >= to) rows--
      this.frame.rows = rows
      this.processor.decode(this.frame)
      for (let row = 0; row < rows;) row = await this.step(row, rows)
      this.processor.discard()
      this.reprocessed += rows
      position = Math.min(to, fetched.nextOffset)
    }
  }

  /** Runs until `stop`; resolves when everything in flight is done. Throws what stopped it. */
  async run(): Promise<void> {
    this.watch.phase('running')
    try {
      await lastValueFrom(
        defer(() => this.poll()).pipe(
          concatMap((fetched) => this.process(fetched)),
          repeat(),
          takeWhile(() => !this.stopping),
        ),
        { defaultValue: undefined },
      )
      await this.settle()
      this.watch.phase('stopped')
    } catch (error) {
      this.watch.phase(error instanceof FencedError ? 'fenced' : 'waiting', error as Error)
      throw error
    } finally {
      await this.close()
    }
  }

  /** Nothing more is sent through its writer. */
  async close(): Promise<void> {
    await this.writer?.close()
  }

  /** Processes what is there and returns when nothing more is, with the whole state written behind. */
  async catchUp(): Promise<void> {
    for (;;) {
      const fetched = await this.fetch(this.position, 0)
      if (fetched.nextOffset === this.position) break
      await this.process(fetched)
      this.raise()
    }
    await this.settle()
  }

  stop(): void {
    this.stopping = true
    this.writerSchemas?.stop()
  }

  /** Waits for commits in flight, and writes the whole state behind. */
  private async settle(): Promise<void> {
    const behind = this.behind as WriteBehind
    while (this.commits.length > 0) await this.commits.shift()
    for (;;) {
      await behind.idle()
      this.raise()
      if (this.processor.dirtyEntries > 0) this.takeDelta(this.committed)
      if (!behind.busy) return
      await this.prove()
      await behind.apply()
    }
  }

  /** Where a commit is proven only by the one behind it (K3), an empty one at the same position is that one. */
  private async prove(): Promise<void> {
    const writer = this.writer as Writer
    if (writer.proven >= this.committed) return
    await writer.commit({ appends: [], position: this.committed, metadata: this.processor.metadata() })
  }

  private raise(): void {
    if (this.failed !== null) throw this.failed
    this.behind?.raise()
  }

  private async poll(): Promise<Fetched> {
    this.raise()
    const wait = this.commitBegan + (this.options.commitMs ?? 0) - performance.now()
    if (wait > 0 && !this.pressed) await sleep(wait)
    const fetched = await this.fetch(this.position, POLL_MS)
    this.pressed = fetched.bytes.length * 2 >= (this.options.fetchBytes ?? FETCH_BYTES)
    return fetched
  }

  private async fetch(position: number, waitMs: number): Promise<Fetched> {
    const { backend, at, fetchBytes } = this.options
    const began = performance.now()
    const fetched = await backend.log.read(at, position, fetchBytes ?? FETCH_BYTES, waitMs)
    this.end = fetched.endOffset
    walk(fetched.bytes, position, this.frame, `${at.topic}-${at.partition}`)
    this.watch.fetched(began, position, this.frame, fetched)
    return fetched
  }

  private async process(fetched: Fetched): Promise<void> {
    const { frame } = this
    if (fetched.nextOffset === this.position) {
      await this.idle()
      return
    }
    const next = await this.learn(fetched)
    if (next === this.position) {
      await this.idle()
      return
    }
    this.idlePolls = 0
    this.processor.decode(frame)
    const rows = frame.rows
    const batchRows = this.options.batchRows ?? rows
    for (let row = 0; row < rows && !this.stopping;) {
      const first = row
      const until = Math.min(rows, row + batchRows)
      this.watch.begin(this.processor)
      while (row < until) row = await this.step(row, until)
      this.position = row < rows ? frame.offsets[row] : next
      this.watch.processed(this.processor, frame.offsets[first], this.position)
      await this.commit(first, row)
    }
    if (rows === 0) this.position = next
  }

  /** Asks what unknown schema ids mean. Cuts the frame where nobody could be asked; returns the position behind it. */
  private async learn(fetched: Fetched): Promise<number> {
    const { frame, writerSchemas } = this
    if (writerSchemas === null || !writerSchemas.asks) return fetched.nextOffset
    const unjudged = this.processor.unjudged(frame)
    if (unjudged.length === 0) return fetched.nextOffset
    const before = writerSchemas.waiting
    const rows = await writerSchemas.prepare(frame.rows, unjudged)
    const { waiting } = writerSchemas
    if (waiting !== before) this.options.observer?.stalled?.(this.name, waiting)
    if (rows === frame.rows) return fetched.nextOffset
    frame.rows = rows
    return rows === 0 ? this.position : frame.offsets[rows]
  }

  /** One step: what it needs is loaded, then the synchronous chain runs. Returns the row after it. */
  private async step(row: number, until: number): Promise<number> {
    const step = this.processor.read(this.frame, row, until - row)
    const missing = this.processor.missing()
    if (missing.length > 0) await this.loadMissing(missing)
    this.processor.run()
    this.watch.stepped(this.processor)
    return step.to
  }

  private async loadMissing(missing: readonly Missing[]): Promise<void> {
    const began = performance.now()
    await (this.behind as WriteBehind).load(missing)
    this.watch.loaded(began)
  }

  /** Commits what rows [from, to) of the frame gave. */
  private async commit(from: number, to: number): Promise<void> {
    const writer = this.writer as Writer
    const position = this.position
    const appends = this.processor.appends()
    if (this.writerSchemas !== null)
      appends.push(...this.writerSchemas.appends(this.processor.clock()?.streamTime ?? 0))
    const metadata = this.processor.metadata()
    const watch = this.watch.commit(position, appends, this.frame, from, to)
    await this.options.reached?.('commit')
    if (this.commits.length >= writer.maxInFlight) await this.commits.shift()
    this.commitBegan = performance.now()
    watch.called()
    const commit = writer.commit({ appends, position, metadata }).then(async () => {
      this.committed = position
      watch.done()
      await this.options.reached?.('committed')
      this.behind?.send(writer.proven)
    })
    // The rejection is seen when the commit is awaited; until then it must not count as unhandled.
    commit.catch((error: unknown) => (this.failed ??= error as Error))
    this.commits.push(commit)
    const { dirtyEntries } = this.processor
    const { backend, deltaEntries = backend.deltaEntries ?? DELTA_ENTRIES } = this.options
    const { overlayEntries = OVERLAY_DELTAS * (this.options.deltaEntries ?? DELTA_ENTRIES) } = this.options
    if (dirtyEntries >= deltaEntries || this.isFlushDue(Infinity)) this.takeDelta(position)
    this.raise()
    if (dirtyEntries >= overlayEntries) await this.settle()
  }

  /** Nothing came in: commits end, and the state catches up. */
  private async idle(): Promise<void> {
    const behind = this.behind as WriteBehind
    while (this.commits.length > 0) await this.commits.shift()
    this.raise()
    const changed = this.processor.dirtyEntries > 0 || ++this.idlePolls >= FLUSH_AFTER_POLLS
    if (!behind.busy && changed && this.isFlushDue(0)) this.takeDelta(this.committed)
    if (behind.entries > 0 && this.idlePolls >= PROVE_AFTER_POLLS) await this.prove()
    behind.send(this.writer?.proven ?? 0)
    if (!behind.busy) await behind.probe()
  }

  /** Whether the last delta is older than `flushMs`, or `otherwise` when that is not given. */
  private isFlushDue(otherwise: number): boolean {
    const taken = this.behind?.taken ?? 0
    return performance.now() - taken >= (this.options.flushMs ?? otherwise)
  }

  /** Serialises what changed (K3). While an earlier delta waits, changes stay in memory and join the next one. */
  private takeDelta(to: number): void {
    const behind = this.behind as WriteBehind
    if (!behind.takes(to)) return
    const builder = new DeltaBuilder(to)
    const metadata = this.processor.save(builder)
    const { puts, removes, dropKinds } = builder
    behind.take({ from: behind.sent, to, metadata, puts, removes, dropKinds })
  }
}
