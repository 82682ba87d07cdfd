/**
 * A worker process of ours for the measurements: one worker on Kafka and Redis that runs every task of pay-1, or of the
 * payments line. Prints READY when its tasks have recovered, FIRST when the first records come; SIGTERM ends it in order.
 * Argument: its options as JSON.
 */

import { defaultSettings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import type { Backend } from '../../streams/backend.ts'
import { openDistributed } from '../../streams/distributed/index.ts'
import { Worker, type TaskOptions, type TaskSpec, type Topology } from '../../streams/index.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'
import { pay1Payments, pay1Settlement, pay1Topics } from './pay1-topology.ts'

export interface WorkerRun {
  readonly brokers: string
  readonly redis: string
  /** Names of topics, ledger and state begin with it. */
  readonly run: string
  readonly partitions: number
  readonly work:
    | { readonly kind: 'pay-1'; readonly input: string; readonly graceMs: number }
    /** The shipped line; its topics have the run's name in front, the input too. */
    | { readonly kind: 'payments' }
  readonly task?: Pick<
    TaskOptions,
    'batchRows' | 'fetchBytes' | 'deltaEntries' | 'overlayEntries' | 'flushMs' | 'commitMs'
  >
}

/** Every task of a run: the source's, then the settlement's. */
export function tasksOf({ work, run, partitions }: Pick<WorkerRun, 'work' | 'run' | 'partitions'>): TaskSpec[] {
  const names = work.kind === 'pay-1' ? pay1Topics(work.input, run) : null
  const settings = { ...defaultSettings, partitions }
  const topologies: Topology[] =
    names === null || work.kind !== 'pay-1'
      ? [payments(settings), settlement(settings)]
      : [pay1Payments(names, work.graceMs), pay1Settlement(names)]
  return topologies.flatMap((topology) => {
    const { topic } = topology.source
    const count = topic.partitions === 'one' ? 1 : partitions
    return Array.from({ length: count }, (_, partition) => ({
      topology,
      name: `${topology.name}-${partition}`,
      at: { topic: topic.name, partition },
    }))
  })
}

export const topicsOf = ({ work, run }: Pick<WorkerRun, 'work' | 'run'>) =>
  Object.values(work.kind === 'pay-1' ? pay1Topics(work.input, run) : topics)

export const topicPrefixOf = ({ work, run }: Pick<WorkerRun, 'work' | 'run'>): string =>
  work.kind === 'pay-1' ? '' : `${run}.`

const tables = new Set<string>(Object.values(topics).flatMap(({ name, table }) => (table === null ? [] : [name])))

/** Calls back once, when records come in. */
function watched(backend: Backend, first: () => void): Backend {
  const { log } = backend
  let begun = false
  const read: typeof log.read = async (...asked) => {
    const fetched = await log.read(...asked)
    if (!begun && fetched.bytes.length > 0) {
      begun = true
      first()
    }
    return fetched
  }
  const watching = new Proxy(log, {
    get(_target, name) {
      if (name === 'read') return read
      // Private fields are the original's, so everything else is asked of it.
      const value: unknown = Reflect.get(log, name, log)
      return typeof value === 'function' ? (value.bind(log) as unknown) : value
    },
  })
  return { ...backend, log: watching }
}

async function main(given: WorkerRun): Promise<void> {
  const { brokers, redis, run, partitions } = given
  const names = { prefix: run, topicPrefix: topicPrefixOf(given), replicationFactor: 1 }
  const backend = await openDistributed({ brokers: brokers.split(','), redis, ...names })
  await backend.log.createTopics(
    topicsOf(given).map((topic) => ({ name: topic.name, partitions: topic.partitions === 'one' ? 1 : partitions })),
  )
  const worker = new Worker({
    backend: watched(backend, () => process.stdout.write('FIRST\n')),
    tasks: tasksOf(given),
    partitions,
    hashKey: new Int32Array([1, 2, 3, 4]),
    markOf: (topic) => (given.work.kind === 'payments' && tables.has(topic) ? records.mark : null),
    haltTogether: true,
    // As `sluice worker` does by default.
    commitMs: 25,
    ...given.task,
  })
  const ended = new Promise<void>((resolve) => process.once('SIGTERM', resolve))
  await worker.start()
  await worker.recovered()
  process.stdout.write('READY\n')
  await ended
  await worker.stop()
  if (worker.halted !== null) throw worker.halted
  await backend.close()
}

if (import.meta.main) await main(JSON.parse(process.argv[2]) as WorkerRun)
