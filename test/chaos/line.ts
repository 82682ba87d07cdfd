/** The payments line that is run under faults: its settings, its tasks, and how a process opens it. */
import { records, topics } from '../../schemas/topics.ts'
import { defaultSettings, type Settings } from '../../schemas/settings.ts'
import type { Backend } from '../../streams/backend.ts'
import { createTasks } from '../../streams/takeover.ts'
import type { TaskOptions } from '../../streams/task.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'

export const settings: Settings = { ...defaultSettings, partitions: 4, runMarkTicks: 20, insertBlockRows: 5_000 }
export const hashKey = new Int32Array([1, 2, 3, 4])
export const markOf = (topic: string): typeof records.mark | null =>
  Object.values(topics).find(({ name }) => name === topic)?.table ? records.mark : null

/** Tasks of the line by name. */
export function specs(): ReadonlyMap<string, Pick<TaskOptions, 'topology' | 'name' | 'at'>> {
  const [source, settling] = [payments(settings), settlement(settings)]
  const all = Array.from({ length: settings.partitions }, (_, partition) => ({
    topology: source,
    name: `${source.name}-${partition}`,
    at: { topic: topics.transactions.name, partition },
  }))
  const last = {
    topology: settling,
    name: `${settling.name}-0`,
    at: { topic: topics.cyclePartials.name, partition: 0 },
  }
  return new Map([...all, last].map((spec) => [spec.name, spec]))
}

/** Topics and the begin of every task: what is absent afterwards is lost, and no first start. */
export async function makeLine(backend: Backend): Promise<void> {
  await backend.log.createTopics(
    Object.values(topics).map(({ name, partitions }) => ({
      name,
      partitions: partitions === 'one' ? 1 : settings.partitions,
    })),
  )
  const common = { partitions: settings.partitions, hashKey, markOf }
  await createTasks(
    backend,
    [...specs().values()].map((spec) => ({ ...spec, ...common })),
  )
}

/** What a worker process is told on its command line, as JSON. */
export interface WorkerOrder {
  readonly brokers: readonly string[]
  readonly redis: string
  readonly prefix: string
  readonly routes: Readonly<Record<string, number>>
  readonly replicationFactor: number
  readonly batchRows: number
  readonly deltaEntries: number
  /** What its clock is ahead of the true time, in ms; 0 when nothing is said. */
  readonly clockMs?: number
  /** A named point, and how many times it is passed before the worker kills itself there. */
  readonly kill?: { readonly point: string; readonly count: number }
  /** The negative control: outputs and position are committed one after the other. */
  readonly atLeastOnce?: boolean
}

/** Points at which a worker can be made to kill itself. */
export const points = [
  'fence-sent',
  'acquired',
  'commit',
  'produce-sent',
  'position-sent',
  'end-sent',
  'end-answered',
  'committed',
  'delta',
  'applied',
] as const

/** What a worker process is told while it runs. */
export type WorkerTold = Pick<WorkerOrder, 'kill' | 'clockMs'>

/** What a worker process says to who started it. */
export type WorkerWord =
  | { readonly said: 'ready' }
  | { readonly said: 'begins'; readonly task: string }
  | { readonly said: 'owns'; readonly task: string; readonly rows: number; readonly ms: number }
  | { readonly said: 'committed'; readonly task: string; readonly position: number }
  | { readonly said: 'refused'; readonly task: string; readonly what: string }
  | { readonly said: 'failed'; readonly task: string; readonly code: string; readonly text: string }
  | { readonly said: 'halted'; readonly task: string; readonly code: string; readonly text: string }
