/** sink: carries the output topics of a line on a cluster into ClickHouse, as a process of its own. */

import { topics } from '../schemas/topics.ts'
import { openCluster, type ClusterLine } from './cluster.ts'
import { configurationOf, type ConfigurationFlags } from './configuration/flags.ts'
import type { Configuration } from './configuration/schema.ts'
import type { Observation } from './observe/index.ts'
import { observation } from './observation.ts'
import { exitCodes, UsageError } from './output.ts'
import { stopping } from './signals.ts'
import { endpointOf, openClusterTables, type Tables } from './tables.ts'
import { trace } from './trace.ts'

/** A sink that runs: `failed` resolves with what ended it before it was stopped. */
export interface RunningSink {
  readonly tables: Tables
  readonly failed: Promise<Error>
}

/** Makes the tables when they are missing and starts to carry. Errors: UsageError without clickhouse.url, SinkError. */
export async function startSink(
  line: ClusterLine,
  configuration: Configuration,
  { log, sinkObserver }: Observation,
): Promise<RunningSink> {
  const endpoint = endpointOf(configuration)
  if (endpoint === undefined) {
    throw new UsageError(
      'A sink needs a ClickHouse: give clickhouse.url (SLUICE_CLICKHOUSE_URL), see docs/configuration.md.',
    )
  }
  const failure = Promise.withResolvers<Error>()
  const tables = await openClusterTables(line, {
    say: (text) => log.info(text),
    endpoint,
    observer: sinkObserver,
    trace: trace.insert,
    onHalt: failure.resolve,
  })
  return { tables, failed: failure.promise }
}

/** Exit code 0 after SIGINT or SIGTERM, 3 when it cannot go on. What is under way is inserted first. */
export async function sink(options: ConfigurationFlags): Promise<number> {
  const stop = stopping(() => process.exit(130))
  const configuration = configurationOf(options)
  const watcher = await observation(configuration, 'sink')
  const { log } = watcher
  try {
    const line = await openCluster(configuration)
    try {
      for (const warning of line.warnings) log.warn(warning)
      const { tables, failed } = await startSink(line, configuration, watcher)
      try {
        watcher.attach({
          backend: line.backend,
          spare: { topic: topics.decisions.name, partition: 0 },
          sink: () => tables.sink,
          services: { clickhouse: () => tables.opened.analyst.rows('SELECT 1') },
        })
        log.info('The sink runs. Stop with SIGTERM.')
        const reason = await Promise.race([stop.asked, failed])
        if (!(reason instanceof Error)) return exitCodes.ok
        log.error({ err: reason }, 'nothing more goes into the tables')
        return exitCodes.fault
      } finally {
        await tables.close()
      }
    } finally {
      await line.backend.close()
    }
  } finally {
    await watcher.close()
    stop.end()
  }
}
