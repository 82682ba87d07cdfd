/**
 * Named points of progress, for tests that kill the process there: with SLUICE_TRACE=1 each one is a line on standard
 * error, written before the point is passed. Off, it costs nothing.
 */

import { writeSync } from 'node:fs'
import type { ImportProgress } from '../intake/files/import.ts'

const on = process.env.SLUICE_TRACE === '1'
const point = (name: string): void => {
  // Synchronous: the reader has it before the next instruction runs.
  if (on) writeSync(2, `@${name}\n`)
}

export const trace = {
  task: on ? (name: 'commit' | 'committed' | 'delta' | 'applied') => point(name) : undefined,
  insert: on ? () => point('insert') : undefined,
  import: ({ phase }: ImportProgress): void => point(phase),
}
