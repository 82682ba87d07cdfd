/** serve's options from the command line and the environment. */

import type { ApiKey } from '../intake/http/ports.ts'
import { configurationOf, type ConfigurationFlags } from './configuration/flags.ts'
import { settingsOf, type SettingOptions } from './options.ts'
import { observation } from './observation.ts'
import { say, sayThrough, UsageError } from './output.ts'
import { serve, serveUntilStopped, type ServeOptions } from './serve.ts'

interface CommandOptions
  extends SettingOptions, ConfigurationFlags, Omit<ServeOptions, 'settings' | 'apiKeys' | 'hosts' | 'port'> {
  readonly publicHost?: readonly string[]
  readonly port?: number
  readonly metricsPort?: number
}

/** Over Kafka when brokers are configured, else over the data directory. */
export async function serveCommand({
  publicHost,
  partitions,
  cycle,
  grace,
  scheme,
  ...given
}: CommandOptions): Promise<number> {
  const own = { 'http.port': given.port, 'http.host': given.host, 'observe.port': given.metricsPort }
  const configuration = configurationOf(given, own)
  const { host, port, apiKeys } = configuration.http
  const watcher = await observation(configuration, 'serve')
  // For people it says what it says as commands do; for programs everything is a line of the log.
  if (configuration.observe.logFormat === 'json') sayThrough((text) => watcher.log.info(text))
  if (watcher.url !== null) say(`Watching  ${watcher.url}/metrics, /health, /ready`)
  try {
    const options = { ...given, host, port, hosts: publicHost, apiKeys: apiKeysOf(apiKeys), watcher }
    if (configuration.kafka.brokers.length > 0) {
      const { startServingCluster } = await import('./serve-cluster.ts')
      return await serveUntilStopped(() => startServingCluster(configuration, options), options)
    }
    return await serve({ ...options, settings: settingsOf({ partitions, cycle, grace, scheme }) })
  } finally {
    await watcher.close()
  }
}

/** SLUICE_API_KEYS: name:key or name:key:producer, separated by commas. Keys are never printed. */
export function apiKeysOf(text: string): ApiKey[] {
  return text
    .split(',')
    .filter((one) => one.trim() !== '')
    .map((one, index) => {
      const [name, key, producer] = one.trim().split(':')
      if (name === '' || key === undefined || key.length < 16) {
        throw new UsageError(
          `SLUICE_API_KEYS, entry ${index + 1}: it is written name:key or name:key:producer, the key with at least 16 characters.`,
        )
      }
      return { name, key, ...(producer === undefined ? {} : { producer }) }
    })
}
