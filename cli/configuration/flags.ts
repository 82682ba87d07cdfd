/** The configuration on the command line: --config, and a flag for every key. */

import { Option, type Command } from 'commander'
import { loadWithOrigins, type Loaded } from './load.ts'
import { keys, type Configuration } from './schema.ts'

/** The name under which commander keeps a flag's value. */
const attribute = (flag: string): string =>
  flag.slice(2).replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** Adds --config and, out of the way of --help, a flag for every key. */
export function configurationOptions(command: Command): Command {
  command.addOption(
    new Option(
      '--config <file>',
      'configuration (docs/configuration.md); every key of it is a flag, too: --kafka-brokers',
    ),
  )
  for (const { flag } of keys) command.addOption(new Option(`${flag} <value>`).hideHelp())
  return command
}

export interface ConfigurationFlags {
  readonly config?: string
}

/**
 * What commander collected: the options of a command, with those of the configuration among them. `own`: by key, what a
 * command has an option of its own for; it wins when it was given.
 */
export function loadFromFlags(options: ConfigurationFlags, own: Readonly<Record<string, unknown>> = {}): Loaded {
  const given = options as Readonly<Record<string, unknown>>
  const flags = Object.fromEntries(keys.map(({ path, flag }) => [path, own[path] ?? given[attribute(flag)]]))
  return loadWithOrigins({ file: options.config, env: process.env, flags })
}

/** Errors: ConfigurationError. */
export const configurationOf = (options: ConfigurationFlags, own?: Readonly<Record<string, unknown>>): Configuration =>
  loadFromFlags(options, own).configuration
