/** serve's options from the command line and the environment. */

import type { ApiKey } from '../intake/http/ports.ts'
import { settingsOf, type SettingOptions } from './options.ts'
import { UsageError } from './output.ts'
import { serve, type ServeOptions } from './serve.ts'

interface CommandOptions extends SettingOptions, Omit<ServeOptions, 'settings' | 'apiKeys' | 'hosts'> {
  readonly publicHost?: readonly string[]
}

export const serveCommand = ({
  publicHost,
  partitions,
  cycle,
  grace,
  scheme,
  ...options
}: CommandOptions): Promise<number> =>
  serve({
    ...options,
    hosts: publicHost,
    apiKeys: apiKeysOf(process.env['SLUICE_API_KEYS'] ?? ''),
    settings: settingsOf({ partitions, cycle, grace, scheme }),
  })

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
