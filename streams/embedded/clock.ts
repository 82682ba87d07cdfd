/** Clocks: the machine's, and one that only moves when told. Only tickers and intakes ask a clock. */
import type { Clock } from '../backend.ts'

export const systemClock: Clock = { now: () => Date.now() }

export interface ManualClock extends Clock {
  /** Moves to `now`, milliseconds since 1970-01-01 UTC. */
  set(now: number): void
}

export function manualClock(start = 0): ManualClock {
  let now = start
  return {
    now: () => now,
    set(to) {
      now = to
    },
  }
}
