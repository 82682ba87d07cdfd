/** Trying again: for ever, with growing pauses, what an error says may succeed later; at once an error what may not. */
import { setTimeout as sleep } from 'node:timers/promises'
import { SinkError } from './errors.ts'

const FIRST_PAUSE_MS = 20
/** A restarted server is back within a second; a longer pause only adds to its absence. */
const LONGEST_PAUSE_MS = 2_000

export interface RetryOptions {
  readonly signal: AbortSignal
  /** Told of every try that failed and comes again. */
  readonly onRetry: (error: SinkError, tries: number) => void
}

/** Runs until it succeeds. Errors: what is not to be tried again, or the last error once the signal is aborted. */
export async function untilDone<T>(run: () => Promise<T>, { signal, onRetry }: RetryOptions): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof SinkError) || !error.retry || signal.aborted) throw error
      onRetry(error, tries)
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries - 1, 10))
      await sleep(pause, undefined, { signal }).catch(() => {
        throw error
      })
    }
  }
}

/** At most so many at a time, first come, first served. */
export class Turnstile {
  private free: number
  private readonly waiting: (() => void)[] = []

  constructor(places: number) {
    this.free = places
  }

  async pass<T>(run: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
    try {
      return await run()
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.free++
      else next()
    }
  }
}
