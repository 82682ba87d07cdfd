/** What the engine makes of schema ids that are not its own; who is asked is played by the test. A registry: test/registry. */
import { describe, expect, it, test } from 'vitest'
import { transactionValue, type Transaction } from '../../intake/wire.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { unreadable } from '../../streams/avro/resolvable.ts'
import type { Backend } from '../../streams/backend.ts'
import { openMemory, type MemoryBackend } from '../../streams/memory/index.ts'
import { noObserver } from '../../streams/observer.ts'
import { newFrame, setBaseOffset, walk } from '../../streams/records.ts'
import { Task } from '../../streams/task.ts'
import type { TestDriver } from '../../streams/testing.ts'
import type { Found, WriterLookup } from '../../streams/writer-schemas.ts'
import { payments } from '../../topologies/payments.ts'
import {
  append,
  close,
  compatible,
  incompatible,
  lineOver,
  ours,
  payment,
  text,
  writtenBy,
} from '../registry/writers.ts'

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
const readable = (schema: object): Found => ({ schema: text(schema), words: '', forEver: true })
const absent: Found = { schema: null, words: 'It is not registered.', forEver: false }
const asking = (answer: (id: number) => Found): WriterLookup & { asked: number[] } => {
  const asked: number[] = []
  return { asked, find: (id) => (asked.push(id), Promise.resolve(answer(id))) }
}
const nobody = asking(() => {
  throw new Error('nobody must be asked')
})

async function made(
  lookup: WriterLookup | null,
  partitions = 1,
): Promise<{ backend: MemoryBackend; line: TestDriver }> {
  const backend = openMemory()
  const line = lineOver(backend, partitions, lookup)
  await line.create()
  return { backend, line }
}

interface Value {
  readonly outcome: string
  readonly transaction: Transaction
  readonly reason: string
  readonly message: string
  readonly count: number
  readonly gross: bigint
}

async function read(line: TestDriver): Promise<{ outcomes: string[]; dead: string[]; settled: unknown[] }> {
  const of = async (topic: string): Promise<Value[]> =>
    (await line.read(topic))
      .filter(({ type }) => type !== records.mark.name)
      .map(({ value }) => value as unknown as Value)
  const outcomes = await of(topics.transactionOutcomes.name)
  const dead = await of(topics.deadLetters.name)
  return {
    outcomes: outcomes.map(({ outcome, transaction }) => `${transaction.transactionId} ${outcome}`),
    dead: dead.map(({ reason, message }) => `${reason}: ${message}`),
    settled: (await of(topics.settlements.name)).map(({ count, gross }) => [count, gross]),
  }
}

const judgements = (line: TestDriver): Promise<Record<string, unknown>[]> =>
  line.read(topics.writerSchemas.name).then((all) => all.map(({ value }) => value))

describe.each(Object.entries(compatible))('a producer %s', (_, schemaOf) => {
  it('has its payments settled like those of anybody', async () => {
    const schema = schemaOf()
    const lookup = asking(() => readable(schema))
    const { backend, line } = await made(lookup)
    const sent = numbers(0, 40).map((n) => ({
      transaction: payment(n),
      value: n % 2 === 0 ? writtenBy(schema, 1000, payment(n)) : transactionValue(payment(n)),
    }))
    await append(backend, 1, sent)
    await close(backend, 1, payment(0).occurredAt + 3_600_000)
    await line.run()

    const alike = await made(null)
    const same = sent.map(({ transaction }) => ({ transaction, value: transactionValue(transaction) }))
    await append(alike.backend, 1, same)
    await close(alike.backend, 1, payment(0).occurredAt + 3_600_000)
    await alike.line.run()

    const { outcomes, dead, settled } = await read(line)
    expect(dead).toEqual([])
    expect(outcomes).toEqual(numbers(0, 40).map((n) => `P${n} ACCEPTED`))
    expect(settled).toEqual([[40, BigInt(40 * 1_000 + 780)]])
    expect(line.digests()).toEqual(alike.line.digests())
    expect(lookup.asked).toEqual([1000])
    expect(await judgements(line)).toMatchObject([{ schemaId: 1000, from: 0, to: null, words: '' }])
  })
})

describe('what was judged', () => {
  /** An id that nobody has registered, then is: dead before, decoded after, with other ids in between. */
  async function history(): Promise<{ backend: MemoryBackend; line: TestDriver }> {
    const schema = compatible['with its fields in another order']()
    let registered = false
    const lookup = asking((id) => (id === 1000 && registered ? readable(schema) : absent))
    const { backend, line } = await made(lookup)
    const write = (from: number, to: number, id: number): Promise<void> =>
      append(
        backend,
        1,
        numbers(from, to).map((n) => ({ transaction: payment(n), value: writtenBy(schema, id, payment(n)) })),
      )
    await write(0, 5, 1000)
    await write(5, 8, 2000)
    await line.run()
    await write(8, 10, 1000)
    await line.run()
    registered = true
    await write(10, 20, 1000)
    await write(20, 22, 2000)
    await line.run()
    return { backend, line }
  }

  it('says what it was when it was asked, though the registry knows better now', async () => {
    const { line } = await history()
    const { outcomes, dead } = await read(line)
    expect(outcomes).toEqual(numbers(10, 20).map((n) => `P${n} ACCEPTED`))
    expect(dead).toEqual(Array.from({ length: 12 }, () => 'unknown-schema: It is not registered.'))
  })

  it('holds for a recovery without any state, which asks nobody', async () => {
    const { backend, line } = await history()
    const before = line.digests()
    await backend.state.drop('payments-0')
    const again = lineOver(backend, 1, nobody)
    await again.run()
    expect(again.tasks[0].reprocessed).toBe(22)
    expect(again.digests()).toEqual(before)
    expect(await judgements(again)).toHaveLength(5)
  })

  it('holds in a copy of the log with other offsets', async () => {
    const { backend, line } = await history()
    const copy = await made(null)
    // A record in front of all others: every offset of the copy is one higher.
    await close(copy.backend, 1, 0)
    for (const topic of [topics.transactions.name, topics.writerSchemas.name])
      await copied(backend, copy.backend, topic)
    await copy.line.run()
    expect(await read(copy.line)).toEqual(await read(line))
  })

  it('is not there when the commit is not: it is asked again', async () => {
    const lookup = asking(() => absent)
    const { backend, line } = await made(lookup)
    await append(backend, 1, [{ transaction: payment(1), value: writtenBy(ours(), 1000, payment(1)) }])
    const crashing = lineOver(backend, 1, lookup, {
      reached: (point) => {
        if (point === 'commit') throw new Error('crash')
      },
    })
    await expect(crashing.run()).rejects.toThrow('crash')
    await line.run()
    expect(lookup.asked).toEqual([1000, 1000])
    expect((await read(line)).dead).toHaveLength(1)
  })
})

async function copied(from: Backend, to: Backend, topic: string): Promise<void> {
  const writer = await to.log.writer('copy')
  const { end } = await from.log.bounds({ topic, partition: 0 })
  for (let offset = 0; offset < end;) {
    const { bytes, nextOffset } = await from.log.read({ topic, partition: 0 }, offset, 1 << 20, 0)
    const batches = Uint8Array.from(bytes)
    setBaseOffset(batches, 0)
    await writer.commit({ appends: [{ topic, partition: 0, batches }], position: -1, metadata: '' })
    offset = nextOffset
  }
  await writer.close()
}

test('while nobody can be asked that partition stands still and says why; what is in front of it and beside it goes on', async () => {
  const partitions = 2
  const schema = ours()
  let reachable = false
  const lookup: WriterLookup = {
    find: () => (reachable ? Promise.resolve(readable(schema)) : Promise.reject(new Error('connection refused'))),
  }
  const { backend, line } = await made(lookup, partitions)
  await append(
    backend,
    partitions,
    numbers(0, 34).map((n) => ({ transaction: payment(n), value: transactionValue(payment(n)) })),
  )
  const home = payment(34)
  await append(backend, partitions, [{ transaction: home, value: writtenBy(schema, 1000, home) }])
  await append(
    backend,
    partitions,
    numbers(35, 70).map((n) => ({ transaction: payment(n), value: transactionValue(payment(n)) })),
  )
  const said: (string | null)[] = []
  const tasks = numbers(0, partitions).map(
    (partition) =>
      new Task({
        topology: payments({ ...defaultSettings, partitions }),
        name: `payments-${partition}`,
        at: { topic: topics.transactions.name, partition },
        partitions,
        backend,
        hashKey: new Int32Array([1, 2, 3, 4]),
        markOf: () => records.mark,
        writers: { topic: topics.writerSchemas.name, record: records.writerSchema, lookup },
        observer: { ...noObserver, stalled: (_, why) => void said.push(why) },
      }),
  )
  for (const task of tasks) await task.recover()
  const runs = tasks.map((task) => task.run())
  const ends = await Promise.all(
    numbers(0, partitions).map((partition) => backend.log.bounds({ topic: topics.transactions.name, partition })),
  )
  await expect.poll(() => tasks.filter((task, i) => task.committed === ends[i].end).length).toBe(1)
  const stalled = tasks.find((task, i) => task.committed < ends[i].end)!
  await expect.poll(() => stalled.stalled).toMatch(/schema id 1000 cannot be looked up: connection refused/)
  const { offsets } = await placeOf(backend, stalled.options.at.partition, 1000)
  expect(stalled.committed).toBe(offsets[0])
  reachable = true
  await expect.poll(() => tasks.filter((task, i) => task.committed === ends[i].end).length, { timeout: 10_000 }).toBe(2)
  expect(stalled.stalled).toBeNull()
  for (const task of tasks) task.stop()
  await Promise.all(runs)
  expect(said.at(0)).toMatch(/connection refused/)
  expect(said.at(-1)).toBeNull()
  const { outcomes, dead } = await read(line)
  expect(dead).toEqual([])
  expect(outcomes.toSorted()).toEqual(
    numbers(0, 70)
      .map((n) => `P${n} ACCEPTED`)
      .toSorted(),
  )
})

test('told to stop it does not wait for who does not answer', async () => {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const lookup: WriterLookup = {
    find: () => {
      resolve()
      return new Promise(() => {})
    },
  }
  const { backend } = await made(lookup)
  await append(backend, 1, [{ transaction: payment(1), value: writtenBy(ours(), 1000, payment(1)) }])
  const task = new Task({
    topology: payments({ ...defaultSettings, partitions: 1 }),
    name: 'payments-0',
    at: { topic: topics.transactions.name, partition: 0 },
    partitions: 1,
    backend,
    hashKey: new Int32Array([1, 2, 3, 4]),
    markOf: () => records.mark,
    writers: { topic: topics.writerSchemas.name, record: records.writerSchema, lookup },
  })
  await task.recover()
  const run = task.run()
  await asked
  task.stop()
  await run
  expect(task.committed).toBe(0)
})

/** Offsets of the records under an id in a partition of the input topic. */
async function placeOf(backend: Backend, partition: number, id: number): Promise<{ offsets: number[] }> {
  const at = { topic: topics.transactions.name, partition }
  const { end } = await backend.log.bounds(at)
  const offsets: number[] = []
  const frame = newFrame(256)
  for (let offset = 0; offset < end;) {
    const { bytes, nextOffset } = await backend.log.read(at, offset, 1 << 20, 0)
    walk(bytes, offset, frame)
    for (let row = 0; row < frame.rows; row++)
      if (frame.view.getInt32(frame.valueOffsets[row] + 1) === id) offsets.push(frame.offsets[row])
    offset = nextOffset
  }
  return { offsets }
}

describe('a schema of somebody else', () => {
  const reader = records.transaction.schema

  test.each(Object.entries(compatible))('%s is readable', (_, schemaOf) => {
    expect(unreadable(text(schemaOf()), reader)).toBeNull()
  })

  test.each(incompatible)('with %s is not, and the words name %s', (_, name, schemaOf) => {
    expect(unreadable(text(schemaOf()), reader)).toContain(name)
  })

  test('that holds itself, or has items without width, is not; maps, fixed and unions beside ours are passed over', () => {
    const withField = (type: unknown): string => {
      const schema = ours()
      schema.fields.push({ name: 'extra', type, default: null })
      return text(schema)
    }
    expect(unreadable(withField(['null', 'Transaction']), reader)).toMatch(/extra.*recursion is refused/)
    expect(unreadable(withField({ type: 'array', items: 'null' }), reader)).toMatch(/extra.*at least one byte/)
    expect(unreadable(withField({ type: 'array', items: { type: 'fixed', name: 'F', size: 0 } }), reader)).toMatch(
      /extra.*at least one byte/,
    )
    expect(unreadable(withField({ type: 'fixed', name: 'F', size: 1e9 }), reader)).toMatch(/size from 0 to 65536/)
    expect(unreadable(withField(['string', ['long']]), reader)).toMatch(/must not hold another/)
    expect(unreadable(withField({ type: 'map', values: ['null', 'Transaction'] }), reader)).toMatch(/recursion/)
    for (const type of [
      { type: 'map', values: 'long' },
      { type: 'fixed', name: 'F', size: 16 },
      ['null', 'long', 'string'],
      { type: 'map', values: [{ type: 'map', values: 'null' }, 'double', { type: 'fixed', name: 'F', size: 3 }] },
    ]) {
      expect(unreadable(withField(type), reader)).toBeNull()
    }
  })

  test('that is a bomb is told by its size before it is compiled', () => {
    // Forty names, each two of the one before: 2^40 fields when written out.
    let type: unknown = 'long'
    for (let i = 0; i < 40; i++) {
      const inner = i === 0 ? 'long' : `N${i - 1}`
      type = {
        type: 'record',
        name: `N${i}`,
        fields: [
          { name: 'a', type },
          { name: 'b', type: inner },
        ],
      }
    }
    const schema = ours()
    schema.fields.push({ name: 'extra', type })
    expect(unreadable(text(schema), reader)).toMatch(/types when written out/)
    expect(unreadable(`"${'x'.repeat(70_000)}"`, reader)).toMatch(/70002 characters/)
    expect(unreadable('['.repeat(60_000), reader)).not.toBeNull()
  })

  test('that describes something else, or is no schema at all, is not', () => {
    expect(unreadable(text({ ...ours(), name: 'Refund' }), reader)).toBe("it describes 'Refund', not 'Transaction'")
    expect(unreadable(text({ ...ours(), namespace: 'com.bank' }), reader)).toBeNull()
    expect(unreadable('nonsense', reader)).not.toBeNull()
  })
})

test('more schemas than one partition keeps are refused, in words, and stay refused', async () => {
  const versions = new Map(
    numbers(0, 103).map((n) => {
      const schema = ours()
      schema.fields.push({ name: `extra${n}`, type: ['null', 'string'], default: null })
      return [1000 + n, schema]
    }),
  )
  const { backend, line } = await made(asking((id) => readable(versions.get(id)!)))
  const sent = [...versions].map(([id, schema], n) => ({
    transaction: payment(n),
    value: writtenBy(schema, id, payment(n)),
  }))
  await append(backend, 1, sent)
  await line.run()
  const { outcomes, dead } = await read(line)
  expect(outcomes).toHaveLength(100)
  expect(dead).toHaveLength(3)
  expect(dead[0]).toMatch(/id 1100 is not read: more than 100 other schemas/)
  await backend.state.drop('payments-0')
  const again = lineOver(backend, 1, nobody)
  await again.run()
  expect(again.digests()).toEqual(line.digests())
})
