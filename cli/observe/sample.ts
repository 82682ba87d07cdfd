/** Gauges of a process, set when somebody looks: where its tasks, its sink, its intake and the services stand. */

import type { DoorCounters } from '../../intake/http/ports.ts'
import type { Lag } from '../../sink/pump.ts'
import type { Processor } from '../../streams/index.ts'
import type { Standing, TaskBoard } from './board.ts'
import type { Instruments } from './instruments.ts'
import type { Metrics } from './metrics.ts'
import type { Probed } from './probe.ts'
import type { LookedAt } from './report.ts'

const phases: readonly Standing['phase'][] = [
  'created',
  'recovering',
  'running',
  'waiting',
  'fenced',
  'halted',
  'stopped',
]

/** A task as far as gauges need it; a Task fits. */
export interface SampledTask extends LookedAt {
  readonly processor: Processor
}

const offsets = [
  'sluice_task_committed_offset',
  'sluice_task_stored_offset',
  'sluice_task_log_start_offset',
  'sluice_task_log_end_offset',
  'sluice_task_lag_records',
  'sluice_task_recovery_headroom_records',
  'sluice_task_state_behind_records',
  'sluice_task_overlay_entries',
  'sluice_task_overlay_bytes',
  'sluice_task_stream_time_seconds',
] as const

/** What tasks there are and where they stand. Series of tasks that are gone are forgotten. */
export function sampleTasks(
  instruments: Instruments,
  metrics: Metrics,
  board: TaskBoard,
  tasks: readonly SampledTask[],
  { bounds }: Probed,
): void {
  for (const name of ['sluice_task_state', 'sluice_task_halted', ...offsets] as const) instruments.clear(name)
  for (const [task, { phase, code }] of board.tasks) {
    for (const state of phases) instruments.gauge('sluice_task_state').set({ task, state }, state === phase ? 1 : 0)
    if (phase === 'halted') instruments.gauge('sluice_task_halted').set({ task, code: code ?? 'BUG' }, 1)
  }
  instruments.gauge('sluice_registry_waiting').set(tasks.filter(({ stalled }) => stalled !== null).length)
  for (const task of tasks) {
    const labels = { task: task.name }
    const set = (name: (typeof offsets)[number], value: number): void => instruments.gauge(name).set(labels, value)
    const { committed, stored, processor, overlay } = task
    const log = bounds.get(task.name)
    const end = Math.max(task.end, log?.end ?? 0)
    set('sluice_task_committed_offset', committed)
    set('sluice_task_stored_offset', stored)
    set('sluice_task_log_end_offset', end)
    set('sluice_task_lag_records', Math.max(0, end - committed))
    set('sluice_task_state_behind_records', committed - stored)
    const { entries } = overlay
    set('sluice_task_overlay_entries', entries)
    set('sluice_task_overlay_bytes', Math.round(entries * metrics.bytesPerEntry(task.name)))
    const clock = processor.clock()
    if (clock !== null) set('sluice_task_stream_time_seconds', clock.streamTime / 1000)
    if (log === undefined) continue
    set('sluice_task_log_start_offset', log.start)
    set('sluice_task_recovery_headroom_records', stored - log.start)
  }
}

export function sampleSink(
  instruments: Instruments,
  sink: { readonly failure: Error | null; lag(): readonly Lag[] } | null,
  codeOf: (error: Error) => string,
): void {
  const gauges = ['sluice_sink_running', 'sluice_sink_lag_records', 'sluice_sink_open_rows'] as const
  for (const name of gauges) instruments.clear(name)
  instruments.clear('sluice_sink_sequence_copies_total')
  if (sink === null) return
  const code = sink.failure === null ? '' : codeOf(sink.failure)
  instruments.gauge('sluice_sink_running').set({ code }, sink.failure === null ? 1 : 0)
  for (const { topic, partition, table, behind, openRows, dropped } of sink.lag()) {
    const labels = { topic, partition: String(partition), table }
    instruments.gauge('sluice_sink_lag_records').set(labels, behind)
    instruments.gauge('sluice_sink_open_rows').set(labels, openRows)
    instruments.counter('sluice_sink_sequence_copies_total').inc(labels, dropped)
  }
}

export function sampleDoor(instruments: Instruments, door: DoorCounters | null): void {
  const counters = [
    'sluice_intake_accepted_total',
    'sluice_intake_refused_total',
    'sluice_intake_errors_total',
  ] as const
  for (const name of counters) instruments.clear(name)
  if (door === null) return
  instruments.counter('sluice_intake_accepted_total').inc(door.queued)
  for (const [reason, count] of door.refused) instruments.counter('sluice_intake_refused_total').inc({ reason }, count)
  for (const [code, count] of door.errors) instruments.counter('sluice_intake_errors_total').inc({ code }, count)
}

export function sampleServices(instruments: Instruments, { services }: Probed): void {
  instruments.clear('sluice_service_up')
  for (const [service, why] of services) instruments.gauge('sluice_service_up').set({ service }, why === null ? 1 : 0)
}
