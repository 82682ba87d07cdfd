/** Options that several commands share, and how they are read. */

import { Option, InvalidArgumentError, type Command } from 'commander'
import { defaultSettings, type Settings } from '../schemas/settings.ts'
import { UsageError } from './output.ts'

export const defaultDirectory = 'sluice-data'

export const dataOption = (): Option =>
  new Option('--data <directory>', 'data directory: log, state and tables').default(defaultDirectory).env('SLUICE_DATA')
export const jsonOption = (): Option => new Option('--json', 'print one JSON object on standard output')

export const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    }
    return value
  }

/** Settings that are fixed when a log is created. */
export const settingOptions = (command: Command): Command =>
  command
    .addOption(new Option('--partitions <n>', 'partitions of a new log').argParser(whole(1, 1024)))
    .addOption(new Option('--cycle <seconds>', 'length of a settlement cycle of a new log').argParser(whole(1, 86_400)))
    .addOption(new Option('--grace <seconds>', 'how long a cycle stays open after its end').argParser(whole(0, 86_400)))
    .addOption(new Option('--scheme <name>', 'name of the scheme of a new log, part of every instruction id'))

export interface SettingOptions {
  readonly partitions?: number
  readonly cycle?: number
  readonly grace?: number
  readonly scheme?: string
}

/** Only what was given: the rest is recorded in the directory, or the default. */
export function settingsOf({ partitions, cycle, grace, scheme }: SettingOptions): Partial<Settings> {
  if (scheme !== undefined && (scheme.length === 0 || scheme.length > 64)) {
    throw new UsageError('--scheme must have 1 to 64 characters.')
  }
  return {
    ...(partitions === undefined ? {} : { partitions }),
    ...(cycle === undefined ? {} : { cycleMs: cycle * 1000 }),
    ...(grace === undefined ? {} : { graceMs: grace * 1000 }),
    ...(scheme === undefined ? {} : { scheme }),
  }
}

export { defaultSettings }
