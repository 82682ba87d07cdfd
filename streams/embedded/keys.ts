/** How the embedded store names its entries: byte layouts of the keys in the environment's three databases. */
import type { StoreKey } from './loop.ts'

const utf8 = new TextEncoder()

/** Names in the `meta` database: kind of entry, a slash, its name. */
export function metaKey(kind: 'directory' | 'topic' | 'bounds' | 'ledger' | 'state', name: string): Uint8Array {
  return utf8.encode(`${kind}/${name}`)
}

/** All names of a kind: '0' is the character after the slash, so every name lies between. */
export function metaRange(kind: 'topic' | 'ledger' | 'state'): { start: Uint8Array; end: Uint8Array } {
  return { start: utf8.encode(`${kind}/`), end: utf8.encode(`${kind}0`) }
}

/** The name in a key of the `meta` database. */
export function nameOf(key: Uint8Array): string {
  const text = new TextDecoder().decode(key)
  return text.slice(text.indexOf('/') + 1)
}

/** Topics, writers and tasks have names of 1 to 200 characters: a longer one would not fit into a key. */
export function assertName(what: string, name: string): void {
  if (name.length === 0 || name.length > 200)
    throw new Error(`${what}: a name has 1 to 200 characters, '${name}' has not`)
}

/** `log`: topic number uint32, partition uint32, base offset uint64, all big-endian, so that keys ascend with offsets. */
export function logKey(topic: number, partition: number, offset: number): Uint8Array {
  const key = new Uint8Array(16)
  const view = new DataView(key.buffer)
  view.setUint32(0, topic)
  view.setUint32(4, partition)
  view.setUint32(8, Math.floor(offset / 0x1_0000_0000))
  view.setUint32(12, offset % 0x1_0000_0000)
  return key
}

export function offsetOfLogKey(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  return view.getUint32(8) * 0x1_0000_0000 + view.getUint32(12)
}

/** `state`: number of the task's incarnation uint32, kind in UTF-8, 0, then the entry's own key. */
export function statePrefix(incarnation: number, kind: string, end = 0): Uint8Array {
  const text = utf8.encode(kind)
  const prefix = new Uint8Array(5 + text.length)
  new DataView(prefix.buffer).setUint32(0, incarnation)
  prefix.set(text, 4)
  prefix[4 + text.length] = end
  return prefix
}

/** First key of an incarnation; that of the next one ends its range. */
export function incarnationKey(incarnation: number): Uint8Array {
  const key = new Uint8Array(4)
  new DataView(key.buffer).setUint32(0, incarnation)
  return key
}

/** The first key after all that begin with `prefix`, or null when there is none. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | null {
  for (let length = prefix.length; length > 0; length--) {
    if (prefix[length - 1] === 255) continue
    const after = prefix.slice(0, length)
    after[length - 1]++
    return after
  }
  return null
}

/** Writes keys of both forms into lmdb's own buffers. */
export const keyEncoder = {
  writeKey(key: StoreKey, target: Buffer, start: number): number {
    if (key instanceof Uint8Array) {
      target.set(key, start)
      return start + key.length
    }
    const [prefix, bytes, from, to] = key
    target.set(prefix, start)
    start += prefix.length
    for (let i = from; i < to; i++) target[start++] = bytes[i]
    return start
  },
  readKey(target: Buffer, start: number, end: number): Uint8Array {
    return new Uint8Array(target.subarray(start, end))
  },
}

/** A kind is a name of 1 to 200 characters without the character 0. */
export function assertKind(kind: string): void {
  if (kind.length === 0 || kind.length > 200 || kind.includes('\0')) throw new Error(`state: bad kind '${kind}'`)
}

export function assertEntryKey(length: number): void {
  if (length < 1 || length > 400) throw new Error(`state: a key has 1 to 400 bytes, this one ${length}`)
}
