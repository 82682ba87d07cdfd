/** What position n does to the state of the killed process's task; shared by it and by the test that judges it. */
import type { Put } from '../../../streams/backend.ts'

/** Adds the changes of position n: one of 50 keys, one entry in the bucket of n; old buckets are dropped. */
export function changesOf(n: number, into: { puts: Map<string, Put>; dropKinds: Set<string> }): void {
  const put = (kind: string, key: string): void => {
    into.puts.set(`${kind}/${key}`, { kind, key: Buffer.from(key), value: Buffer.from(String(n)) })
  }
  put('last', String(n % 50))
  put(`bucket-${Math.floor(n / 20)}`, String(n))
  const old = `bucket-${Math.floor(n / 20) - 2}`
  into.dropKinds.add(old)
  for (const name of into.puts.keys()) if (name.startsWith(`${old}/`)) into.puts.delete(name)
}

/** The whole state at position n, as 'kind/key' to value. */
export function expectedState(position: number): Map<string, string> {
  const state = new Map<string, string>()
  for (let n = 1; n <= position; n++) {
    const changes = { puts: new Map<string, Put>(), dropKinds: new Set<string>() }
    changesOf(n, changes)
    for (const name of state.keys()) if (changes.dropKinds.has(name.split('/')[0])) state.delete(name)
    for (const [name, { value }] of changes.puts) state.set(name, Buffer.from(value).toString())
  }
  return state
}
