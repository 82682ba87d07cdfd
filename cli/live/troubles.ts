/** What is wrong with what the page shows: what passes and is tried again, and what has ended. Words for the health. */

import { roadAfter } from '../../streams/errors.ts'

/** Told of an error, and with null when it works again. */
export type Passing = (error: Error | null) => void

/** Whether trying again is right: a broker or a store that is away comes back, a record that is gone does not. */
export function passes(error: unknown): boolean {
  const road = roadAfter(error)
  return road === 'wait' || road === 'again'
}

export class Troubles {
  private readonly onError: (error: Error) => void
  private readonly over: string[] = []
  private readonly now = new Map<number, string>()
  private reporters = 0

  /** `onError` is told of each one once. */
  constructor(onError: (error: Error) => void) {
    this.onError = onError
  }

  /** In plain words with what to do. */
  get words(): readonly string[] {
    return [...new Set([...this.over, ...this.now.values()])]
  }

  /** Something is not followed any more. */
  readonly ended = (error: Error): void => {
    this.over.push(`Something that the page shows is not followed any more: ${error.message} Start again.`)
    this.onError(error)
  }

  /** For one thing that is tried again until it works. */
  passing(): Passing {
    const id = this.reporters++
    return (error) => {
      if (error === null) return void this.now.delete(id)
      if (!this.now.has(id)) this.onError(error)
      this.now.set(id, `What the page shows stands still, and goes on by itself: ${error.message}`)
    }
  }
}
