/** What watches a process of a cluster: its log, metrics, health and spans as configured. */

import { readFileSync } from 'node:fs'
import type { Configuration } from './configuration/schema.ts'
import { logicVersion } from './engine.ts'
import { openObservation, type Observation } from './observe/index.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/** `role`: what the process is, for people. Errors: UsageError when its port cannot be had. */
export const observation = ({ observe }: Configuration, role: string): Promise<Observation> =>
  openObservation(observe, { role, version, logicVersion })
