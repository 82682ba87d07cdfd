/** The payments line for tests of the distributed backend: the same input on any backend, driven by hand. */
import { generate } from '../../../intake/generator.ts'
import { defaultSettings } from '../../../schemas/settings.ts'
import { records, topics } from '../../../schemas/topics.ts'
import type { Backend } from '../../../streams/backend.ts'
import type { TaskOptions } from '../../../streams/task.ts'
import { TestDriver } from '../../../streams/testing.ts'
import type { Topology } from '../../../streams/topology.ts'
import type { TaskSpec, WorkerOptions } from '../../../streams/worker.ts'
import { payments } from '../../../topologies/payments.ts'
import { settlement } from '../../../topologies/settlement.ts'
import { runLog } from '../../model/run-log.ts'
import type { LogRecord } from '../../model/types.ts'
import { rawRecord } from '../../simulation/line.ts'

const settings = { ...defaultSettings, partitions: 2 }

/** 5,000 payments with copies and returns among them, per partition. */
export function input(): LogRecord[][] {
  const some = { seed: 4, payments: 5_000, paymentsPerSecond: 5, duplicateShare: 0.02, returnShare: 0.05 }
  const rows = [...generate(some)].map(({ transaction }, row) => ({ file: 0, row, transaction }))
  return runLog(rows, settings, { notAfter: Date.UTC(2026, 1, 1) })
}

export function lineOn(
  backend: Backend,
  reached?: TaskOptions['reached'],
  observer?: TaskOptions['observer'],
): TestDriver {
  return new TestDriver({
    topologies: [payments(settings), settlement(settings)],
    topics: Object.values(topics),
    partitions: settings.partitions,
    markOf,
    backend,
    task: { batchRows: 400, deltaEntries: 1_500, reached, observer },
  })
}

/** The same line as a worker runs it. */
export function lineTasks(
  backend: Backend,
): Pick<WorkerOptions, 'tasks' | 'partitions' | 'hashKey' | 'markOf' | 'backend'> {
  const [source, settling] = [payments(settings), settlement(settings)]
  const spec = (topology: Topology, partition: number): TaskSpec => {
    return { topology, name: `${topology.name}-${partition}`, at: { topic: topology.source.topic.name, partition } }
  }
  return {
    backend,
    tasks: [spec(source, 0), spec(source, 1), spec(settling, 0)],
    partitions: settings.partitions,
    hashKey: new Int32Array([1, 2, 3, 4]),
    markOf,
  }
}

const markOf = (topic: string): typeof records.mark | null =>
  topic === topics.cyclePartials.name ? null : records.mark

/** Appends records `from` to `to` of every partition. */
export async function send(driver: TestDriver, log: LogRecord[][], from: number, to: number): Promise<void> {
  for (const [partition, all] of log.entries()) {
    const until = Math.min(to, all.length)
    for (let at = from; at < until; at += 1000) {
      const some = all.slice(at, Math.min(until, at + 1000))
      await driver.send(topics.transactions.name, partition, some.map(rawRecord))
    }
  }
}
