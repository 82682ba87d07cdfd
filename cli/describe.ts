/** describe: the topologies in their own words. */

import { defaultSettings } from '../schemas/settings.ts'
import { describe as text, graphOf, mermaid } from '../streams/index.ts'
import { payments } from '../topologies/payments.ts'
import { settlement } from '../topologies/settlement.ts'
import { exitCodes, print, printJson } from './output.ts'

export function describe({ json, mermaid: asMermaid }: { json?: boolean; mermaid?: boolean }): number {
  const topologies = [payments(defaultSettings), settlement(defaultSettings)]
  if (json === true) printJson(topologies.map(graphOf))
  else print(asMermaid === true ? mermaid(...topologies) : text(...topologies))
  return exitCodes.ok
}
