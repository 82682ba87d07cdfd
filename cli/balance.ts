/** balance: the sheet of a line as it is now: of a cluster, of a running process, or of a directory that nobody has open. */

import { hereOrThere } from './client.ts'
import type { ConfigurationFlags } from './configuration/flags.ts'
import { onLine } from './holds.ts'
import { clusterOf, onCluster } from './lines.ts'
import { steadySheet } from './live/balance.ts'
import { exitCodes, print, printJson, sheetText } from './output.ts'

interface BalanceOptions extends ConfigurationFlags {
  readonly data: string
  readonly json?: boolean
}

/** Exit code 1 when it does not balance. */
export async function balance(options: BalanceOptions): Promise<number> {
  const cluster = clusterOf(options)
  const sheet =
    cluster === null
      ? await hereOrThere(
          () => onLine(options.data, (engine) => steadySheet(engine, 0)),
          (client) => client.balance(),
        )
      : await onCluster(cluster, (mirror) => steadySheet(mirror, 0))
  if (options.json === true) printJson(sheet)
  else print(sheetText(sheet))
  return sheet.balanced ? exitCodes.ok : exitCodes.failed
}
