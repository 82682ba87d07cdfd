/** What every state store promises: B5 and B6, keys, kinds, listing, dropping. */
import { expect, it } from 'vitest'
import type { Delta, Put, State, TaskState } from '../../streams/backend.ts'
import { DeltaBuilder } from '../../streams/store.ts'
import type { Tools } from './suite.ts'

const bytes = (...values: (string | number)[]): Uint8Array => {
  return new Uint8Array(
    Buffer.concat(values.map((value) => (typeof value === 'number' ? Buffer.from([value]) : Buffer.from(value)))),
  )
}
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString()
const entry = (kind: string, key: string): { kind: string; key: Uint8Array } => ({ kind, key: bytes(key) })
const put = (kind: string, key: string, value: string): Put => ({
  ...entry(kind, key),
  value: bytes(value),
})

function delta(from: number, to: number, changes: Partial<Delta> = {}): Delta {
  return { from, to, metadata: `at ${to}`, puts: [], removes: [], dropKinds: [], ...changes }
}

async function valuesOf(task: TaskState, kind: string, ...keys: string[]): Promise<(string | undefined)[]> {
  return (await task.read(keys.map((key) => entry(kind, key)))).values.map(text)
}

export function stateRules({ subject, fresh, needs }: Tools): void {
  const state = (): State => subject().backend.state

  it('begins with nothing, at position 0', async () => {
    const name = fresh('task')
    const task = await state().acquire(name)
    expect(task.header).toBeNull()
    expect(await task.read([entry('a', 'x')])).toEqual({ header: null, values: [undefined] })
    expect(await task.list('a')).toEqual({ header: null, entries: [] })
    expect(await task.kinds()).toEqual([])
    expect(await state().peek(name, 'a')).toEqual({ header: null, entries: [] })
    expect(await task.apply(delta(0, 5))).toEqual({ result: 'applied' })
    expect((await task.read([])).header).toMatchObject({ position: 5, metadata: 'at 5' })
  })

  it('B6: gives values in the order of the keys, with the header', async () => {
    const task = await state().acquire(fresh('task'))
    await task.apply(delta(0, 3, { puts: [put('a', 'x', '1'), put('a', 'y', '2'), put('b', 'x', '3')] }))
    const { header, values } = await task.read([
      entry('b', 'x'),
      entry('a', 'none'),
      entry('a', 'x'),
      entry('a', 'y'),
      entry('a', 'x'),
    ])
    expect(values.map(text)).toEqual(['3', undefined, '1', '2', '1'])
    expect(header).toMatchObject({ position: 3, metadata: 'at 3' })
  })

  it('takes puts in the form that a task gives them, whatever their sizes', async () => {
    const task = await state().acquire(fresh('task'))
    const builder = new DeltaBuilder(9)
    const sizes = [0, 1, 63, 64, 5_000, 70_000, 3]
    sizes.forEach((size, i) => builder.put(i % 3 === 0 ? 'a' : 'b', bytes(`key ${i}`), bytes('x'.repeat(size) + i)))
    builder.put('a', bytes('key 0'), bytes('again'))
    builder.put('b', bytes('empty'), bytes())
    await task.apply(delta(0, 9, { puts: builder.puts }))
    expect((await task.list('a')).entries.map(({ value }) => text(value))).toEqual([
      'again',
      'x'.repeat(64) + 3,
      'xxx6',
    ])
    const written = await valuesOf(task, 'b', 'key 1', 'key 2', 'key 4', 'key 5', 'empty')
    expect(written).toEqual(['x1', 'x'.repeat(63) + 2, 'x'.repeat(5_000) + 4, 'x'.repeat(70_000) + 5, ''])
  })

  it('B5: applies only at the position the state has; says what it has otherwise, and changes nothing', async () => {
    const task = await state().acquire(fresh('task'))
    expect(await task.apply(delta(4, 5))).toEqual({ result: 'moved', header: null })
    await task.apply(delta(0, 10, { puts: [put('a', 'x', 'ten')] }))
    for (const wrong of [delta(0, 11), delta(9, 11), delta(11, 12)]) {
      const applied = await task.apply({ ...wrong, puts: [put('a', 'x', 'wrong')], dropKinds: ['a'] })
      expect(applied).toMatchObject({ result: 'moved', header: { position: 10, metadata: 'at 10' } })
    }
    expect(await valuesOf(task, 'a', 'x')).toEqual(['ten'])
  })

  it('B5: a delta that is sent again is not applied again, and says so', async () => {
    const task = await state().acquire(fresh('task'))
    await task.apply(delta(0, 1, { puts: [put('a', 'x', '1')] }))
    const second = delta(1, 2, { puts: [put('a', 'x', '2')] })
    expect(await task.apply(second)).toEqual({ result: 'applied' })
    expect(await task.apply(second)).toEqual({ result: 'repeated' })
    expect(await Promise.all([task.apply(delta(2, 3)), task.apply(delta(2, 3))])).toEqual([
      { result: 'applied' },
      { result: 'repeated' },
    ])
    expect(await task.apply(second)).toMatchObject({ result: 'moved' })
    expect(await valuesOf(task, 'a', 'x')).toEqual(['2'])
  })

  it('B5: an earlier owner is fenced, even when its delta fits', async () => {
    const name = fresh('task')
    const old = await state().acquire(name)
    await old.apply(delta(0, 1, { puts: [put('a', 'x', '1')] }))
    const next = await state().acquire(name)
    expect(next.header).toMatchObject({ position: 1, metadata: 'at 1' })
    const fenced = await old.apply(delta(1, 2, { puts: [put('a', 'x', 'zombie')] }))
    expect(fenced).toMatchObject({ result: 'fenced', header: { position: 1, epoch: next.header!.epoch } })
    expect(await old.apply(delta(0, 1))).toMatchObject({ result: 'fenced' })
    expect(await next.apply(delta(1, 2))).toEqual({ result: 'applied' })
    expect(await valuesOf(next, 'a', 'x')).toEqual(['1'])
    // A probe by the earlier owner shows whose it is: that is how a zombie finds out.
    expect((await old.read([])).header!.epoch).toBe(next.header!.epoch)
    const third = await state().acquire(name)
    expect(third.header!.epoch).toBeGreaterThan(next.header!.epoch)
    expect(third.header!.incarnation).toBe(next.header!.incarnation)
  })

  it('B5: before there is any state, an earlier owner is fenced too', async () => {
    const name = fresh('task')
    const old = await state().acquire(name)
    const next = await state().acquire(name)
    expect(await old.apply(delta(0, 1))).toEqual({ result: 'fenced', header: null })
    expect(await next.apply(delta(0, 1))).toEqual({ result: 'applied' })
  })

  it('lists a kind by ascending key bytes, whole or by prefix', async () => {
    const task = await state().acquire(fresh('task'))
    const keys = [
      bytes(255, 255),
      bytes(0),
      bytes('b'),
      bytes('a', 0),
      bytes('a'),
      bytes('ab'),
      bytes(128),
      bytes('a', 255),
      bytes(255),
      bytes(0, 0),
    ]
    await task.apply(delta(0, 1, { puts: keys.map((key) => ({ kind: 'k', key, value: key })) }))
    const ascending = keys.toSorted((a, b) => Buffer.compare(a, b))
    const listed = await task.list('k')
    expect(listed.entries.map(({ key }) => [...key])).toEqual(ascending.map((key) => [...key]))
    expect(listed.entries.map(({ value }) => [...value])).toEqual(ascending.map((key) => [...key]))
    expect(listed.header).toMatchObject({ position: 1 })
    for (const prefix of [bytes('a'), bytes(255), bytes(255, 255), bytes(0), bytes('zz')]) {
      const expected = ascending.filter((key) => Buffer.compare(key.subarray(0, prefix.length), prefix) === 0)
      expect((await task.list('k', prefix)).entries.map(({ key }) => [...key])).toEqual(expected.map((key) => [...key]))
    }
  })

  it('keeps kinds and tasks with similar names apart', async () => {
    const name = fresh('task')
    const [one, two] = [await state().acquire(name), await state().acquire(`${name}1`)]
    const kinds = ['a', 'a:', 'ab', 'a:b', 'konto-\u00fc', 'b']
    await one.apply(delta(0, 1, { puts: kinds.map((kind) => put(kind, 'key', `one ${kind}`)) }))
    await two.apply(delta(0, 1, { puts: [put('a', 'key', 'two a')] }))
    for (const kind of kinds)
      expect((await one.list(kind)).entries.map(({ value }) => text(value))).toEqual([`one ${kind}`])
    expect((await one.kinds()).toSorted()).toEqual(kinds.toSorted())
    expect(await two.kinds()).toEqual(['a'])
    await one.apply(delta(1, 2, { dropKinds: ['a'] }))
    expect((await one.kinds()).toSorted()).toEqual(kinds.toSorted().filter((kind) => kind !== 'a'))
    expect(await valuesOf(two, 'a', 'key')).toEqual(['two a'])
  })

  it('drops kinds, then removes, then puts: what a delta puts is there after it', async () => {
    const task = await state().acquire(fresh('task'))
    const many = Array.from({ length: 500 }, (_, index) => put('bucket', `${index}`, 'old'))
    await task.apply(delta(0, 1, { puts: [...many, put('other', 'x', 'old'), put('other', 'y', 'old')] }))
    await task.apply(
      delta(1, 2, {
        dropKinds: ['bucket', 'no-such-kind'],
        removes: [entry('other', 'x'), entry('other', 'y'), entry('other', 'none'), entry('bucket', '1')],
        puts: [put('bucket', '1', 'new'), put('other', 'y', 'new')],
      }),
    )
    expect((await task.list('bucket')).entries.map(({ key, value }) => [text(key), text(value)])).toEqual([
      ['1', 'new'],
    ])
    expect((await task.list('other')).entries.map(({ key, value }) => [text(key), text(value)])).toEqual([['y', 'new']])
    // Two deltas at once: the second drops what the first has put.
    const both = [
      task.apply(delta(2, 3, { puts: [put('bucket', '2', 'newer')] })),
      task.apply(delta(3, 4, { dropKinds: ['bucket'] })),
    ]
    expect(await Promise.all(both)).toEqual([{ result: 'applied' }, { result: 'applied' }])
    expect(await task.kinds()).toEqual(['other'])
  })

  it('takes empty, large and binary values, long keys, many kinds and many entries', async () => {
    const task = await state().acquire(fresh('task'))
    const large = new Uint8Array(2_000_000).map((_, index) => index % 251)
    const longKey = new Uint8Array(400).fill(7)
    await task.apply(
      delta(0, 1, {
        puts: [
          { kind: 'k', key: bytes('empty'), value: bytes() },
          { kind: 'k', key: bytes('large'), value: large },
          { kind: 'k', key: longKey, value: bytes(0, 1, 0) },
        ],
      }),
    )
    const { values } = await task.read([entry('k', 'empty'), entry('k', 'large'), { kind: 'k', key: longKey }])
    expect(values.map((value) => value?.length)).toEqual([0, 2_000_000, 3])
    expect(Buffer.compare(values[1]!, large)).toBe(0)
    expect([...values[2]!]).toEqual([0, 1, 0])
    const kinds = Array.from({ length: 1000 }, (_, index) => `kind-${index}`)
    await task.apply(delta(1, 2, { puts: kinds.flatMap((kind) => [put(kind, 'a', kind), put(kind, 'b', kind)]) }))
    expect((await task.kinds()).length).toBe(1001)
    expect(await valuesOf(task, 'kind-777', 'a', 'b')).toEqual(['kind-777', 'kind-777'])
    await task.apply(delta(2, 3, { dropKinds: kinds }))
    expect(await task.kinds()).toEqual(['k'])
  })

  it('refuses keys and kinds that a store could not hold', async () => {
    const task = await state().acquire(fresh('task'))
    for (const [kind, key] of [
      ['k', new Uint8Array(0)],
      ['k', new Uint8Array(401)],
      ['', bytes('a')],
      ['a\0b', bytes('a')],
    ] as const) {
      await expect(task.apply(delta(0, 1, { puts: [{ kind, key, value: bytes('v') }] }))).rejects.toThrow(/state/)
    }
    await expect(task.apply(delta(5, 4))).rejects.toThrow(/state/)
    expect((await task.read([])).header).toBeNull()
  })

  it('keeps values as they were given and as they were handed out', async () => {
    const task = await state().acquire(fresh('task'))
    const value = bytes('kept')
    await task.apply(delta(0, 1, { puts: [{ ...entry('k', 'x'), value }] }))
    value.fill(0)
    const first = (await task.read([entry('k', 'x')])).values[0]!
    const listed = (await task.list('k')).entries[0].value
    await task.apply(delta(1, 2, { puts: [put('k', 'x', 'next')] }))
    expect([text(first), text(listed)]).toEqual(['kept', 'kept'])
    first.fill(0)
    expect(await valuesOf(task, 'k', 'x')).toEqual(['next'])
  })

  it('B6: a read is one picture while deltas are being applied', async () => {
    const task = await state().acquire(fresh('task'))
    const keys = Array.from({ length: 50 }, (_, index) => `${index}`)
    const version = (to: number): Delta => delta(to - 1, to, { puts: keys.map((key) => put('k', key, `at ${to}`)) })
    await task.apply(version(1))
    let done = false
    const reading = (async () => {
      while (!done) {
        const { header, values } = await task.read(keys.map((key) => entry('k', key)))
        expect(new Set(values.map(text))).toEqual(new Set([header!.metadata]))
        const listed = await task.list('k')
        expect(new Set(listed.entries.map(({ value }) => text(value)))).toEqual(new Set([listed.header!.metadata]))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    for (let to = 2; to < 60; to++) expect((await task.apply(version(to))).result).toBe('applied')
    done = true
    await reading
  })

  it('gives a kind in pieces, every entry of it', async () => {
    const task = await state().acquire(fresh('task'))
    const puts = Array.from({ length: 3_500 }, (_, index) => put('k', `key ${index}`, String(index)))
    await task.apply(delta(0, 1, { puts: [...puts, put('other', 'x', 'y')] }))
    const found = new Map<string, string>()
    for await (const piece of task.scan('k')) {
      for (const { key, value } of piece) found.set(text(key) as string, text(value) as string)
    }
    expect(found).toEqual(new Map(puts.map(({ key, value }) => [text(key) as string, text(value) as string])))
    for await (const piece of task.scan('none')) expect(piece).toEqual([])
  })

  it('shows a task to others without taking it over', async () => {
    const name = fresh('task')
    const task = await state().acquire(name)
    await task.apply(delta(0, 1, { puts: [put('k', 'x', '1')] }))
    const peeked = await state().peek(name, 'k')
    expect(peeked.header).toMatchObject({ position: 1, metadata: 'at 1' })
    expect(peeked.entries.map(({ value }) => text(value))).toEqual(['1'])
    expect(await state().peek('no-such-task', 'k')).toEqual({ header: null, entries: [] })
    const keys = ['none', 'x'].map((key) => new TextEncoder().encode(key))
    const { header, entries } = await state().peek(name, 'k', keys)
    expect(header).toMatchObject({ position: 1 })
    expect(entries.map(({ key, value }) => [text(key), text(value)])).toEqual([['x', '1']])
    expect(await state().peek('no-such-task', 'k', keys)).toEqual({ header: null, entries: [] })
    expect(await task.apply(delta(1, 2))).toEqual({ result: 'applied' })
  })

  it('forgets a task whole, and nobody else', async () => {
    const [name, other] = [fresh('task'), fresh('task')]
    const [task, neighbour] = [await state().acquire(name), await state().acquire(other)]
    for (const each of [task, neighbour]) await each.apply(delta(0, 1, { puts: [put('k', 'x', '1')] }))
    const { incarnation } = (await task.read([])).header!
    await state().drop(name)
    expect(await state().peek(name, 'k')).toEqual({ header: null, entries: [] })
    expect(await task.apply(delta(1, 2))).toEqual({ result: 'moved', header: null })
    const again = await state().acquire(name)
    expect(again.header).toBeNull()
    expect(await again.list('k')).toEqual({ header: null, entries: [] })
    expect(await again.apply(delta(0, 7, { puts: [put('k', 'y', '2')] }))).toEqual({ result: 'applied' })
    expect((await again.read([])).header!.incarnation).not.toBe(incarnation)
    expect((await again.list('k')).entries.map(({ key }) => text(key))).toEqual(['y'])
    expect((await task.apply(delta(7, 8))).result).not.toBe('applied')
    expect(await valuesOf(neighbour, 'k', 'x')).toEqual(['1'])
    await state().drop('no-such-task')
  })

  needs('reopen', 'keeps state and epochs when it is opened again', async () => {
    const [name, dropped] = [fresh('übertrag'), fresh('task')]
    const task = await state().acquire(name)
    await task.apply(delta(0, 1, { puts: [put('k', 'x', '1')] }))
    const gone = await state().acquire(dropped)
    await gone.apply(delta(0, 1, { puts: [put('k', 'x', '1')] }))
    await state().drop(dropped)
    const before = (await task.read([])).header!
    subject().backend = await subject().reopen!()
    const again = await state().acquire(name)
    expect(again.header).toEqual({ ...before, epoch: before.epoch + 1 })
    expect(await valuesOf(again, 'k', 'x')).toEqual(['1'])
    expect(await state().peek(dropped, 'k')).toEqual({ header: null, entries: [] })
  })
}
