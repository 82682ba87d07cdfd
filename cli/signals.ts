/** When to stop: SIGINT and SIGTERM, however often a terminal and npm deliver them. */

/** The same Ctrl-C may come from the terminal and from npm: what comes within this is one. */
const ONE_MS = 1_000

export interface Stopping {
  /** Resolves with the signal's name. */
  readonly asked: Promise<string>
  /** Stops listening. */
  end(): void
}

/** Listens. A second signal that is meant (later than a second after the first) calls `again`. */
export function stopping(again: () => void): Stopping {
  const { promise, resolve } = Promise.withResolvers<string>()
  let first = Number.NaN
  const heard = (signal: string): void => {
    if (Number.isNaN(first)) {
      first = performance.now()
      resolve(signal)
    } else if (performance.now() - first > ONE_MS) again()
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, heard)
  return {
    asked: promise,
    end() {
      for (const signal of signals) process.off(signal, heard)
    },
  }
}
