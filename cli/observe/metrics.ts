/**
 * What observers are told, as metrics: a few additions per batch, commit, delta and block. The series of a task are looked
 * up once and kept, because a look-up by labels costs more than an addition.
 */

import type { Counter, Histogram } from 'prom-client'
import type { IntakeObserver } from '../../intake/observer.ts'
import type { SinkObserver } from '../../sink/observer.ts'
import type { TaskObserver } from '../../streams/index.ts'
import { deadLetterReasons } from '../../schemas/reasons.ts'
import type { CounterName, HistogramName, Instruments } from './instruments.ts'

const taskCounters = {
  processed: 'sluice_process_total',
  bytesProduced: 'sluice_bytes_produced_total',
  late: 'sluice_late_records_total',
  duplicates: 'sluice_duplicate_records_total',
  conflicting: 'sluice_conflicting_records_total',
  copies: 'sluice_sequence_copies_total',
  loadSeconds: 'sluice_state_load_seconds_total',
  commitWait: 'sluice_commit_wait_seconds_total',
  recoveries: 'sluice_recoveries_total',
  restored: 'sluice_restore_records_total',
  fenced: 'sluice_fenced_total',
  failures: 'sluice_task_failures_total',
  deltaEntries: 'sluice_delta_entries_total',
  deltaBytes: 'sluice_delta_bytes_total',
} as const satisfies Record<string, CounterName>

const taskHistograms = {
  poll: 'sluice_poll_duration_seconds',
  process: 'sluice_process_duration_seconds',
  commit: 'sluice_commit_duration_seconds',
  delta: 'sluice_delta_duration_seconds',
} as const satisfies Record<string, HistogramName>

/** The series of one task. */
interface TaskSeries {
  readonly count: Record<keyof typeof taskCounters, Counter.Internal>
  readonly time: Record<keyof typeof taskHistograms, Histogram.Internal<string>>
  readonly oldest: Histogram.Internal<string>
  readonly newest: Histogram.Internal<string>
  topic: string
  /** Entries and bytes of its deltas: what an entry weighs. */
  entries: number
  bytes: number
}

export class Metrics implements TaskObserver {
  private readonly instruments: Instruments
  private readonly now: () => number
  private readonly topicOf: (task: string) => string
  private readonly series = new Map<string, TaskSeries>()
  private readonly phases = new Map<string, string>()

  /** `now`: the wall clock of the backend; `topicOf`: the input topic of a task. */
  constructor(instruments: Instruments, now: () => number, topicOf: (task: string) => string) {
    this.instruments = instruments
    this.now = now
    this.topicOf = topicOf
  }

  private of(task: string): TaskSeries {
    let series = this.series.get(task)
    if (series === undefined) {
      const { instruments } = this
      const entriesOf = <T extends object>(names: T): [keyof T, T[keyof T]][] => Object.entries(names) as never
      const e2e = instruments.histogram('sluice_record_e2e_latency_seconds')
      series = {
        count: Object.fromEntries(
          entriesOf(taskCounters).map(([key, name]) => {
            const counter = instruments.counter(name).labels({ task })
            // There from the start: a rate over a series that appears with its first event misses that event.
            counter.inc(0)
            return [key, counter]
          }),
        ) as TaskSeries['count'],
        time: Object.fromEntries(
          entriesOf(taskHistograms).map(([key, name]) => [key, instruments.histogram(name).labels({ task })]),
        ) as TaskSeries['time'],
        oldest: e2e.labels({ task, record: 'oldest' }),
        newest: e2e.labels({ task, record: 'newest' }),
        topic: '',
        entries: 0,
        bytes: 0,
      }
      for (const what of ['delta-fenced', 'delta-moved', 'read-moved'])
        instruments.counter('sluice_state_refused_total').inc({ task, what }, 0)
      for (const reason of ['misrouted-key', 'misrouted-partition'])
        instruments.counter('sluice_dead_letters_total').inc({ task, reason }, 0)
      this.series.set(task, series)
    }
    // A task that says something may not be listed yet.
    if (series.topic === '') series.topic = this.topicOf(task)
    return series
  }

  /** Mean bytes of an entry in the deltas of a task; 0 before the first. */
  bytesPerEntry(task: string): number {
    const { entries, bytes } = this.of(task)
    return entries === 0 ? 0 : bytes / entries
  }

  phase(task: string, phase: Parameters<TaskObserver['phase']>[1]): void {
    // A task and its worker may both say it.
    if (this.phases.get(task) === phase) return
    this.phases.set(task, phase)
    if (phase === 'fenced') this.of(task).count.fenced.inc()
    if (phase === 'waiting') this.of(task).count.failures.inc()
  }

  recovered(task: string, { reprocessed, ms }: Parameters<TaskObserver['recovered']>[1]): void {
    const { count } = this.of(task)
    count.recoveries.inc()
    count.restored.inc(reprocessed)
    this.instruments.gauge('sluice_recovery_duration_seconds').set({ task }, ms / 1000)
  }

  fetched(task: string, { bytes, ms }: Parameters<TaskObserver['fetched']>[1]): void {
    const { time, topic } = this.of(task)
    time.poll.observe(ms / 1000)
    this.instruments.counter('sluice_bytes_consumed_total').inc({ task, topic }, bytes)
  }

  processed(task: string, batch: Parameters<TaskObserver['processed']>[1]): void {
    const { count, time, topic } = this.of(task)
    time.process.observe(batch.ms / 1000)
    count.processed.inc(batch.received)
    if (batch.late > 0) count.late.inc(batch.late)
    if (batch.duplicates > 0) count.duplicates.inc(batch.duplicates)
    if (batch.conflicting > 0) count.conflicting.inc(batch.conflicting)
    if (batch.dropped > 0) count.copies.inc(batch.dropped)
    if (batch.loadMs > 0) count.loadSeconds.inc(batch.loadMs / 1000)
    const { instruments } = this
    instruments.counter('sluice_records_consumed_total').inc({ task, topic }, batch.rows)
    const produced = instruments.counter('sluice_records_produced_total')
    for (const [topic, records] of batch.written) produced.inc({ task, topic }, records)
    const dead = instruments.counter('sluice_dead_letters_total')
    // An unreadable record brings a reason of its own; what is not in the list must not make a series each.
    for (const [reason, records] of batch.deadLetters)
      dead.inc({ task, reason: reason in deadLetterReasons ? reason : 'other' }, records)
  }

  committed(task: string, commit: Parameters<TaskObserver['committed']>[1]): void {
    const { count, time, oldest, newest } = this.of(task)
    time.commit.observe(commit.ms / 1000)
    count.commitWait.inc(commit.waitMs / 1000)
    count.bytesProduced.inc(commit.bytes)
    if (Number.isNaN(commit.newestAcceptedAt)) return
    const now = this.now()
    // Clocks of two machines may differ: less than nothing is nothing.
    oldest.observe(Math.max(0, now - commit.oldestAcceptedAt) / 1000)
    newest.observe(Math.max(0, now - commit.newestAcceptedAt) / 1000)
  }

  applied(task: string, { entries, bytes, ms }: Parameters<TaskObserver['applied']>[1]): void {
    const series = this.of(task)
    series.time.delta.observe(ms / 1000)
    series.count.deltaEntries.inc(entries)
    series.count.deltaBytes.inc(bytes)
    series.entries += entries
    series.bytes += bytes
  }

  refused(task: string, what: Parameters<TaskObserver['refused']>[1]): void {
    this.instruments.counter('sluice_state_refused_total').inc({ task, what })
  }

  readonly sink: SinkObserver = {
    inserted: ({ topic, partition }, { table, rows, ms }) => {
      const labels = { topic, partition: String(partition), table }
      this.instruments.counter('sluice_sink_inserted_rows_total').inc(labels, rows)
      this.instruments.counter('sluice_sink_blocks_total').inc(labels)
      this.instruments.histogram('sluice_sink_insert_duration_seconds').observe({ table }, ms / 1000)
    },
    retried: ({ topic, partition }, table) =>
      this.instruments.counter('sluice_sink_retries_total').inc({ topic, partition: String(partition), table }),
  }

  readonly intake: IntakeObserver = {
    appended: ({ records, ms }) => {
      this.instruments.histogram('sluice_intake_append_duration_seconds').observe(ms / 1000)
      this.instruments.counter('sluice_intake_append_records_total').inc(records)
    },
    failed: () => this.instruments.counter('sluice_intake_append_failures_total').inc(),
  }
}
