/**
 * What /health and /ready say: where every task stands, and why this process is not ready, in plain words.
 *
 * Health is about this process alone: a service that is away does not make it unhealthy, because a restart would not cure
 * it. Readiness is about its work: tasks that run and are close behind, services that answer.
 */

import type { Lag } from '../../sink/pump.ts'
import type { Standing, TaskBoard } from './board.ts'
import type { Probed, ProbedTask } from './probe.ts'

/** Records that a task may be behind and still be called caught up: half a second at 100,000 a second. */
export const READY_LAG = 50_000
/** Records that the tables may be behind: a minute at full speed; payments settle all the same. */
export const READY_SINK_LAG = 1_000_000

/** A task as it is looked at; a Task fits. */
export interface LookedAt extends ProbedTask {
  /** End of the input as its last fetch saw it. */
  readonly end: number
  readonly committed: number
  readonly stored: number
  /** Why it stands still although there is input; null when it does not. */
  readonly stalled: string | null
  /** Entries changed in memory that the store does not have, and why it cannot be asked; null when it can. */
  readonly overlay: { readonly entries: number; readonly away: Error | null }
}

export interface TaskReport {
  readonly task: string
  readonly state: Standing['phase']
  readonly sinceSeconds: number
  readonly committedOffset: number | null
  readonly storedOffset: number | null
  readonly logStartOffset: number | null
  readonly logEndOffset: number | null
  readonly lagRecords: number | null
  /** Why it stands still although it runs. */
  readonly stalled: string | null
  readonly code: string | null
  readonly message: string | null
}

export interface SinkReport {
  readonly running: boolean
  readonly lagRecords: number
  readonly code: string | null
}

export interface Report {
  readonly status: 'ok' | 'halted'
  readonly version: string
  readonly backend: string
  readonly ready: boolean
  /** Why not; empty when ready. */
  readonly reasons: readonly string[]
  /** What is wrong besides: work goes on without it, or will. */
  readonly problems: readonly string[]
  /** By name: 'ok', or why it does not answer. Empty where nobody asked. */
  readonly services: Readonly<Record<string, string>>
  readonly tasks: readonly TaskReport[]
  readonly sink: SinkReport | null
}

export interface Situation {
  readonly version: string
  readonly backend: string
  readonly board: TaskBoard
  readonly tasks: readonly LookedAt[]
  readonly halted: Error | null
  /** Not started yet: what for. */
  readonly starting: string | null
  readonly sink: { readonly failure: Error | null; readonly lag: readonly Lag[] } | null
  /** Services without which this process does its work all the same. */
  readonly beside: ReadonlySet<string>
  /** Null for health, which asks nobody. */
  readonly probed: Probed | null
  readonly codeOf: (error: Error) => string
}

export function reportOf(situation: Situation): Report {
  const { board, tasks, probed, halted, starting, sink, beside, version, backend, codeOf } = situation
  const byName = new Map(tasks.map((task) => [task.name, task]))
  const reports = [...board.tasks].map(([name, standing]) => taskReport(name, standing, byName.get(name), probed))
  const services = [...(probed?.services ?? [])]
  const behind = sink?.lag.reduce((sum, lag) => sum + lag.behind, 0) ?? 0
  const silent = services.filter(([, why]) => why !== null)
  const said = ([service, why]: (typeof services)[number]): string => `${shown(service)} does not answer: ${why}`
  const tables = [
    ...(sink === null || sink.failure === null ? [] : [`Nothing more goes into the tables: ${sink.failure.message}`]),
    ...(behind > READY_SINK_LAG ? [`The tables are ${behind} records behind the log.`] : []),
  ]
  const reasons = [
    ...(starting === null ? [] : [starting]),
    ...(halted === null ? [] : [`A task stopped for good: ${halted.message}`]),
    ...silent.filter(([service]) => !beside.has(service)).map(said),
    ...reports.flatMap(whyNot),
    ...(beside.has('clickhouse') ? [] : tables),
  ]
  const problems = [
    ...silent.filter(([service]) => beside.has(service)).map(said),
    ...(beside.has('clickhouse') ? tables : []),
  ]
  const fatal = halted !== null || (sink !== null && sink.failure !== null && !beside.has('clickhouse'))
  return {
    status: fatal ? 'halted' : 'ok',
    version,
    backend,
    ready: reasons.length === 0,
    reasons,
    problems,
    services: Object.fromEntries(services.map(([service, why]) => [service, why ?? 'ok'])),
    tasks: reports.sort((a, b) => (a.task < b.task ? -1 : 1)),
    sink:
      sink === null
        ? null
        : {
            running: sink.failure === null,
            lagRecords: behind,
            code: sink.failure === null ? null : codeOf(sink.failure),
          },
  }
}

const names: Readonly<Record<string, string>> = {
  log: 'The log',
  state: 'The state',
  registry: 'The schema registry',
  clickhouse: 'ClickHouse',
}
const shown = (service: string): string => names[service] ?? service

function taskReport(
  name: string,
  { phase, code, message, since }: Standing,
  task: LookedAt | undefined,
  probed: Probed | null,
): TaskReport {
  const bounds = probed?.bounds.get(name)
  const end = task === undefined ? null : Math.max(task.end, bounds?.end ?? 0)
  return {
    task: name,
    state: phase,
    sinceSeconds: Math.round((performance.now() - since) / 1000),
    committedOffset: task?.committed ?? null,
    storedOffset: task?.stored ?? null,
    logStartOffset: bounds?.start ?? null,
    logEndOffset: end,
    lagRecords: task === undefined || end === null ? null : Math.max(0, end - task.committed),
    stalled: task?.stalled ?? task?.overlay.away?.message ?? null,
    code,
    message,
  }
}

/** Tasks that were handed over or that another owner has are not this process's business. */
function whyNot({ task, state, lagRecords, stalled, message }: TaskReport): string[] {
  if (state === 'stopped' || state === 'fenced') return []
  if (state === 'halted') return [`${task} is halted: ${message ?? ''}`]
  if (state !== 'running') return [`${task} is ${state}${message === null ? '' : `: ${message}`}`]
  if (stalled !== null) return [`${task} stands still: ${stalled}`]
  return (lagRecords ?? 0) > READY_LAG ? [`${task} is ${lagRecords} records behind (caught up: ${READY_LAG})`] : []
}
