/** Where a command works: in a data directory, or on a cluster when brokers are configured. */

import { openCluster, type ClusterLine } from './cluster.ts'
import { configurationOf, type ConfigurationFlags } from './configuration/flags.ts'
import type { Configuration } from './configuration/schema.ts'
import { Mirror } from './mirror.ts'
import { say } from './output.ts'

/** The configuration when it names brokers; null: the command works in its data directory. */
export function clusterOf(options: ConfigurationFlags): Configuration | null {
  const configuration = configurationOf(options)
  return configuration.kafka.brokers.length > 0 ? configuration : null
}

/** Without a commit of any worker for so long it is said. */
const SILENT_MS = 10_000

/** Opens the line of a cluster as its workers have stored it, works, and closes it. */
export async function onCluster<T>(
  configuration: Configuration,
  work: (mirror: Mirror, line: ClusterLine) => Promise<T>,
): Promise<T> {
  const line = await openCluster(configuration)
  try {
    const mirror = await Mirror.open(line)
    let seen = -1
    let since = performance.now()
    const watch = setInterval(() => {
      const committed = mirror.tasks.reduce((sum, task) => sum + task.committed, 0)
      if (committed !== seen) since = performance.now()
      seen = committed
      if (performance.now() - since < SILENT_MS || mirror.lag() === 0) return
      say(
        `Nothing is committed for ${SILENT_MS / 1000} s although ${mirror.lag()} records wait: does a worker run (sluice worker)?`,
      )
      since = performance.now()
    }, 1_000)
    try {
      return await work(mirror, line)
    } finally {
      clearInterval(watch)
      await mirror.close()
    }
  } finally {
    await line.backend.close()
  }
}
