/**
 * OpenTelemetry spans per batch: `batch` with `fetch`, `process` and `commit` in it, and `delta` by itself. Made only when
 * an address is configured; sent in the background, dropped when the collector is away.
 */

import { context, SpanStatusCode, trace, type Context, type Span, type Tracer } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { noObserver, type FetchSeen, type TaskObserver } from '../../streams/index.ts'

export interface Spans {
  readonly observer: TaskObserver
  /** Sends what is waiting, for a few seconds at most. */
  close(): Promise<void>
}

export interface SpanOptions {
  /** Base address of a collector (OTLP over HTTP), without /v1/traces. */
  readonly url: string
  readonly version: string
  /** What this process is: worker, sink, serve. */
  readonly role: string
}

/** How long a stop waits for a collector that does not answer. */
const CLOSE_MS = 2_000

/** Now as OpenTelemetry takes it, milliseconds since 1970: the monotone clock, so that spans of a batch fit together. */
const now = (): number => performance.timeOrigin + performance.now()

export function openSpans({ url, version, role }: SpanOptions): Spans {
  const exporter = new OTLPTraceExporter({
    url: `${url.replace(/\/$/, '')}/v1/traces`,
    timeoutMillis: CLOSE_MS,
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': `sluice-${role}`, 'service.version': version }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 1_000, exportTimeoutMillis: CLOSE_MS })],
  })
  return {
    observer: new SpanObserver(provider.getTracer('sluice', version)),
    // A collector that is away is no reason not to stop.
    close: () => provider.shutdown().catch(() => undefined),
  }
}

/** Batches of a task whose commits are not done; bounded by the commits that a writer may have in flight. */
interface Open {
  fetch: (FetchSeen & { readonly at: number }) | null
  readonly batches: Map<number, { readonly span: Span; readonly inside: Context }>
}

class SpanObserver implements TaskObserver {
  readonly recovered: TaskObserver['recovered']
  private readonly tracer: Tracer
  private readonly open = new Map<string, Open>()

  constructor(tracer: Tracer) {
    this.tracer = tracer
    this.recovered = (task, { ms, committed, stored, reprocessed }) =>
      this.record('recovery', context.active(), ms, { task, committed, stored, reprocessed })
  }

  private of(task: string): Open {
    let open = this.open.get(task)
    if (open === undefined) this.open.set(task, (open = { fetch: null, batches: new Map() }))
    return open
  }

  /** A span that ends now and took `ms`. */
  private record(name: string, inside: Context, ms: number, attributes: Record<string, string | number>): void {
    const end = now()
    this.tracer.startSpan(name, { startTime: end - ms, attributes: prefixed(attributes) }, inside).end(end)
  }

  phase: TaskObserver['phase'] = (task, phase, error) => {
    if (phase === 'running') return
    // What was under way has no known end: its spans end here, with why.
    for (const { span } of this.open.get(task)?.batches.values() ?? []) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error?.message ?? phase })
      span.end(now())
    }
    this.open.delete(task)
  }

  fetched: TaskObserver['fetched'] = (task, fetch) => {
    this.of(task).fetch = { ...fetch, at: now() }
  }

  processed: TaskObserver['processed'] = (task, { from, to, rows, received, late, ms, loadMs }) => {
    const open = this.of(task)
    const { fetch } = open
    const end = now()
    // Of the batches of one fetch the first carries it.
    open.fetch = null
    const attributes = prefixed({ task, from, to, rows, received, late })
    const startTime = fetch === null ? end - ms : fetch.at - fetch.ms
    const span = this.tracer.startSpan('batch', { startTime, attributes }, context.active())
    const inside = trace.setSpan(context.active(), span)
    if (fetch !== null) {
      const { bytes, end: logEnd } = fetch
      const options = { startTime, attributes: prefixed({ task, from: fetch.from, next: fetch.next, bytes, logEnd }) }
      this.tracer.startSpan('fetch', options, inside).end(fetch.at)
    }
    this.record('process', inside, ms, { task, rows, loadMs })
    open.batches.set(to, { span, inside })
  }

  committed: TaskObserver['committed'] = (task, { position, bytes, ms, waitMs }) => {
    const { batches } = this.of(task)
    const batch = batches.get(position)
    if (batch === undefined) return
    batches.delete(position)
    this.record('commit', batch.inside, ms, { task, position, bytes, waitMs })
    batch.span.end(now())
  }

  applied: TaskObserver['applied'] = (task, { from, to, entries, bytes, ms }) =>
    this.record('delta', context.active(), ms, { task, from, to, entries, bytes })

  readonly refused = noObserver.refused
}

const prefixed = (attributes: Record<string, string | number>): Record<string, string | number> =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`sluice.${name}`, value]))
