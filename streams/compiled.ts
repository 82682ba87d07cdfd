/**
 * Compiled loops, kept by what they were made from. The tasks of a process, and a task that recovers, share one function
 * with what the engine of JavaScript has learnt of it: warming up a large loop costs up to a second of CPU.
 */

/** Far more than a process has of its own, and a bound on what schemas of strangers, read once, leave behind. */
const MOST_PER_OWNER = 256

const byOwner = new WeakMap<object, Map<string, unknown>>()

/** What `make` gave for this key first, unless many others were asked for since. `owner`: a function that the loop calls, so that no loop calls two of them. */
export function compiledOnce<T>(owner: object, key: string, make: () => T): T {
  let known = byOwner.get(owner)
  if (known === undefined) byOwner.set(owner, (known = new Map()))
  const value = known.has(key) ? (known.get(key) as T) : make()
  known.delete(key)
  // The one that was asked for longest ago; who holds it keeps it.
  if (known.size >= MOST_PER_OWNER) known.delete(known.keys().next().value as string)
  known.set(key, value)
  return value
}
