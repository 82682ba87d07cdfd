/**
 * Asks the services whether they answer, and the log where the inputs of the tasks begin and end. Asked by scrapes and
 * readiness checks; answers hold for a second, so that many who ask cost no more than one.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Backend, TopicPartition } from '../../streams/index.ts'

/** What of a task is read here; a Task fits. */
export interface ProbedTask {
  readonly name: string
  readonly options: { readonly at: TopicPartition }
}

export interface ProbeOptions {
  readonly backend: Backend
  /** Tasks that run here. */
  readonly tasks: () => readonly ProbedTask[]
  /** Asked for its bounds while no task runs here. */
  readonly spare: TopicPartition
  /** Further services by name; each rejects when it does not answer. */
  readonly services: Readonly<Record<string, () => Promise<unknown>>>
}

export interface Probed {
  /** By service: null = it answered; else why not. */
  readonly services: ReadonlyMap<string, string | null>
  /** By task. */
  readonly bounds: ReadonlyMap<string, { readonly start: number; readonly end: number }>
}

/** A service that takes longer does not serve. */
const PATIENCE_MS = 2_000
const FRESH_MS = 1_000

export class Prober {
  private readonly options: ProbeOptions
  private last: { readonly at: number; readonly probed: Promise<Probed> } | null = null

  constructor(options: ProbeOptions) {
    this.options = options
  }

  /** Never rejects. */
  probe(): Promise<Probed> {
    const now = performance.now()
    if (this.last === null || now - this.last.at > FRESH_MS) this.last = { at: now, probed: this.ask() }
    return this.last.probed
  }

  private async ask(): Promise<Probed> {
    const { backend, spare, services } = this.options
    const tasks = this.options.tasks()
    const bounds = new Map<string, { start: number; end: number }>()
    const name = tasks[0]?.name ?? 'probe'
    const asked: Record<string, () => Promise<unknown>> = {
      log: async () => {
        if (tasks.length === 0) await backend.log.bounds(spare)
        await Promise.all(tasks.map(async (task) => bounds.set(task.name, await backend.log.bounds(task.options.at))))
      },
      // No entries are asked for: only the header comes.
      state: () => backend.state.peek(name, 'probe'),
      ...services,
    }
    const answers = await Promise.all(
      Object.entries(asked).map(async ([service, ask]) => [service, await answered(ask)] as const),
    )
    return { services: new Map(answers), bounds }
  }
}

async function answered(ask: () => Promise<unknown>): Promise<string | null> {
  const patience = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: patience.signal }).then(
    () => `no answer within ${PATIENCE_MS} ms`,
    () => null,
  )
  const answer = ask().then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  try {
    return await Promise.race([answer, late])
  } finally {
    patience.abort()
  }
}
