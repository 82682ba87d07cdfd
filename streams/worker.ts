/**
 * Runs the tasks that its group assigns to it, each by itself, and keeps them running.
 *
 * W1  Any error of unknown outcome: the task is thrown away and recovered after a pause that grows to a bound. Services
 *     that cannot be reached are tried for as long as it lasts; what recurs without progress halts the task in the end.
 * W2  A fenced task stops. It comes back only when the group has confirmed, later than the fence, that the task is still
 *     this member's: two owners that fence each other at once would never end.
 * W3  A halted task stays with this worker, so that no other one runs into the same; the other tasks go on. A line whose
 *     tasks are all here, and which somebody waits for, ends them together (`haltTogether`).
 * W4  A task that is given up ends its commit, writes its state behind and stops before the group hears of it; when that
 *     takes too long it is abandoned: the next owner's fence ends what it has open. The other tasks do not stop.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Membership, TopicPartition } from './backend.ts'
import { roadAfter, CodedError } from './errors.ts'
import type { TaskPhase } from './observer.ts'
import { scheduleSnapshots, type SnapshotSchedule } from './snapshots.ts'
import { Task, type TaskOptions } from './task.ts'
import type { Expected } from './takeover.ts'
import type { Topology } from './topology.ts'

/** What one task is: its topology over one partition. Its name is also the id of its writer and of its state. */
export interface TaskSpec {
  readonly topology: Topology
  readonly name: string
  readonly at: TopicPartition
  /** Where the line was made beforehand: what it was made with (streams/takeover.ts). */
  readonly expected?: Expected
}

export interface WorkerOptions extends Omit<TaskOptions, 'topology' | 'name' | 'at'> {
  /** Every task that this worker may be given. */
  readonly tasks: readonly TaskSpec[]
  /** When one task halts all stop. For lines that run whole in one process. */
  readonly haltTogether?: boolean
  /** Snapshots of the stored states, now and then. */
  readonly snapshots?: SnapshotSchedule
  /** First pause after an error, 50; it doubles with every one in a row, a hundredfold at most. */
  readonly pauseMs?: number
  /** Called with every change of a task's phase. */
  readonly changed?: (task: string, status: TaskStatus) => void
}

export interface TaskStatus {
  readonly phase: TaskPhase
  /** Recoveries in a row without progress. */
  readonly failures: number
  /** Of the last failure, while it counts. */
  readonly error: Error | null
}

/** A task that cannot recover so many times in a row, with all services there, has a fault that trying does not cure. */
const RECOVERIES = 8
const PAUSE_MS = 50
const LONGEST_PAUSE = 100
/** Of a pause; after a fence: long enough for the group to notice that its member was away. */
const FENCED_PAUSE = 20
/** Times that. The group is asked afterwards anyway; errors before a fence must not make it a matter of minutes. */
const LONGEST_FENCED_PAUSE = 8
/** A member that gives up tasks sends no heartbeat meanwhile: well below the group's session time-out (6 to 10 s). */
const GIVE_UP_MS = 4_000
/** A worker that leaves is in no such hurry; what ends it by force (Kubernetes: after 30 s) is. */
const LEAVE_MS = 25_000

export class Worker {
  /** Tasks of this worker by name; while one recovers, the new one in the making. */
  readonly running: ReadonlyMap<string, Task>
  /** The first error that halted a task; null while none did. */
  halted: Error | null = null
  readonly options: WorkerOptions
  readonly #tasks = new Map<string, Task>()
  readonly #supervised = new Map<string, Supervised>()
  #membership: Promise<Membership> | null = null
  #leaving = false
  #snapshots: { stop(): Promise<void> } | null = null

  constructor(options: WorkerOptions) {
    this.options = options
    this.running = this.#tasks
  }

  /** Joins the group; resolves after the first assignment, whose tasks recover then. */
  async start(): Promise<void> {
    const { backend, tasks } = this.options
    const names = tasks.map(({ name }) => name)
    this.#membership = backend.group.join(names, {
      assigned: (name) => this.#begin(name),
      revoked: (name) => this.#giveUp(name),
    })
    await this.#membership
    const { snapshots } = this.options
    if (snapshots !== undefined) this.#snapshots = scheduleSnapshots(backend, () => this.#tasks.values(), snapshots)
  }

  /** Resolves when every task that is assigned now has recovered once. Throws what halted one. */
  async recovered(): Promise<void> {
    await Promise.all([...this.#supervised.values()].map(({ ready }) => ready))
    if (this.halted !== null) throw this.halted
  }

  status(name: string): TaskStatus | null {
    return this.#supervised.get(name)?.status ?? null
  }

  /** Gives up all tasks and leaves the group. Errors of tasks are in `halted`. */
  async stop(): Promise<void> {
    const membership = this.#membership
    if (membership === null) return
    this.#leaving = true
    // Those that wait or recover hear of it now, not when the group comes to them.
    for (const supervised of this.#supervised.values()) supervised.stop()
    await this.#snapshots?.stop()
    await (await membership).leave()
  }

  #begin(name: string): void {
    const { tasks, haltTogether: _together, snapshots: _snapshots, pauseMs, changed, ...rest } = this.options
    const spec = tasks.find((one) => one.name === name)
    if (spec === undefined || this.#supervised.has(name)) return
    const supervised = new Supervised({
      pauseMs: pauseMs ?? PAUSE_MS,
      make: () => {
        const task = new Task({ ...rest, ...spec })
        this.#tasks.set(name, task)
        return task
      },
      confirmed: async () => (await this.#membership)?.confirmed(name) ?? false,
      changed: (status) => {
        const { phase, error } = status
        // The task itself tells how it goes; what becomes of it then is known here.
        if (phase !== 'recovering' && phase !== 'running') rest.observer?.phase(name, phase, error)
        changed?.(name, status)
      },
      halted: (error) => this.#halt(error),
    })
    this.#supervised.set(name, supervised)
    supervised.start()
  }

  async #giveUp(name: string): Promise<void> {
    const supervised = this.#supervised.get(name)
    if (supervised === undefined) return
    supervised.stop()
    const patience = new AbortController()
    const tooLong = sleep(this.#leaving ? LEAVE_MS : GIVE_UP_MS, undefined, { signal: patience.signal }).catch(
      () => undefined,
    )
    await Promise.race([supervised.done, tooLong])
    patience.abort()
    this.#supervised.delete(name)
    this.#tasks.delete(name)
  }

  #halt(error: Error): void {
    this.halted ??= error
    if (this.options.haltTogether !== true) return
    for (const supervised of this.#supervised.values()) supervised.stop()
  }
}

interface Supervision {
  readonly pauseMs: number
  readonly make: () => Task
  /** Whether the group says, from now on, that the task is ours. */
  readonly confirmed: () => Promise<boolean>
  readonly changed: (status: TaskStatus) => void
  readonly halted: (error: Error) => void
}

/** One assigned task from assignment to hand-over: made, recovered, run, and made again after errors (W1, W2). */
class Supervised {
  status: TaskStatus = { phase: 'recovering', failures: 0, error: null }
  /** After the first recovery, or when there will be none. */
  readonly ready: Promise<void>
  done: Promise<void> = Promise.resolve()
  readonly #supervision: Supervision
  readonly #stopping = new AbortController()
  #isReady: () => void = () => undefined
  #task: Task | null = null
  /** The highest K that was seen: what progress is measured by. */
  #committed = 0

  constructor(supervision: Supervision) {
    this.#supervision = supervision
    this.ready = new Promise((resolve) => (this.#isReady = resolve))
  }

  start(): void {
    this.done = this.#supervise().finally(() => this.#isReady())
  }

  stop(): void {
    this.#stopping.abort()
    this.#task?.stop()
  }

  async #supervise(): Promise<void> {
    let failures = 0
    while (!this.#stopping.signal.aborted) {
      const task = this.#supervision.make()
      this.#task = task
      const error = await this.#attempt(task, failures)
      if (error === null) break
      failures = task.committed > this.#committed ? 1 : failures + 1
      this.#committed = Math.max(this.#committed, task.committed)
      if (!(await this.#after(error, failures))) return
    }
    this.#say('stopped', 0, null)
  }

  /** Recovers and runs; null when it ended because it was asked to. */
  async #attempt(task: Task, failures: number): Promise<Error | null> {
    try {
      this.#say('recovering', failures, this.status.error)
      if (!(await task.recover())) return null
      this.#isReady()
      this.#say('running', failures, this.status.error)
      await task.run()
      return null
    } catch (error) {
      return error as Error
    } finally {
      await task.close()
    }
  }

  /** Whether to try again, after the pause that the error asks for. */
  async #after(error: Error, failures: number): Promise<boolean> {
    const road = roadAfter(error)
    const stopping = this.#stopping.signal.aborted
    // What is behind is recovered by whoever comes next.
    if (stopping && road !== 'halt') return true
    if (road === 'halt' || (road === 'again' && failures > RECOVERIES)) {
      const coded = error instanceof CodedError ? error : failed(error)
      this.#say('halted', failures, coded)
      this.#supervision.halted(coded)
      return false
    }
    if (road !== 'rejoin') {
      this.#say('waiting', failures, error)
      await this.#pause(Math.min(LONGEST_PAUSE, 2 ** (failures - 1)))
      return true
    }
    this.#say('fenced', failures, error)
    await this.#pause(FENCED_PAUSE * Math.min(LONGEST_FENCED_PAUSE, 2 ** (failures - 1)))
    // Not confirmed: another member has it; the group will take it from us, and perhaps give it back.
    return Promise.race([this.#supervision.confirmed(), this.#stopped()])
  }

  /** Resolves, to true, when this task is to stop. */
  #stopped(): Promise<true> {
    const { signal } = this.#stopping
    if (signal.aborted) return Promise.resolve(true)
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(true), { once: true }))
  }

  async #pause(times: number): Promise<void> {
    await sleep(times * this.#supervision.pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }

  #say(phase: TaskPhase, failures: number, error: Error | null): void {
    this.status = { phase, failures, error }
    this.#supervision.changed(this.status)
  }
}

/** A bug: it has no code of its own. */
function failed(error: Error): CodedError {
  return new CodedError('SLUICE_TASK_FAILED', error.message, { cause: error })
}
