/**
 * What the in-memory backend adds for tests: crashes and lost messages between all steps, a state that falls back, and
 * wrong variants, each of which must be seen to be wrong.
 */
import { describe, expect, it } from 'vitest'
import type { Delta, Writer } from '../../streams/backend.ts'
import {
  openMemory,
  type Fault,
  type Faulty,
  type MemoryBackend,
  type Step,
  type Watch,
} from '../../streams/memory/index.ts'
import { batchOf, recordsOf } from './batches.ts'

const at = { topic: 't', partition: 0 }

async function opened(options: Parameters<typeof openMemory>[0] = {}): Promise<MemoryBackend> {
  const memory = openMemory(options)
  await memory.log.createTopics([{ name: 't', partitions: 1 }])
  return memory
}

/** A fault at the nth time of a step. */
function failing(step: Step, fault: Fault, times = 1): Parameters<typeof openMemory>[0] {
  let seen = 0
  return { watch: (moment) => (moment.step === step && ++seen === times ? fault : undefined) }
}

const put = (writer: Writer, position: number): Promise<void> => {
  return writer.commit({ appends: [{ ...at, batches: batchOf(String(position)) }], position, metadata: '' })
}

function delta(from: number, to: number, drop = false): Delta {
  const value = Buffer.from(String(to))
  const puts = [
    { kind: 'k', key: Buffer.from('last'), value },
    { kind: 'k', key: Buffer.from(`at ${to}`), value },
  ]
  return { from, to, metadata: `at ${to}`, puts, removes: [], dropKinds: drop ? ['k'] : [] }
}

async function log(memory: MemoryBackend): Promise<string[]> {
  const { bytes } = await memory.log.read(at, 0, 1 << 20, 0)
  return recordsOf(bytes).map((record) => record.value)
}

async function picture(
  memory: MemoryBackend,
  task = 'task',
): Promise<{ position: number | undefined; keys: string[] }> {
  const { header, entries } = await memory.state.peek(task, 'k')
  return {
    position: header?.position,
    keys: entries.map(({ key, value }) => `${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`),
  }
}

describe('a crash', () => {
  it.each([
    { step: 'before-append', log: ['1'], known: 1 },
    { step: 'after-append', log: ['1', '2'], known: 2 },
  ] as const)('at $step leaves the log with $log', async ({ step, log: expected, known }) => {
    const memory = await opened(failing(step, 'crash', 2))
    const writer = await memory.log.writer('w')
    await put(writer, 1)
    await expect(put(writer, 2)).rejects.toMatchObject({ code: 'SLUICE_CLOSED' })
    await expect(put(writer, 3)).rejects.toMatchObject({ code: 'SLUICE_WRITER_BROKEN' })
    expect(await log(memory)).toEqual(expected)
    expect((await memory.log.writer('w')).committed?.position).toBe(known)
  })

  it.each([
    { step: 'before-delta', position: 1 },
    { step: 'after-delta', position: 2 },
  ] as const)('at $step leaves the state at $position', async ({ step, position }) => {
    const memory = await opened(failing(step, 'crash', 2))
    const task = await memory.state.acquire('task')
    await task.apply(delta(0, 1))
    await expect(task.apply(delta(1, 2))).rejects.toMatchObject({ code: 'SLUICE_CLOSED' })
    expect((await picture(memory)).position).toBe(position)
    expect((await memory.state.acquire('task')).header?.position).toBe(position)
  })

  it('ends every writer, owner and waiting reader, and nothing else', async () => {
    const memory = await opened()
    const [writer, task] = [await memory.log.writer('w'), await memory.state.acquire('task')]
    await put(writer, 1)
    await task.apply(delta(0, 1))
    const waiting = memory.log.read(at, 1, 1, 60_000)
    memory.crash()
    const dead = [waiting, put(writer, 2), task.apply(delta(1, 2)), task.read([]), task.list('k')]
    for (const outcome of await Promise.allSettled(dead)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'SLUICE_CLOSED' } })
    }
    expect(await log(memory)).toEqual(['1'])
    await put(await memory.log.writer('w'), 2)
    expect((await memory.state.acquire('task')).header).toMatchObject({ position: 1 })
  })

  it('can take the tail of a state, or all of it', async () => {
    const memory = await opened()
    for (const name of ['task', 'other', 'third']) {
      const task = await memory.state.acquire(name)
      await task.apply(delta(0, 1))
      await task.apply(delta(1, 2))
      await task.apply(delta(2, 3, true))
    }
    memory.crash((name, changes) => {
      expect(changes).toBe(4)
      return { task: 1, other: 'whole', third: 3 }[name] as number | 'whole'
    })
    expect(await picture(memory)).toEqual({ position: 2, keys: ['at 1=1', 'at 2=2', 'last=2'] })
    expect(await picture(memory, 'other')).toEqual({ position: undefined, keys: [] })
    expect(await picture(memory, 'third')).toEqual({ position: undefined, keys: [] })
  })
})

describe('a lost message', () => {
  it.each([
    { step: 'before-append', log: ['2'] },
    { step: 'after-append', log: ['1', '2'] },
  ] as const)('at $step is indefinite: the log decides', async ({ step, log: expected }) => {
    const memory = await opened(failing(step, 'lost'))
    const writer = await memory.log.writer('w')
    const sent = await Promise.allSettled([put(writer, 1), put(writer, 2)])
    expect(sent.map((outcome) => outcome.status === 'rejected' && (outcome.reason as { code: string }).code)).toEqual([
      'SLUICE_STORE_UNREACHABLE',
      'SLUICE_WRITER_BROKEN',
    ])
    await put(await memory.log.writer('w'), 2)
    expect(await log(memory)).toEqual(expected)
  })

  it('with a delta is answered by sending it again', async () => {
    const memory = await opened(failing('after-delta', 'lost'))
    const task = await memory.state.acquire('task')
    await expect(task.apply(delta(0, 1))).rejects.toMatchObject({ code: 'SLUICE_STORE_UNREACHABLE' })
    expect(await task.apply(delta(0, 1))).toEqual({ result: 'repeated' })
  })
})

describe('under a running owner', () => {
  it('a state that falls back, is lost, or is taken over refuses the next delta', async () => {
    const memory = await opened()
    const task = await memory.state.acquire('task')
    await task.apply(delta(0, 1))
    await task.apply(delta(1, 2))
    memory.fallBack('task', 1)
    expect(await task.read([])).toMatchObject({ header: { position: 1 } })
    expect(await task.apply(delta(2, 3))).toMatchObject({ result: 'moved', header: { position: 1 } })
    expect(await task.apply(delta(1, 2))).toEqual({ result: 'applied' })
    memory.loseState('task')
    expect(await task.read([])).toEqual({ header: null, values: [] })
    expect(await task.apply(delta(2, 3))).toEqual({ result: 'moved', header: null })
    const again = await memory.state.acquire('task')
    memory.stealState('task')
    expect(await again.apply(delta(0, 1))).toMatchObject({ result: 'fenced' })
  })

  it('a fall-back behind the take-over does not make the earlier owner the owner again', async () => {
    const memory = await opened()
    const old = await memory.state.acquire('task')
    await old.apply(delta(0, 1))
    const next = await memory.state.acquire('task')
    memory.fallBack('task', 1)
    expect(await next.apply(delta(1, 2))).toMatchObject({ result: 'moved' })
    const third = await memory.state.acquire('task')
    expect((await old.apply(delta(1, 2))).result).toBe('fenced')
    expect((await next.apply(delta(1, 2))).result).toBe('fenced')
    expect(await third.apply(delta(1, 2))).toEqual({ result: 'applied' })
  })

  it('a writer that another process fenced stops', async () => {
    const memory = await opened()
    const writer = await memory.log.writer('w')
    memory.fence('w')
    await expect(put(writer, 1)).rejects.toMatchObject({ code: 'SLUICE_FENCED' })
  })
})

/** Each row: what a right backend shows, and what its wrong sibling shows in the same run. */
describe('a deliberately wrong backend is wrong', () => {
  const rows: { faulty: Faulty; run: (memory: MemoryBackend) => Promise<unknown>; right: unknown; wrong: unknown }[] = [
    {
      faulty: { noFence: true },
      async run(memory) {
        const old = await memory.log.writer('w')
        await memory.log.writer('w')
        await put(old, 1).catch(() => undefined)
        return log(memory)
      },
      right: [],
      wrong: ['1'],
    },
    {
      faulty: { atLeastOnce: true },
      async run(memory) {
        await put(await memory.log.writer('crashes after its append'), 1).catch(() => undefined)
        return [await log(memory), (await memory.log.writer('crashes after its append')).committed?.position]
      },
      right: [['1'], 1],
      wrong: [['1'], undefined],
    },
    {
      faulty: { positionBeforeFence: true },
      async run(memory) {
        await put(await memory.log.writer('w'), 1)
        return (await memory.log.writer('w')).committed?.position
      },
      right: 1,
      wrong: undefined,
    },
    {
      faulty: { ackBeforeDurable: true },
      async run(memory) {
        await put(await memory.log.writer('w'), 1)
        memory.crash()
        return log(memory)
      },
      right: ['1'],
      wrong: [],
    },
    {
      faulty: { noCas: true },
      async run(memory) {
        const task = await memory.state.acquire('task')
        await task.apply(delta(5, 6))
        return (await picture(memory)).position
      },
      right: undefined,
      wrong: 6,
    },
    {
      faulty: { noEpoch: true },
      async run(memory) {
        const old = await memory.state.acquire('task')
        await memory.state.acquire('task')
        return (await old.apply(delta(0, 1))).result
      },
      right: 'fenced',
      wrong: 'applied',
    },
    {
      faulty: { staleHeader: true },
      async run(memory) {
        const task = await memory.state.acquire('task')
        await task.apply(delta(0, 1))
        memory.fallBack('task', 1)
        return (await task.read([])).header?.position
      },
      right: undefined,
      wrong: 1,
    },
  ]
  it.each(rows)('$faulty', async ({ faulty, run, right, wrong }) => {
    const watch: Watch = ({ step, who }) => (who.startsWith('crashes') && step === 'after-append' ? 'crash' : undefined)
    expect(await run(await opened({ watch }))).toEqual(right)
    expect(await run(await opened({ watch, faulty }))).toEqual(wrong)
  })
})
