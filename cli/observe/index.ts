/**
 * One call for everything by which a process is watched: log, metrics, health, readiness, spans. Opened first, so that
 * what happens while it starts is seen; told of its parts as they are there; closed last.
 */

import type { DoorCounters } from '../../intake/http/ports.ts'
import type { IntakeObserver } from '../../intake/observer.ts'
import type { SinkObserver } from '../../sink/observer.ts'
import type { Lag } from '../../sink/pump.ts'
import type { Backend, TaskObserver, TopicPartition } from '../../streams/index.ts'
import type { Configuration } from '../configuration/schema.ts'
import { codeOf, TaskBoard } from './board.ts'
import { Business } from './business.ts'
import { Instruments } from './instruments.ts'
import { logObserver, openLog, type Logger } from './log.ts'
import { Metrics } from './metrics.ts'
import { Prober, type Probed } from './probe.ts'
import { reportOf, type Report } from './report.ts'
import { sampleDoor, sampleServices, sampleSink, sampleTasks, type SampledTask } from './sample.ts'
import { openServer, type ObserveServer } from './server.ts'
import { together } from './together.ts'

export type { Logger } from './log.ts'
export type { Report } from './report.ts'

export interface ObservationOptions {
  /** What this process is, for people: worker, sink, serve. */
  readonly role: string
  /** Of the program, and of its logic. */
  readonly version: string
  readonly logicVersion: string
  /** Takes the lines of the log; standard error when absent. */
  readonly write?: (line: string) => void
}

/** What of a process is looked at; all of it is asked anew with every look. */
export interface Parts {
  readonly backend: Backend
  /** Asked for its bounds while no task runs here. */
  readonly spare: TopicPartition
  /** Tasks that run here, those that recover included. */
  readonly tasks: () => Iterable<SampledTask>
  readonly halted: () => Error | null
  readonly sink: () => { readonly failure: Error | null; lag(): readonly Lag[] } | null
  readonly door: () => DoorCounters | null
  readonly ticker: () => { readonly last: number | null; readonly behindMs: number } | null
  /** Further services to probe by name; each rejects when it does not answer. */
  readonly services: Readonly<Record<string, () => Promise<unknown>>>
  /** The same, where this process does its work without them: said, and no reason not to be ready. */
  readonly beside: Readonly<Record<string, () => Promise<unknown>>>
  /** Whether the balance sheet balances; where all tasks are in this process. */
  readonly balanced: () => Promise<boolean>
}

export interface Observation {
  readonly log: Logger
  readonly observer: TaskObserver
  readonly sinkObserver: SinkObserver
  readonly intakeObserver: IntakeObserver
  /** Where /metrics, /health and /ready are; null without a port. */
  readonly url: string | null
  /** Parts that are there from now on; not ready before the first call. */
  attach(parts: Partial<Parts>): void
  metrics(): Promise<{ readonly type: string; readonly text: string }>
  health(): Report
  ready(): Promise<Report>
  close(): Promise<void>
}

/** Errors: UsageError when the port cannot be had. */
export async function openObservation(
  configuration: Configuration['observe'],
  options: ObservationOptions,
): Promise<Observation> {
  const { port, host, logFormat, logLevel, otlpUrl } = configuration
  const log = openLog({
    format: logFormat as 'text' | 'json',
    level: logLevel as 'info',
    write: options.write,
  })
  // Loaded when asked for: a process without spans does not pay for their libraries.
  const spans =
    otlpUrl === '' || otlpUrl === undefined
      ? null
      : (await import('./spans.ts')).openSpans({ url: otlpUrl, version: options.version, role: options.role })
  const watcher = new Watcher(options, log, spans?.observer ?? null)
  const server: ObserveServer | null = port === 0 || port === undefined ? null : await openServer(port, host, watcher)
  return Object.assign(watcher, {
    url: server?.url ?? null,
    close: async () => {
      await server?.close()
      await spans?.close()
    },
  })
}

class Watcher {
  readonly log: Logger
  readonly observer: TaskObserver
  readonly sinkObserver: SinkObserver
  readonly intakeObserver: IntakeObserver
  private readonly options: ObservationOptions
  private readonly instruments = new Instruments()
  private readonly board = new TaskBoard()
  private readonly counts: Metrics
  private readonly business: Business
  private parts: Partial<Parts> = {}
  private prober: Prober | null = null

  constructor(options: ObservationOptions, log: Logger, spans: TaskObserver | null) {
    this.options = options
    this.log = log
    const topicOf = (task: string): string => this.tasks().find(({ name }) => name === task)?.options.at.topic ?? ''
    this.counts = new Metrics(this.instruments, () => this.parts.backend?.clock.now() ?? 0, topicOf)
    this.business = new Business(this.instruments)
    const observers: TaskObserver[] = [this.board, this.counts, logObserver(log), ...(spans === null ? [] : [spans])]
    this.observer = together(observers, (err) => log.error({ err }, 'an observer failed and is left out'))
    this.sinkObserver = this.counts.sink
    this.intakeObserver = this.counts.intake
  }

  private tasks(): SampledTask[] {
    return [...(this.parts.tasks?.() ?? [])]
  }

  attach(parts: Partial<Parts>): void {
    this.parts = { ...this.parts, ...parts }
    const { backend, spare, services, beside } = this.parts
    if (backend === undefined || spare === undefined) return
    this.prober = new Prober({ backend, spare, services: { ...services, ...beside }, tasks: () => this.tasks() })
    const { version, logicVersion: logic } = this.options
    this.instruments.gauge('sluice_build_info').set({ version, backend: backend.name, logic }, 1)
  }

  health(): Report {
    return this.report(null)
  }

  async ready(): Promise<Report> {
    return this.report((await this.prober?.probe()) ?? null)
  }

  private report(probed: Probed | null): Report {
    const sink = this.parts.sink?.() ?? null
    return reportOf({
      version: this.options.version,
      backend: this.parts.backend?.name ?? '',
      board: this.board,
      tasks: this.tasks(),
      halted: this.parts.halted?.() ?? null,
      starting: this.prober === null ? 'It is starting.' : null,
      sink: sink === null ? null : { failure: sink.failure, lag: sink.lag() },
      beside: new Set(Object.keys(this.parts.beside ?? {})),
      probed,
      codeOf,
    })
  }

  async metrics(): Promise<{ readonly type: string; readonly text: string }> {
    const { instruments, parts } = this
    const probed = (await this.prober?.probe()) ?? { services: new Map(), bounds: new Map() }
    const balanced = await parts.balanced?.().catch(() => null)
    const tasks = this.tasks()
    // From here to the last one without a wait: all gauges are of one moment.
    sampleTasks(instruments, this.counts, this.board, tasks, probed)
    this.business.sample(tasks)
    sampleSink(instruments, parts.sink?.() ?? null, codeOf)
    sampleDoor(instruments, parts.door?.() ?? null)
    sampleServices(instruments, probed)
    const ticker = parts.ticker?.() ?? null
    // While another process ticks this one says nothing of it.
    for (const name of ['sluice_ticker_behind_seconds', 'sluice_ticker_last_tick_seconds'] as const) {
      instruments.clear(name)
    }
    if (ticker !== null) {
      instruments.gauge('sluice_ticker_behind_seconds').set(ticker.behindMs / 1000)
      if (ticker.last !== null) instruments.gauge('sluice_ticker_last_tick_seconds').set(ticker.last / 1000)
    }
    if (typeof balanced === 'boolean') instruments.gauge('sluice_balanced').set(balanced ? 1 : 0)
    instruments.gauge('sluice_ready').set(this.report(probed).ready ? 1 : 0)
    const { registry } = instruments
    return { type: registry.contentType, text: await registry.metrics() }
  }
}
