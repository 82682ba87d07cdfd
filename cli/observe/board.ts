/** Which task is in which phase here, since when and why: what /health lists. Filled by what tasks and workers say. */

import { CodedError, noObserver, type TaskObserver, type TaskPhase } from '../../streams/index.ts'

export interface Standing {
  readonly phase: TaskPhase
  /** Of the last error, while the task has not run again since. */
  readonly code: string | null
  readonly message: string | null
  /** Milliseconds of this process (performance.now()). */
  readonly since: number
}

export class TaskBoard implements TaskObserver {
  readonly tasks = new Map<string, Standing>()
  readonly recovered = noObserver.recovered
  readonly fetched = noObserver.fetched
  readonly processed = noObserver.processed
  readonly committed = noObserver.committed
  readonly applied = noObserver.applied
  readonly refused = noObserver.refused

  phase(task: string, phase: TaskPhase, error: Error | null): void {
    const before = this.tasks.get(task)
    const forgotten = phase === 'running' || phase === 'stopped'
    const code = error !== null ? codeOf(error) : forgotten ? null : (before?.code ?? null)
    const message = error?.message ?? (forgotten ? null : (before?.message ?? null))
    const since = before?.phase === phase ? before.since : performance.now()
    this.tasks.set(task, { phase, code, message, since })
  }
}

/** Its code for operators; a bug has none. */
export const codeOf = (error: Error): string =>
  error instanceof CodedError ? error.code : ((error as { code?: string }).code ?? 'BUG')
