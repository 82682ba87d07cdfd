/**
 * Redis loads an append-only file whose last transaction is cut off without it, and leaves its begin in the file: at the next
 * load that begin is executed after all, as part of the transaction that was written behind it. A state that got part of a
 * delta this way is no state: it is never read, nor written on.
 */
import { readFileSync, readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import type { Delta } from '../../streams/backend.ts'
import { RedisState } from '../../streams/distributed/state.ts'
import { missingOf, running } from '../services/index.ts'
import { redis } from '../services/redis.ts'

// What was answered is in the file, whenever it is killed.
const found = await redis({ own: true, settings: ['--appendfsync', 'always'] })
const missing = missingOf(found)
const bytes = (text: string): Uint8Array => Buffer.from(text)
let client: Redis
let turn = 0

afterAll(async () => {
  client?.disconnect()
  if (!('missing' in found)) await found.stop()
})

/** Killed, its file cut at the given place, and there again. */
async function crash(cut?: (file: Buffer) => number): Promise<void> {
  const { server, directory, endpoint } = running(found)
  client?.disconnect()
  await server!.kill()
  const files = join(directory!, 'appendonlydir')
  const path = join(
    files,
    readdirSync(files).find((name) => name.endsWith('.incr.aof'))!,
  )
  if (cut !== undefined) truncateSync(path, cut(readFileSync(path)))
  await server!.restart()
  client = new Redis(endpoint)
}

const delta = (from: number, to: number, entries: Record<string, string>): Delta => ({
  from,
  to,
  metadata: `at ${to}`,
  puts: Object.entries(entries).map(([name, value]) => {
    const [kind, key] = name.split('/')
    return { kind, key: bytes(key), value: bytes(value) }
  }),
  removes: [],
  dropKinds: [],
})

const prefix = (): string => `torn-${turn}`
const state = (): RedisState => new RedisState(client, prefix())
/** Where the last transaction of the file writes a field. */
const before = (field: string) => (file: Buffer) => file.lastIndexOf(field)

describe.skipIf(missing !== null)(`a delta that comes back in parts${missing === null ? '' : ` (${missing})`}`, () => {
  beforeEach(async () => {
    turn++
    client ??= new Redis(running(found).endpoint)
    await client.flushall()
    await crash()
    const owner = await state().acquire('task')
    await owner.apply(delta(0, 10, { 'accounts/a': 'at 10', 'accounts/b': 'at 10', 'seen/x': 'at 10' }))
    await owner.apply(delta(10, 20, { 'accounts/a': 'at 20', 'accounts/b': 'at 20', 'seen/y': 'at 20' }))
  })

  /** The second delta is cut, a shorter one takes its place, and Redis loads what is then in its file. */
  async function torn(cut: (file: Buffer) => number): Promise<void> {
    await crash(cut)
    const owner = await state().acquire('task')
    expect(owner.header?.position).toBe(10)
    expect(await owner.apply(delta(10, 15, { 'accounts/b': 'at 15' }))).toEqual({ result: 'applied' })
    await crash()
  }

  it('is what Redis does: an entry of the delta that was left out is there, beside one of the next', async () => {
    await torn(before('$1\r\ny'))
    const key = `{${prefix()}/task}:kind:accounts`
    expect(await client.hgetall(key)).toEqual({ a: 'at 20', b: 'at 15' })
  })

  it.each([
    ['in its entries', before('$1\r\ny')],
    ['before its position', before('position')],
    ['before the end of the transaction', before('EXEC')],
  ])('cut %s: the state is none, until it is dropped', async (_where, cut) => {
    await torn(cut)
    const peeked = await state().peek('task', 'accounts')
    expect(peeked.header).toBeNull()
    const owner = await state().acquire('task')
    expect(owner.header).toBeNull()
    expect((await owner.read([{ kind: 'accounts', key: bytes('a') }])).header).toBeNull()
    expect((await owner.apply(delta(15, 20, { 'accounts/a': 'at 20' }))).result).toBe('moved')
    await state().drop('task')
    const next = await state().acquire('task')
    expect(next.header).toBeNull()
    expect(await next.kinds()).toEqual([])
    expect(await next.apply(delta(0, 20, { 'accounts/a': 'again' }))).toEqual({ result: 'applied' })
    expect(await client.keys(`{${prefix()}/task}:kind:*`)).toEqual([`{${prefix()}/task}:kind:accounts`])
    expect((await state().acquire('task')).header?.position).toBe(20)
  })

  it('is refused to an owner that goes on after the restart', async () => {
    await crash(before('position'))
    const owner = await state().acquire('task')
    await owner.apply(delta(10, 15, { 'accounts/b': 'at 15' }))
    const { server } = running(found)
    await server!.kill()
    await server!.restart()
    expect((await owner.read([{ kind: 'accounts', key: bytes('b') }])).header).toBeNull()
    expect((await owner.apply(delta(15, 20, { 'accounts/a': 'at 20' }))).result).toBe('moved')
  })

  it('of a drop: what is left is dropped with the next one', async () => {
    await (await state().acquire('task')).apply(delta(20, 30, { 'held/h': 'at 30' }))
    await state().drop('task')
    // In the middle of its writes.
    await crash((file) => file.lastIndexOf('UNLINK') + 3)
    const owner = await state().acquire('task')
    expect(owner.header?.position).toBe(30)
    await owner.apply(delta(30, 40, { 'accounts/a': 'at 40' }))
    await crash()
    expect((await state().acquire('task')).header).toBeNull()
    await state().drop('task')
    expect(await client.keys(`{${prefix()}/task}:kind*`)).toEqual([])
  })

  it('of a drop that had only its last write to do: nothing is left, and the next delta is taken', async () => {
    await state().drop('task')
    await crash(before('whole'))
    const owner = await state().acquire('task')
    expect(owner.header?.position).toBe(20)
    await owner.apply(delta(20, 30, {}))
    await crash()
    const next = await state().acquire('task')
    expect([next.header, await next.kinds()]).toEqual([null, []])
    expect(await next.apply(delta(0, 30, { 'accounts/a': 'again' }))).toEqual({ result: 'applied' })
    expect((await state().acquire('task')).header?.position).toBe(30)
  })

  it('that was cut off before its first write changes nothing', async () => {
    await torn((file) => file.lastIndexOf('HINCRBY') + 2)
    expect((await state().acquire('task')).header?.position).toBe(15)
  })
})
