/** The balance sheet of a line that runs: read between two steps of its tasks, until what is on its way is not missed. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { LineView } from '../line-view.ts'
import { sheetOf, type Sheet } from '../sheet.ts'

/** A partial between two tasks is on its way for some milliseconds; what is missed longer is missing. */
const TRIES = 8

/**
 * The sheet as `run` prints it; `eventsPerSecond` is the present rate. A sheet that does not balance is read again after
 * 5, 10, 20 ... ms (0.6 s in all) before it is believed.
 */
export async function steadySheet(engine: LineView, eventsPerSecond: number): Promise<Sheet> {
  for (let tries = 0; ; tries++) {
    const sheet = await sheetOf(engine, 0)
    if (sheet.balanced || tries === TRIES) return { ...sheet, eventsPerSecond: Math.round(eventsPerSecond) }
    await sleep(5 * 2 ** Math.min(tries, 5))
  }
}
