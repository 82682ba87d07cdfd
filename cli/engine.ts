/** The payments line over a backend: its topics, its tasks, their supervision. What every command composes first. */

import { setTimeout as sleep } from 'node:timers/promises'
import { firstRules } from '../processors/rules.ts'
import { defaultSettings, type Settings } from '../schemas/settings.ts'
import { records, topics } from '../schemas/topics.ts'
import { openEmbedded, type EmbeddedBackend, type Manifest } from '../streams/embedded/index.ts'
import {
  Worker,
  type Backend,
  type SchemaIds,
  type Task,
  type TaskOptions,
  type TaskSpec,
  type Topology,
  type WriterLookup,
  type WriterSchemaOptions,
} from '../streams/index.ts'
import { payments } from '../topologies/payments.ts'
import { settlement } from '../topologies/settlement.ts'

/** Raised with every change after which the same log would give other outputs. */
export const logicVersion = '1'

/** Records that wait between intake and tasks at most: bounds how far a recovery has to go. */
export const PACE_RECORDS = 200_000

export interface EngineOptions {
  readonly directory: string
  /** Settings that the user gave; the others are recorded, or the defaults. */
  readonly settings?: Partial<Settings>
  readonly create?: boolean
  readonly batchRows?: number
  readonly trace?: TaskOptions['reached']
  readonly observer?: TaskOptions['observer']
}

export interface EmbeddedLine extends Line {
  readonly backend: EmbeddedBackend
}

/** Opens the directory and reads what is fixed in it. */
export async function openDirectory({ directory, settings, create }: EngineOptions): Promise<EmbeddedLine> {
  const backend = await openEmbedded({
    directory,
    logicVersion,
    ruleVersion: firstRules.version,
    settings: given(settings ?? {}),
    defaults: defaultSettings,
    create,
  })
  return { backend, settings: settingsIn(backend.manifest), hashKey: hashKeyOf(backend.manifest) }
}

export const settingsIn = ({ settings }: Pick<Manifest, 'settings'>): Settings => ({
  ...defaultSettings,
  ...(settings as Partial<Settings>),
})

export function hashKeyOf({ hashKey }: Pick<Manifest, 'hashKey'>): Int32Array {
  const key = Buffer.from(hashKey, 'hex')
  return Int32Array.from([0, 4, 8, 12], (at) => key.readInt32LE(at))
}

const given = (settings: Partial<Settings>): Record<string, string | number> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))

export interface Line {
  readonly backend: Backend
  readonly settings: Settings
  readonly hashKey: Int32Array
  /** Ids of the log's wire prefixes; absent: the pinned ones. */
  readonly schemas?: SchemaIds
  /** Who is asked about schema ids that are not the log's own; absent: nobody, their records are dead letters. */
  readonly writers?: WriterLookup
}

/** The tasks of the line: source tasks first, in the order of their partitions, then the settlement task. */
export function lineTasks(settings: Settings): TaskSpec[] {
  const [source, settling] = [payments(settings), settlement(settings)]
  const spec = (topology: Topology, topic: string, partition: number): TaskSpec => ({
    topology,
    name: `${topology.name}-${partition}`,
    at: { topic, partition },
  })
  const sources = Array.from({ length: settings.partitions }, (_, partition) =>
    spec(source, topics.transactions.name, partition),
  )
  return [...sources, spec(settling, topics.cyclePartials.name, 0)]
}

/** All tasks of the line in one process. */
export class Engine {
  readonly line: Line
  readonly topologies: readonly [Topology, Topology]
  private readonly specs: readonly TaskSpec[]
  private readonly worker: Worker
  private latest: readonly Task[] = []

  constructor(line: Line, options: Pick<EngineOptions, 'batchRows' | 'trace' | 'observer'> = {}) {
    this.line = line
    const { backend, settings, hashKey, schemas, writers } = line
    this.specs = lineTasks(settings)
    this.topologies = [this.specs[0].topology, this.specs[this.specs.length - 1].topology]
    this.worker = new Worker({
      backend,
      tasks: this.specs,
      partitions: settings.partitions,
      hashKey,
      markOf,
      schemas,
      writers: writerSchemas(writers ?? null),
      batchRows: options.batchRows,
      reached: options.trace,
      observer: options.observer,
      // Commands wait for the whole line: a part of it is no use to them.
      haltTogether: true,
    })
  }

  /** Makes the topics, recovers every task and starts them. */
  async start(): Promise<void> {
    await createTopics(this.line)
    await this.worker.start()
    await this.worker.recovered()
  }

  /** Source tasks first, in the order of their partitions, then the settlement task; none before the start. */
  get tasks(): readonly Task[] {
    const running = this.specs.map(({ name }) => this.worker.running.get(name))
    // After the end they are shown as they were.
    if (running.every((task) => task !== undefined)) this.latest = running
    return this.latest
  }

  /** The tasks run here: what is shown is now. */
  readonly asOf = null

  /** What stopped the engine; null while it runs. */
  get halted(): Error | null {
    return this.worker.halted
  }

  /** Input records that are in the log and not committed by their task. */
  lag(): number {
    return this.tasks.reduce((sum, task) => sum + Math.max(0, task.end - task.committed), 0)
  }

  /** Awaited by an intake before it appends more. */
  readonly pace = async (): Promise<void> => {
    this.raise()
    while ((await this.behind()) > PACE_RECORDS) {
      this.raise()
      await sleep(2)
    }
  }

  private async behind(): Promise<number> {
    let behind = 0
    for (const task of this.tasks.slice(0, -1)) {
      const { end } = await this.line.backend.log.bounds(task.options.at)
      behind += end - task.committed
    }
    return behind
  }

  /** Waits until every task has committed all of its input, the settlement task last. */
  async caughtUp(): Promise<void> {
    for (let index = 0; index < this.tasks.length; index++) {
      for (;;) {
        this.raise()
        const task = this.tasks[index]
        const { end } = await this.line.backend.log.bounds(task.options.at)
        if (task.committed >= end) break
        await sleep(2)
      }
    }
  }

  raise(): void {
    if (this.halted !== null) throw this.halted
  }

  /** Largest closedThrough of the source tasks: the log's clock. */
  closedThrough(): number {
    return Math.max(0, ...this.tasks.slice(0, -1).map((task) => task.processor.clock()?.closedThrough ?? 0))
  }

  /** Ends all tasks: commits in flight end, the state is written behind. */
  async stop(): Promise<void> {
    await this.worker.stop()
    this.raise()
  }
}

/** Where other writers' schemas are kept; null: nobody is asked, and what was judged before holds. */
export const writerSchemas = (lookup: WriterLookup | null): WriterSchemaOptions => ({
  topic: topics.writerSchemas.name,
  record: records.writerSchema,
  lookup,
})

/** Topics that a sink reads are cut by marks. */
export const markOf = (topic: string): typeof records.mark | null =>
  Object.values(topics).find(({ name }) => name === topic)?.table ? records.mark : null

export async function createTopics({ backend, settings }: Line): Promise<void> {
  await backend.log.createTopics(
    Object.values(topics).map(({ name, partitions }) => ({
      name,
      partitions: partitions === 'one' ? 1 : settings.partitions,
    })),
  )
}
