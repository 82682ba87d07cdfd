/**
 * The in-memory backend of the test driver: the same rules as every backend, with a moment for a fault between all steps,
 * crashes, a state that can fall back, and deliberately wrong variants. Nothing of it outlives the process.
 */
import type { Backend, Clock, TopicPartition } from '../backend.ts'
import { manualClock } from '../embedded/clock.ts'
import { localGroup } from '../embedded/group.ts'
import { World, type Faulty, type Watch } from './faults.ts'
import { MemoryLog } from './log.ts'
import { MemoryState } from './state.ts'

export type { Fault, Faulty, Moment, Step, Watch } from './faults.ts'

export interface MemoryOptions {
  /** Called at every moment at which something can happen; answers what does. */
  readonly watch?: Watch
  /** A deliberately wrong backend, for negative controls. */
  readonly faulty?: Faulty
  readonly clock?: Clock
}

export interface MemoryBackend extends Backend {
  /**
   * The process dies: every writer, owner and waiting reader ends, what was durable stays.
   * `state` says how many of its last changes each task's state loses, or that it is lost whole.
   */
  crash(state?: (task: string, changes: number) => number | 'whole'): void
  /** The state of a running owner's task falls back by a number of changes, its header with it. */
  fallBack(task: string, changes: number): void
  /** The state of a task is gone, under its running owner. */
  loseState(task: string): void
  /** Another process takes over a task's state. */
  stealState(task: string): void
  /** Another process takes over a writer id. */
  fence(writer: string): void
  /** Retention: forgets whole batches before an offset; returns the new start. */
  trim(at: TopicPartition, before: number): number
}

export function openMemory(options: MemoryOptions = {}): MemoryBackend {
  const world = new World(options.faulty ?? {}, options.watch)
  const log = new MemoryLog(world)
  const state = new MemoryState(world)
  return {
    name: 'memory',
    log,
    state,
    group: localGroup(),
    clock: options.clock ?? manualClock(),
    crash(loss) {
      world.crash()
      if (loss === undefined) return
      for (const task of state.names()) {
        const lost = loss(task, state.changes(task))
        if (lost === 'whole') state.lose(task)
        else state.fallBack(task, lost)
      }
    },
    fallBack: (task, changes) => state.fallBack(task, changes),
    loseState: (task) => state.lose(task),
    stealState: (task) => state.steal(task),
    fence: (writer) => log.fence(writer),
    trim: (at, before) => log.trim(at, before),
    // Whoever still waits is woken, and ends.
    close: async () => world.crash(),
  }
}
