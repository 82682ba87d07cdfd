/**
 * A line whose tasks run in workers elsewhere, seen from here: each task as its state stood when it was last written (R).
 *
 * R1  A task is read as one picture: every store at the same R, or it is read again.
 * R2  Between tasks: the settlement task is never shown ahead of a source task. Until that one's state is written too,
 *     the settlement task is shown as it was before; when a mirror is opened this is waited for, and where it does not come
 *     (the worker of that source is gone), its picture is shown all the same.
 * R3  What grows with the horizon or with the accounts is not read: entries of deduplication, features;
 *     of held records which there are, and those that are shown.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { AsOf } from '../dashboard/snapshot.ts'
import type { Log, TaskState, TopicPartition } from '../streams/backend.ts'
import { Processor, type CycleMerger, type TaskSpec, type Topology } from '../streams/index.ts'
import { lineTasks, markOf, PACE_RECORDS, type Line } from './engine.ts'
import type { LineView, TaskView } from './line-view.ts'

/** A task's state is written about once a second; looking more often shows nothing new. */
const LOOK_MS = 500
/** Looks for which the first picture waits for the source tasks: ten times the interval at which they write. */
const FIRST_LOOKS = 20
/** A picture that was torn by a delta between two reads is taken again at once. */
const PICTURES = 20
/** Markers of transactions have offsets and are no records. */
const MARKERS = 2

class Mirrored implements TaskView {
  readonly name: string
  readonly options: { readonly at: TopicPartition; readonly topology: Topology }
  readonly stalled = null
  committed = 0
  end = 0
  /** R of what is shown; -1 before the first look. */
  stored = -1
  processor: Processor

  constructor(spec: TaskSpec, processor: Processor) {
    this.name = spec.name
    this.options = spec
    this.processor = processor
  }
}

/** Thrown while a picture is taken: a delta came in between. */
class Torn extends Error {}

export class Mirror implements LineView {
  readonly line: Line
  readonly topologies: readonly [Topology, Topology]
  readonly tasks: readonly Mirrored[]
  readonly halted = null
  private readonly stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()
  private looking: Promise<void> | null = null
  /** The next picture of the settlement task is taken whatever the others show. */
  private anyhow = false

  private constructor(line: Line) {
    this.line = line
    const specs = lineTasks(line.settings)
    this.topologies = [specs[0].topology, specs[specs.length - 1].topology]
    this.tasks = specs.map((spec) => new Mirrored(spec, this.processorOf(spec)))
  }

  /** Takes a first look, of which the parts fit together. */
  static async open(line: Line): Promise<Mirror> {
    const mirror = new Mirror(line)
    for (let looks = 1; looks <= FIRST_LOOKS; looks++) {
      await mirror.look()
      if (mirror.settlement.stored >= 0) return mirror
      await sleep(LOOK_MS)
    }
    mirror.anyhow = true
    await mirror.look()
    return mirror
  }

  private get settlement(): Mirrored {
    return this.tasks[this.tasks.length - 1]
  }

  /** Looks again and again until it is closed; `failed` is told when a look failed, and with null when one works again. */
  follow(failed: (error: Error | null) => void): void {
    const { signal } = this.stopping
    const run = async (): Promise<void> => {
      let well = true
      while (!signal.aborted) {
        try {
          await this.look()
          if (!well) failed(null)
          well = true
        } catch (error) {
          if (signal.aborted) return
          if (well) failed(error as Error)
          well = false
        }
        await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
      }
    }
    this.loop = run()
  }

  async close(): Promise<void> {
    this.stopping.abort()
    await this.loop
  }

  /** Reads positions and states now. Calls at the same time share one look. */
  look(): Promise<void> {
    this.looking ??= this.lookNow().finally(() => (this.looking = null))
    return this.looking
  }

  private async lookNow(): Promise<void> {
    const { log } = this.line.backend
    const pictures = await Promise.all(
      this.tasks.map(async (task) => {
        const [ledger, { end }] = await Promise.all([log.peek(task.name), log.bounds(task.options.at)])
        task.committed = Math.max(task.committed, ledger?.position ?? 0)
        task.end = end
        return this.picture(task)
      }),
    )
    const settling = pictures[pictures.length - 1]
    for (const [index, picture] of pictures.slice(0, -1).entries()) {
      if (picture !== null) Object.assign(this.tasks[index], picture)
    }
    // R2
    if (settling !== null && (this.anyhow || this.covers(settling.processor))) Object.assign(this.settlement, settling)
    this.anyhow = false
  }

  /** Whether every source task, as it is shown, has written what this settlement task has merged. */
  private covers(settling: Processor): boolean {
    const merge = settling.stores.get('merge') as CycleMerger
    return this.tasks.slice(0, -1).every(({ processor, options }) => {
      const written =
        processor.graph.outputs.find(({ destination }) => destination.topic === 'cycle-partials')?.seq ?? 0
      return merge.merged(options.at.partition) <= written
    })
  }

  /** The task at its stored position; null when that is what is shown already. */
  private async picture(task: Mirrored): Promise<{ stored: number; processor: Processor } | null> {
    const { state } = this.line.backend
    for (let tries = 1; ; tries++) {
      const { header } = await state.peek(task.name, 'core')
      const stored = header?.position ?? 0
      if (stored === task.stored) return null
      const processor = this.processorOf(task.options as TaskSpec)
      try {
        await processor.load(lightly(state, task.name, header))
        fillRates(processor, task.options.topology)
        return { stored, processor }
      } catch (error) {
        if (!(error instanceof Torn) || tries === PICTURES) throw error
      }
    }
  }

  private processorOf({ topology, at }: Pick<TaskSpec, 'topology' | 'at'>): Processor {
    const { settings, hashKey, schemas } = this.line
    return new Processor({ topology, at, partitions: settings.partitions, hashKey, markOf, schemas })
  }

  get asOf(): AsOf {
    const times = this.tasks.slice(0, -1).map(({ processor }) => processor.clock()?.streamTime ?? 0)
    const streamTime = Math.min(...times)
    return {
      streamTime: streamTime === 0 ? null : streamTime,
      positions: Object.fromEntries(this.tasks.map(({ name, stored }) => [name, Math.max(0, stored)])),
    }
  }

  lag(): number {
    return this.tasks.reduce((sum, { end, committed }) => sum + (end - committed > MARKERS ? end - committed : 0), 0)
  }

  closedThrough(): number {
    return Math.max(0, ...this.tasks.slice(0, -1).map(({ processor }) => processor.clock()?.closedThrough ?? 0))
  }

  readonly pace = async (): Promise<void> => {
    const { log } = this.line.backend
    for (;;) {
      const behind = await Promise.all(
        this.tasks.slice(0, -1).map(async ({ name, options }) => {
          const [ledger, { end }] = await Promise.all([log.peek(name), log.bounds(options.at)])
          return end - (ledger?.position ?? 0)
        }),
      )
      if (behind.reduce((sum, one) => sum + one, 0) <= PACE_RECORDS) return
      await sleep(50)
    }
  }

  async caughtUp(): Promise<void> {
    // Source tasks first: what they have written is input of the settlement task.
    for (const task of this.tasks) {
      const { at } = task.options
      const { end } = await this.line.backend.log.bounds(at)
      while (!(await this.isThrough(task, end))) await sleep(100)
    }
  }

  /** Whether the task is shown as it was when it had processed every record before `end`, or later. */
  private async isThrough(task: Mirrored, end: number): Promise<boolean> {
    await this.look()
    return task.stored >= end || nothingBetween(this.line.backend.log, task.options.at, task.stored, end)
  }
}

/** Whether no record stands at offsets [from, to): only markers, or nothing. */
async function nothingBetween(log: Log, at: TopicPartition, from: number, to: number): Promise<boolean> {
  for (let offset = from; offset < to;) {
    const { bytes, nextOffset } = await log.read(at, offset, 1, 0)
    if (bytes.length > 0 || nextOffset === offset) return false
    offset = nextOffset
  }
  return true
}

type State = Line['backend']['state']

/** The stored state without what grows with the horizon (R3), every list from one and the same picture (R1). */
function lightly(state: State, name: string, header: TaskState['header']): TaskState {
  return {
    header,
    async list(kind) {
      const picture = await state.peek(name, kind)
      const { header: now } = picture
      if (now?.incarnation !== header?.incarnation || now?.position !== header?.position) throw new Torn(name)
      return picture
    },
    // Deduplication asks for its buckets by their kinds: it keeps none here.
    kinds: () => Promise.resolve([]),
    scan: () => {
      throw new Error('a mirror takes no snapshot')
    },
    read: () => Promise.reject(new Error('a mirror reads whole kinds')),
    apply: () => Promise.reject(new Error('a mirror changes nothing')),
  }
}

/** Counters of edges that the state tells: what came in, and what was written. Those between are known to workers only. */
function fillRates({ graph, received }: Processor, topology: Topology): void {
  const rates = graph.rates as Map<string, number>
  for (const node of topology.nodes) {
    if (node.kind === 'sink' && node.inputs.length === 1) {
      const [edge] = node.inputs
      const output = graph.outputs.find(({ destination }) => destination.topic === node.topic.name)
      rates.set(`${edge.node}:${edge.port}>${node.id}`, output?.seq ?? 0)
    }
    if (node.kind === 'source') continue
    for (const edge of node.inputs) {
      if (edge.node === topology.source.id && edge.port === 'events')
        rates.set(`${edge.node}:${edge.port}>${node.id}`, received)
    }
  }
}
