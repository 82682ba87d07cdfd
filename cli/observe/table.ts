/**
 * Every metric: name, kind, labels, meaning, and what Kafka Streams calls the nearest thing. metrics.ts makes them,
 * docs/observability.md is generated from them, and a dashboard or an alert that names another one fails a test.
 *
 * Names carry their unit; counters end in _total. Labels have few values: tasks, topics, and closed lists of words.
 */

export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  /** One sentence. */
  readonly help: string
  /** Kafka Streams' name, where it has the thing. */
  readonly streams?: string
  /** Of a histogram, in its unit. */
  readonly buckets?: readonly number[]
}

/** From a commit on one machine (2 ms) to a broker that fails over (some seconds). */
const latency = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** From accepted to visible: the same, and the backlog after a takeover. */
const endToEnd = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const task = ['task'] as const
const partition = ['topic', 'partition', 'table'] as const

export const taskMetrics = {
  sluice_task_state: {
    kind: 'gauge',
    labels: ['task', 'state'],
    help: '1 for the state that the task is in: created, recovering, running, waiting, fenced, halted, stopped; 0 for the others.',
    streams: 'thread-state, task-created-rate, task-closed-rate',
  },
  sluice_task_halted: {
    kind: 'gauge',
    labels: ['task', 'code'],
    help: '1 while the task is halted, with the code of docs/operating.md; absent otherwise.',
    streams: 'failed-stream-threads',
  },
  sluice_records_consumed_total: {
    kind: 'counter',
    labels: ['task', 'topic'],
    help: 'Records read from the input topic: payments, ticks and control records; not those read again by a recovery.',
    streams: 'records-consumed-total',
  },
  sluice_bytes_consumed_total: {
    kind: 'counter',
    labels: ['task', 'topic'],
    help: 'Bytes of the record batches read from the input topic.',
    streams: 'bytes-consumed-total',
  },
  sluice_process_total: {
    kind: 'counter',
    labels: task,
    help: 'Payments and unreadable records processed: what was received.',
    streams: 'process-total',
  },
  sluice_records_produced_total: {
    kind: 'counter',
    labels: ['task', 'topic'],
    help: 'Records written, by output topic.',
    streams: 'records-produced-total',
  },
  sluice_bytes_produced_total: {
    kind: 'counter',
    labels: task,
    help: 'Bytes of the record batches that were committed.',
    streams: 'bytes-produced-total',
  },
  sluice_late_records_total: {
    kind: 'counter',
    labels: task,
    help: 'Payments whose own cycle was closed already: they take part in the oldest open one. None is dropped.',
    streams: 'record-lateness, dropped-records-total (which loses them)',
  },
  sluice_duplicate_records_total: {
    kind: 'counter',
    labels: task,
    help: 'Payments that were there already with the same content.',
  },
  sluice_conflicting_records_total: {
    kind: 'counter',
    labels: task,
    help: 'Payments whose identity was there already with other content.',
  },
  sluice_dead_letters_total: {
    kind: 'counter',
    labels: ['task', 'reason'],
    help: 'Records that could not be used, by the reason of docs/operating.md; each is kept on the topic dead-letters.',
    streams: 'dropped-records-total',
  },
  sluice_sequence_copies_total: {
    kind: 'counter',
    labels: task,
    help: 'Records with a sequence number that was there already, dropped: the second layer of exactly-once at work.',
    streams: 'dropped-records-total',
  },
  sluice_poll_duration_seconds: {
    kind: 'histogram',
    labels: task,
    help: 'A fetch that brought something, the wait for it included.',
    streams: 'poll-latency-avg, poll-latency-max',
    buckets: latency,
  },
  sluice_process_duration_seconds: {
    kind: 'histogram',
    labels: task,
    help: 'Processing of one batch, from its decoded rows to its outputs.',
    streams: 'process-latency-avg, process-latency-max',
    buckets: latency,
  },
  sluice_state_load_seconds_total: {
    kind: 'counter',
    labels: task,
    help: 'Of the processing, time spent waiting for state that had to be loaded.',
  },
  sluice_commit_duration_seconds: {
    kind: 'histogram',
    labels: task,
    help: 'A commit, from its call to durable and visible; its count is the number of commits.',
    streams: 'commit-latency-avg, commit-latency-max, commit-rate',
    buckets: latency,
  },
  sluice_commit_wait_seconds_total: {
    kind: 'counter',
    labels: task,
    help: 'Time that a batch waited for earlier commits before its own: back-pressure of the log.',
    streams: 'blocked-time-ns-total',
  },
  sluice_record_e2e_latency_seconds: {
    kind: 'histogram',
    labels: ['task', 'record'],
    help: 'From the acceptance of the oldest and the newest record of a batch to its visible commit. Of source tasks; says nothing where acceptance is not the wall clock (imports, demo).',
    streams: 'record-e2e-latency-max (oldest), record-e2e-latency-min (newest)',
    buckets: endToEnd,
  },
  sluice_task_committed_offset: {
    kind: 'gauge',
    labels: task,
    help: 'K: position up to which the input is processed and committed.',
    streams: 'committed offset of the group',
  },
  sluice_task_stored_offset: {
    kind: 'gauge',
    labels: task,
    help: 'R: position that the stored state stands for; never above K.',
    streams: 'changelog offset of the store',
  },
  sluice_task_log_start_offset: {
    kind: 'gauge',
    labels: task,
    help: 'First offset of the input that is still kept.',
  },
  sluice_task_log_end_offset: {
    kind: 'gauge',
    labels: task,
    help: 'Offset after the last committed record of the input.',
  },
  sluice_task_lag_records: {
    kind: 'gauge',
    labels: task,
    help: 'End of the input minus K.',
    streams: 'records-lag',
  },
  sluice_task_recovery_headroom_records: {
    kind: 'gauge',
    labels: task,
    help: 'R minus the start of the input: below 0 a recovery is impossible, and the task would halt.',
  },
  sluice_task_state_behind_records: {
    kind: 'gauge',
    labels: task,
    help: 'K minus R: what a takeover processes again.',
    streams: 'restore-remaining-records-total',
  },
  sluice_task_overlay_entries: {
    kind: 'gauge',
    labels: task,
    help: 'Entries changed in memory that the store does not have yet.',
    streams: 'record-cache size',
  },
  sluice_task_overlay_bytes: {
    kind: 'gauge',
    labels: task,
    help: 'Bytes of those entries, estimated by the mean of the deltas so far.',
    streams: 'cache-size-bytes-total',
  },
  sluice_task_stream_time_seconds: {
    kind: 'gauge',
    labels: task,
    help: 'Stream time of a source task, seconds since 1970-01-01 UTC.',
  },
  sluice_recoveries_total: {
    kind: 'counter',
    labels: task,
    help: 'Recoveries that ended with the task ready to run: the first one included.',
  },
  sluice_recovery_duration_seconds: {
    kind: 'gauge',
    labels: task,
    help: 'How long the last recovery took.',
    streams: 'restore-latency',
  },
  sluice_restore_records_total: {
    kind: 'counter',
    labels: task,
    help: 'Records processed again by recoveries, outputs suppressed.',
    streams: 'restore-total',
  },
  sluice_fenced_total: {
    kind: 'counter',
    labels: task,
    help: 'How often another owner took the task over while it ran here.',
    streams: 'ProducerFencedException in the log',
  },
  sluice_task_failures_total: {
    kind: 'counter',
    labels: task,
    help: 'Errors of unknown outcome after which the task is recovered.',
  },
  sluice_state_refused_total: {
    kind: 'counter',
    labels: ['task', 'what'],
    help: 'Compare-and-sets and reads that were refused: delta-fenced, delta-moved, read-moved.',
  },
  sluice_delta_duration_seconds: {
    kind: 'histogram',
    labels: task,
    help: 'A delta of the state, from its call to acknowledged by the store.',
    streams: 'flush-latency-avg, flush-latency-max',
    buckets: latency,
  },
  sluice_delta_entries_total: {
    kind: 'counter',
    labels: task,
    help: 'Entries put and removed by deltas.',
    streams: 'put-total',
  },
  sluice_delta_bytes_total: { kind: 'counter', labels: task, help: 'Bytes of keys and values in deltas.' },
} as const satisfies Record<string, MetricSpec>

export const sinkMetrics = {
  sluice_sink_running: {
    kind: 'gauge',
    labels: ['code'],
    help: '1 while the sink carries rows into ClickHouse; 0 with its code when it has halted.',
  },
  sluice_sink_lag_records: {
    kind: 'gauge',
    labels: partition,
    help: 'Records of the topic that the sink has not read.',
    streams: 'records-lag of the connector',
  },
  sluice_sink_open_rows: {
    kind: 'gauge',
    labels: partition,
    help: 'Rows read and not yet cut into a block: the next mark cuts them.',
  },
  sluice_sink_inserted_rows_total: {
    kind: 'counter',
    labels: partition,
    help: 'Rows that ClickHouse has taken from this process.',
  },
  sluice_sink_blocks_total: { kind: 'counter', labels: partition, help: 'Insert blocks that ClickHouse has taken.' },
  sluice_sink_insert_duration_seconds: {
    kind: 'histogram',
    labels: ['table'],
    help: 'One INSERT of one block, tries again and the wait for its turn included.',
    buckets: latency,
  },
  sluice_sink_retries_total: {
    kind: 'counter',
    labels: partition,
    help: 'Calls to ClickHouse that failed and came again.',
  },
  sluice_sink_sequence_copies_total: {
    kind: 'counter',
    labels: partition,
    help: 'Records with a number that the sink had already, dropped.',
  },
} as const satisfies Record<string, MetricSpec>

export const intakeMetrics = {
  sluice_intake_accepted_total: {
    kind: 'counter',
    labels: [],
    help: 'Payments answered as queued: durable in the log.',
  },
  sluice_intake_refused_total: {
    kind: 'counter',
    labels: ['reason'],
    help: 'Payments refused one by one, by reason (docs/http.md).',
  },
  sluice_intake_errors_total: {
    kind: 'counter',
    labels: ['code'],
    help: 'Requests answered with an error, by code; queue-full is the 429 of back-pressure.',
  },
  sluice_intake_append_duration_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'One commit of the intake, from its call to durable.',
    buckets: latency,
  },
  sluice_intake_append_records_total: { kind: 'counter', labels: [], help: 'Records appended by the intake.' },
  sluice_intake_append_failures_total: {
    kind: 'counter',
    labels: [],
    help: 'Commits of the intake with an unknown outcome: their requests are answered 503.',
  },
  sluice_ticker_behind_seconds: {
    kind: 'gauge',
    labels: [],
    help: 'How far this clock is behind the last tick of the log: above 0 time stands still.',
  },
  sluice_ticker_last_tick_seconds: {
    kind: 'gauge',
    labels: [],
    help: 'Instant of the last tick that this process wrote or found, seconds since 1970-01-01 UTC.',
  },
} as const satisfies Record<string, MetricSpec>

export const businessMetrics = {
  sluice_payments_received_total: {
    kind: 'counter',
    labels: ['task', 'novelty', 'currency'],
    help: 'Valid payments since the log began: fresh, duplicate, conflicting.',
  },
  sluice_payments_decided_total: {
    kind: 'counter',
    labels: ['task', 'outcome', 'currency'],
    help: 'Fresh payments since the log began, by the first decision: approve, hold, decline.',
  },
  sluice_amount_decided_minor_total: {
    kind: 'counter',
    labels: ['task', 'outcome', 'currency'],
    help: 'Their value in minor units.',
  },
  sluice_payments_held: { kind: 'gauge', labels: ['task', 'currency'], help: 'Payments that are held now.' },
  sluice_amount_held_minor: {
    kind: 'gauge',
    labels: ['task', 'currency'],
    help: 'Their value in minor units.',
  },
  sluice_held_oldest_seconds: {
    kind: 'gauge',
    labels: task,
    help: 'How long the oldest held payment waits, in stream time; 0 when none does.',
  },
  sluice_payments_settled_total: {
    kind: 'counter',
    labels: ['currency'],
    help: 'Payments settled since the log began; told by whoever runs the settlement task.',
  },
  sluice_amount_settled_minor_total: {
    kind: 'counter',
    labels: ['currency', 'what'],
    help: 'Value settled since the log began in minor units: gross as paid, net as instructed.',
  },
  sluice_balanced: {
    kind: 'gauge',
    labels: [],
    help: '1 while the balance sheet balances, 0 when it does not; told where all tasks run in one process.',
  },
} as const satisfies Record<string, MetricSpec>

export const serviceMetrics = {
  sluice_service_up: {
    kind: 'gauge',
    labels: ['service'],
    help: '1 when the service answered the last probe (log, state, registry, clickhouse); probed with every scrape and /ready.',
  },
  sluice_registry_waiting: {
    kind: 'gauge',
    labels: [],
    help: 'Tasks that wait for a schema id of the registry: their partitions stand still, nothing is dropped.',
  },
  sluice_ready: { kind: 'gauge', labels: [], help: 'What /ready answers: 1 or 0.' },
  sluice_build_info: {
    kind: 'gauge',
    labels: ['version', 'backend', 'logic'],
    help: 'Always 1: version of the program, backend, version of the logic.',
  },
} as const satisfies Record<string, MetricSpec>

export const metricTable = {
  ...taskMetrics,
  ...sinkMetrics,
  ...intakeMetrics,
  ...businessMetrics,
  ...serviceMetrics,
} as const satisfies Record<string, MetricSpec>

export type MetricName = keyof typeof metricTable
