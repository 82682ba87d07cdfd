/** config: the configuration in force, with where every value came from. */

import { loadFromFlags, type ConfigurationFlags } from './configuration/flags.ts'
import { shownKeys } from './configuration/show.ts'
import { exitCodes, print, printJson } from './output.ts'

export function config(options: ConfigurationFlags & { readonly json?: boolean }): number {
  const shown = shownKeys(loadFromFlags(options))
  if (options.json === true) {
    printJson(shown)
    return exitCodes.ok
  }
  const width = (of: (one: (typeof shown)[number]) => string): number => Math.max(...shown.map((one) => of(one).length))
  const [keyWidth, valueWidth] = [width(({ key }) => key), width(({ value }) => value)]
  for (const { key, value, from } of shown) print(`${key.padEnd(keyWidth)}  ${value.padEnd(valueWidth)}  ${from}`)
  return exitCodes.ok
}
