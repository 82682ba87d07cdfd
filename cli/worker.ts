/** worker: runs the tasks of a line on a cluster that its group gives it; as many at once as there are tasks. */

import { topics } from '../schemas/topics.ts'
import { Worker, type SnapshotSchedule } from '../streams/index.ts'
import { openCluster, type ClusterLine } from './cluster.ts'
import { configurationOf, type ConfigurationFlags } from './configuration/flags.ts'
import type { Configuration } from './configuration/schema.ts'
import { lineTasks, logicVersion, markOf, writerSchemas } from './engine.ts'
import type { Observation } from './observe/index.ts'
import { observation } from './observation.ts'
import { exitCodes, UsageError } from './output.ts'
import { stopping } from './signals.ts'
import { startSink } from './sink.ts'
import { registryOf } from './subjects.ts'
import { trace } from './trace.ts'

interface WorkerOptions extends ConfigurationFlags {
  readonly withSink?: boolean
}

/** Between two looks at whether a task has halted. */
const WATCH_MS = 200

/**
 * Exit code 0 after SIGINT or SIGTERM: commits under way end, states are written behind, tasks are given back. 3 when
 * every task that it was given has halted, or its sink: what needs an operator is in the log and in /health.
 */
export async function worker(options: WorkerOptions): Promise<number> {
  const stop = stopping(() => process.exit(130))
  const configuration = configurationOf(options, { 'worker.withSink': options.withSink })
  const watcher = await observation(configuration, 'worker')
  const { log } = watcher
  try {
    const line = await openCluster(configuration)
    try {
      for (const warning of line.warnings) log.warn(warning)
      return await runTasks(line, configuration, watcher, stop.asked)
    } finally {
      await line.backend.close()
    }
  } finally {
    await watcher.close()
    stop.end()
  }
}

/** Newest snapshots of each task that are kept, beside those of the last day. */
const KEPT_SNAPSHOTS = 3
const DAY_MS = 86_400_000

function snapshotsOf({ worker }: Configuration, warn: (text: string) => void): SnapshotSchedule | undefined {
  const { snapshotDirectory: directory, snapshotEveryMs: everyMs } = worker
  if (directory === '') return undefined
  return {
    directory,
    logicVersion,
    everyMs,
    keep: { count: KEPT_SNAPSHOTS, ageMs: DAY_MS },
    taken: (task, result) => {
      if (result instanceof Error) warn(`No snapshot of ${task}: ${result.message}`)
    },
  }
}

async function runTasks(
  line: ClusterLine,
  configuration: Configuration,
  watcher: Observation,
  asked: Promise<string>,
): Promise<number> {
  const { backend, settings, hashKey, schemas, writers } = line
  const { log } = watcher
  if (schemas !== undefined && writers === undefined) {
    throw new UsageError(
      'The line has the ids of a schema registry: give registry.url, or payments of others are lost.',
    )
  }
  const sink = configuration.worker.withSink ? await startSink(line, configuration, watcher) : null
  const registry = registryOf(configuration)
  const tasks = lineTasks(settings)
  const worker = new Worker({
    backend,
    tasks,
    partitions: settings.partitions,
    hashKey,
    markOf,
    schemas,
    writers: writerSchemas(writers ?? null),
    commitMs: configuration.worker.commitMs,
    deltaEntries: configuration.worker.deltaEntries,
    flushMs: configuration.worker.flushMs,
    // Made by init: what is absent now is lost. Topic ids were compared when the line was opened.
    expected: {},
    warned: (warning) => log.warn(warning),
    snapshots: snapshotsOf(configuration, (text) => log.warn(text)),
    observer: watcher.observer,
    reached: trace.task,
  })
  try {
    await worker.start()
    watcher.attach({
      backend,
      spare: { topic: topics.transactions.name, partition: 0 },
      tasks: () => worker.running.values(),
      halted: () => worker.halted,
      sink: () => sink?.tables.sink ?? null,
      beside: {
        ...(sink === null ? {} : { clickhouse: () => sink.tables.opened.analyst.rows('SELECT 1') }),
        // Known ids go on without it; a task that waits for a new one says so itself.
        ...(registry === null ? {} : { registry: () => registry.ownCompatibility() }),
      },
    })
    log.info(`The worker runs; its group gives it tasks of ${tasks.length}. Stop with SIGTERM.`)
    const reason = await Promise.race([asked, allHalted(worker), sink?.failed ?? new Promise<never>(() => undefined)])
    if (typeof reason === 'string') {
      log.info(`${reason}: stopping`)
      return exitCodes.ok
    }
    log.error({ err: reason }, 'it cannot go on')
    return exitCodes.fault
  } finally {
    await worker.stop()
    await sink?.tables.close()
  }
}

/** Resolves with the first error when no task of this worker runs any more, although it has some. */
async function allHalted(worker: Worker): Promise<Error> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS).unref())
    const names = [...worker.running.keys()]
    if (worker.halted !== null && names.every((name) => worker.status(name)?.phase === 'halted')) return worker.halted
  }
}
