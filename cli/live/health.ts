/** Is the line well? Tasks, tables and time, each in plain words with what to do. */

import type { Health } from '../../intake/http/ports.ts'
import type { LineView } from '../line-view.ts'
import type { TablesView } from '../tables.ts'

export interface HealthOptions {
  readonly engine: LineView
  readonly tables: TablesView | null
  readonly version: string
  /** What else is wrong, as the composer knows it (time, tails). */
  readonly problems: () => readonly string[]
}

/** Records between log and tables beyond which it is said: a minute at full speed. */
const BEHIND = 1_000_000

/** The state now; never rejects. */
export function healthOf({ engine, tables, version, problems }: HealthOptions): Health {
  const backend = engine.line.backend.name
  if (engine.halted !== null) {
    const words = `A task stopped: ${engine.halted.message}`
    return { status: 'halted', version, backend, problems: [words, ...problems()] }
  }
  const stalled = engine.tasks.flatMap((task) =>
    task.stalled === null
      ? []
      : [`${task.name} waits, and nothing is lost: ${task.stalled}. Look at the schema registry.`],
  )
  const found = [...problems(), ...stalled, ...tableProblems(tables)]
  return { status: found.length === 0 ? 'ok' : 'degraded', version, backend, problems: found }
}

function tableProblems(tables: TablesView | null): string[] {
  if (tables === null) return []
  const { failure } = tables.sink
  const found = failure === null ? [] : [`Nothing more goes into the tables: ${failure.message}`]
  try {
    tables.opened.server.endpoint()
  } catch (error) {
    found.push((error as Error).message)
  }
  const behind = tables.sink.lag().reduce((sum, lag) => sum + lag.behind, 0)
  if (behind > BEHIND)
    found.push(
      `The tables are ${behind} records behind the log; payments settle all the same. Look at ClickHouse's load.`,
    )
  return found
}
