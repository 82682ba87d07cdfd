/** Several observers as one. One that fails is a fault of the watching and must not stop the work: it is left out. */

import type { TaskObserver } from '../../streams/index.ts'

export function together(
  observers: readonly TaskObserver[],
  failed: (error: unknown) => void = () => {},
): TaskObserver {
  const left = new Set(observers)
  const tell = (how: (observer: TaskObserver) => void): void => {
    for (const observer of left) {
      try {
        how(observer)
      } catch (error) {
        left.delete(observer)
        failed(error)
      }
    }
  }
  return {
    phase: (task, phase, error) => tell((observer) => observer.phase(task, phase, error)),
    recovered: (task, recovery) => tell((observer) => observer.recovered(task, recovery)),
    fetched: (task, fetch) => tell((observer) => observer.fetched(task, fetch)),
    processed: (task, batch) => tell((observer) => observer.processed(task, batch)),
    committed: (task, commit) => tell((observer) => observer.committed(task, commit)),
    applied: (task, delta) => tell((observer) => observer.applied(task, delta)),
    stalled: (task, why) => tell((observer) => observer.stalled?.(task, why)),
    refused: (task, what) => tell((observer) => observer.refused(task, what)),
  }
}
