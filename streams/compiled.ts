/**
 * Compiled loops, kept by what they were made from. The tasks of a process, and a task that recovers, share one function
 * with what the engine of JavaScript has learnt of it: warming up a large loop costs up to a second of CPU.
 */

const byOwner = new WeakMap<object, Map<string, unknown>>()

/** What `make` gave for this key first. `owner`: a function that the loop calls, so that no loop calls two of them. */
export function compiledOnce<T>(owner: object, key: string, make: () => T): T {
  let known = byOwner.get(owner)
  if (known === undefined) byOwner.set(owner, (known = new Map()))
  if (!known.has(key)) known.set(key, make())
  return known.get(key) as T
}
