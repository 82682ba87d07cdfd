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
  /** Questions without an answer yet, by service: while there is one, no other is asked. */
  private readonly asked = new Map<string, Promise<string | null>>()
  private bounds = new Map<string, { start: number; end: number }>()

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
    const { backend, services } = this.options
    const name = this.options.tasks()[0]?.name ?? 'probe'
    const questions: Record<string, () => Promise<unknown>> = {
      log: () => this.askBounds(),
      // No entries are asked for: only the header comes.
      state: () => backend.state.peek(name, 'probe'),
      ...services,
    }
    const answers = await Promise.all(
      Object.entries(questions).map(
        async ([service, question]) => [service, await this.answer(service, question)] as const,
      ),
    )
    const found = new Map(answers)
    return { services: found, bounds: found.get('log') === null ? this.bounds : new Map() }
  }

  private async askBounds(): Promise<void> {
    const { backend, spare } = this.options
    const tasks = this.options.tasks()
    const bounds = await Promise.all(
      tasks.map(async ({ name, options }) => [name, await backend.log.bounds(options.at)] as const),
    )
    if (tasks.length === 0) await backend.log.bounds(spare)
    this.bounds = new Map(bounds)
  }

  private async answer(service: string, question: () => Promise<unknown>): Promise<string | null> {
    let asked = this.asked.get(service)
    if (asked === undefined) {
      asked = question()
        .then(
          () => null,
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        )
        .finally(() => this.asked.delete(service))
      this.asked.set(service, asked)
    }
    const patience = new AbortController()
    const late = sleep(PATIENCE_MS, undefined, { signal: patience.signal }).then(
      () => `no answer within ${PATIENCE_MS} ms`,
      () => null,
    )
    try {
      return await Promise.race([asked, late])
    } finally {
      patience.abort()
    }
  }
}
