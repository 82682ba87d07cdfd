/** Computations for display that may take only a small share of the time, however large what they look at has grown. */

/** Of the process's time; the rest belongs to the payments. */
const SHARE = 0.02

/**
 * The value of `compute`, made again at most every `leastMs` and at most so often that it takes 2 % of the time.
 * `changed` false: the value before still holds.
 */
export function paced<T>(compute: () => T, leastMs: number, changed: () => boolean = () => true): () => T {
  let value: T
  let made = false
  let next = 0
  return () => {
    const began = performance.now()
    if (made && (began < next || !changed())) return value
    value = compute()
    made = true
    const took = performance.now() - began
    next = began + Math.max(leastMs, took / SHARE)
    return value
  }
}

/**
 * The same for what has to wait: gives the latest value at once and makes the next one meanwhile. `failed` is told of an
 * error, after which it is tried again, and with null when a value was made.
 */
export function pacedLater<T>(
  compute: () => Promise<T>,
  leastMs: number,
  first: T,
  failed: (error: Error | null) => void,
  changed: () => boolean = () => true,
): () => T {
  let value = first
  let next = 0
  let running = false
  return () => {
    const began = performance.now()
    if (running || began < next || !changed()) return value
    running = true
    compute()
      .then(
        (made) => {
          value = made
          failed(null)
        },
        (error: unknown) => failed(error instanceof Error ? error : new Error(String(error))),
      )
      .finally(() => {
        running = false
        next = performance.now() + Math.max(leastMs, performance.now() - began)
      })
    return value
  }
}
