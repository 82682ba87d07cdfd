/** What keeps tasks running: recovery after errors, a fence, a halt, hand-over to another worker. */
import { afterEach, describe, expect, it } from 'vitest'
import type { State } from '../../streams/backend.ts'
import { openMemory, type MemoryBackend, type MemoryOptions } from '../../streams/memory/index.ts'
import { Task } from '../../streams/task.ts'
import type { TestDriver } from '../../streams/testing.ts'
import { Worker, type TaskStatus, type WorkerOptions } from '../../streams/worker.ts'
import { input, lineOn, lineTasks, send } from './distributed-child/line.ts'

const workers: Worker[] = []
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
})

/** The line over a memory backend of its own: what every other run must give. */
const reference = (async (): Promise<TestDriver> => {
  const driver = lineOn(openMemory())
  await driver.create()
  await send(driver, input(), 0, Infinity)
  await driver.run()
  return driver
})()

async function filled(options: MemoryOptions = {}): Promise<MemoryBackend> {
  const backend = openMemory(options)
  const driver = lineOn(backend)
  await driver.create()
  await send(driver, input(), 0, Infinity)
  return backend
}

function workerOn(backend: MemoryBackend, options: Partial<WorkerOptions> = {}): Worker {
  const worker = new Worker({ ...lineTasks(backend), batchRows: 100, deltaEntries: 500, pauseMs: 1, ...options })
  workers.push(worker)
  return worker
}

const stateOf = (state: State): State => ({
  acquire: (task) => state.acquire(task),
  peek: (task, kind) => state.peek(task, kind),
  drop: (task) => state.drop(task),
})

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (let wait = 0; wait < 3000; wait++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it did not come to pass')
}

/** Waits until all tasks of these workers together have committed everything, and compares what they wrote. */
async function finish(backend: MemoryBackend, ...some: Worker[]): Promise<void> {
  const { tasks } = lineTasks(backend)
  for (const { name, at } of tasks) {
    await until(async () => {
      const { end } = await backend.log.bounds(at)
      return ((await backend.log.peek(name))?.position ?? 0) >= end
    })
  }
  const found = some
    .flatMap((worker) => [...worker.running.values()])
    .flatMap((task) =>
      task.processor.graph.outputs.map((output): [string, string] => [
        `${task.name} ${output.destination.topic}`,
        output.digest.toString(),
      ]),
    )
  expect(new Map(found)).toEqual((await reference).digests())
}

describe('a worker', () => {
  it('recovers tasks after errors of unknown outcome, for as long as they last, and says so', async () => {
    let lost = 0
    const backend = await filled({
      // Far more often in a row than a fault that recurs by itself may.
      watch: ({ step, who }) => (step === 'before-append' && who === 'payments-0' && ++lost <= 12 ? 'lost' : undefined),
    })
    const said: TaskStatus[] = []
    const worker = workerOn(backend, { changed: (task, status) => task === 'payments-0' && said.push(status) })
    await worker.start()
    await finish(backend, worker)
    expect(lost).toBeGreaterThan(12)
    expect(said.filter(({ phase }) => phase === 'waiting')).toHaveLength(12)
    expect(said.find(({ phase }) => phase === 'waiting')?.error).toMatchObject({ code: 'SLUICE_STORE_UNREACHABLE' })
    expect(worker.halted).toBeNull()
  })

  it('commits input that comes in small pieces together, when it is told to, and gives the same', async () => {
    const commitsAt = async (commitMs: number): Promise<number> => {
      const backend = openMemory()
      const driver = lineOn(backend)
      await driver.create()
      let commits = 0
      const reached = (point: string): void => void (commits += point === 'commit' ? 1 : 0)
      const worker = workerOn(backend, { commitMs, batchRows: undefined, reached })
      await worker.start()
      const records = input()
      const longest = Math.max(...records.map(({ length }) => length))
      const piece = Math.ceil(longest / 50)
      for (let from = 0; from < longest; from += piece) {
        await send(driver, records, from, from + piece)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await finish(backend, worker)
      return commits
    }
    const eager = await commitsAt(0)
    expect(await commitsAt(200)).toBeLessThan(eager / 2)
  })

  it('recovers a task whose state has fallen back or is lost under it', async () => {
    let moved = 0
    const backend: MemoryBackend = await filled({
      watch({ step, who }) {
        if (step !== 'after-append' || who === 'input') return undefined
        if (++moved === 20) backend.fallBack('payments-0', 2)
        if (moved === 30) backend.loseState('payments-1')
        return undefined
      },
    })
    const said: string[] = []
    const worker = workerOn(backend, {
      changed: (task, { phase, error }) => phase === 'waiting' && said.push(`${task} ${error?.message.slice(0, 18)}`),
    })
    await worker.start()
    await finish(backend, worker)
    expect(new Set(said)).toEqual(new Set(['payments-0 SLUICE_STATE_MOVED', 'payments-1 SLUICE_STATE_MOVED']))
  })

  it('asks a store that does not answer again, and goes on meanwhile', async () => {
    let lost = 0
    const backend = await filled({
      watch: ({ step, who }) => (step === 'before-delta' && who === 'payments-0' && ++lost <= 3 ? 'lost' : undefined),
    })
    const said: string[] = []
    const worker = workerOn(backend, { changed: (task, { phase }) => task === 'payments-0' && said.push(phase) })
    await worker.start()
    await until(() => worker.running.get('payments-0')?.overlay.away !== null)
    await finish(backend, worker)
    await until(() => worker.running.get('payments-0')?.overlay.away === null)
    expect(said).toEqual(['recovering', 'running'])
  })

  it('holds a task that has too much in memory until the store answers', async () => {
    let open = false
    const backend = await filled({
      watch: ({ step, who }) => (step === 'before-delta' && who === 'payments-0' && !open ? 'lost' : undefined),
    })
    const worker = workerOn(backend, { deltaEntries: 100, overlayEntries: 600 })
    await worker.start()
    const task = (): Task | undefined => worker.running.get('payments-0')
    await until(() => (task()?.overlay.entries ?? 0) >= 600)
    const [at, entries] = [task()?.position, task()?.overlay.entries]
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect([task()?.position, task()?.overlay.entries]).toEqual([at, entries])
    expect(entries).toBeLessThan(2_000)
    open = true
    await finish(backend, worker)
  })

  it('heals a state that falls back, or is lost, under a task that has nothing to do', async () => {
    const backend = await filled()
    const worker = workerOn(backend)
    await worker.start()
    await finish(backend, worker)
    const stored = async (name: string): Promise<number | undefined> => {
      return (await backend.state.peek(name, 'core')).header?.position
    }
    const behind = async (): Promise<boolean> => {
      for (const [name, task] of worker.running) if ((await stored(name)) !== task.committed) return false
      return true
    }
    await until(behind)
    backend.fallBack('payments-0', 2)
    backend.loseState('payments-1')
    expect(await behind()).toBe(false)
    await until(behind)
    await finish(backend, worker)
  })

  it('stops a task that was fenced, and takes it up again when the group confirms it, not before', async () => {
    const backend = await filled()
    const said: string[] = []
    let asked = 0
    let confirm = false
    const { group } = backend
    const worker = workerOn(backend, {
      backend: {
        ...backend,
        group: {
          async join(tasks, on) {
            const member = await group.join(tasks, on)
            const confirmed = async (task: string): Promise<boolean> => {
              asked++
              await until(() => confirm)
              return member.confirmed(task)
            }
            return { leave: () => member.leave(), confirmed }
          },
        },
      },
      changed: (task, { phase }) => task === 'payments-1' && said.push(phase),
    })
    await worker.start()
    await worker.recovered()
    backend.fence('payments-1')
    await until(() => asked === 1)
    await until(() => (worker.running.get('payments-0')?.committed ?? 0) > 1000)
    expect(said).toEqual(['recovering', 'running', 'fenced'])
    confirm = true
    await finish(backend, worker)
    expect(said).toEqual(['recovering', 'running', 'fenced', 'recovering', 'running'])
  })

  /** A bug in the first task that comes far enough; returns the worker when it has halted that task. */
  async function halting(options: Partial<WorkerOptions>): Promise<{ worker: Worker; said: string[] }> {
    const backend = await filled()
    const said: string[] = []
    let met = false
    const worker = workerOn(backend, {
      ...options,
      reached(point) {
        const task = worker.running.get('payments-1')
        if (point !== 'commit' || met || task === undefined || task.committed <= 1000) return
        met = true
        throw new Error('a bug')
      },
      changed: (task, { phase }) => said.push(`${task} ${phase}`),
    })
    await worker.start()
    await until(() => worker.halted !== null)
    expect(worker.halted).toMatchObject({ code: 'SLUICE_TASK_FAILED' })
    return { worker, said }
  }

  it('keeps a halted task, and goes on with the others', async () => {
    const { worker, said } = await halting({})
    const halted = said.find((one) => one.endsWith('halted'))?.split(' ')[0] ?? ''
    expect(worker.status(halted)).toMatchObject({ phase: 'halted', error: { code: 'SLUICE_TASK_FAILED' } })
    expect(said.filter((one) => one.endsWith(' stopped'))).toEqual([])
  })

  it('stops all tasks when one halts, where they belong together', async () => {
    const { said } = await halting({ haltTogether: true })
    await until(() => said.filter((one) => / (stopped|halted)$/.test(one)).length === 3)
    expect(said.filter((one) => one.endsWith(' stopped'))).not.toEqual([])
  })

  it('takes a state that is ahead for a fence, not for damage, when the other owner has committed it', async () => {
    const backend = await filled()
    const { state } = backend
    let overtaken = false
    const acquire = async (name: string): ReturnType<typeof state.acquire> => {
      // Between the first owner's reads of K and R another one takes over and processes everything.
      if (!overtaken) {
        overtaken = true
        await lineOn(backend).run()
      }
      return state.acquire(name)
    }
    const { tasks, ...rest } = lineTasks(backend)
    const task = new Task({ ...rest, ...tasks[0], backend: { ...backend, state: { ...stateOf(state), acquire } } })
    await expect(task.recover()).rejects.toMatchObject({ code: 'SLUICE_FENCED' })
    // Without another owner it is damage.
    const alone = new Task({
      ...rest,
      ...tasks[0],
      backend: { ...backend, state: { ...stateOf(state), acquire: ahead } },
    })
    await expect(alone.recover()).rejects.toMatchObject({ code: 'SLUICE_STATE_AHEAD' })
    async function ahead(name: string): ReturnType<typeof state.acquire> {
      const found = await state.acquire(name)
      return { ...found, header: { ...found.header!, position: 1 << 30 } }
    }
  })

  it('gives up only what moves when another joins, and takes back what a leaving one had', async () => {
    const backend = await filled()
    const first = workerOn(backend)
    await first.start()
    await until(() => (first.running.get('payments-0')?.committed ?? 0) > 300)
    const before = new Map(first.running)
    const second = workerOn(backend)
    await second.start()
    expect(first.running.size + second.running.size).toBe(3)
    expect(second.running.size).toBeGreaterThan(0)
    // The same task objects: they never stopped.
    for (const [name, task] of first.running) expect(before.get(name)).toBe(task)
    await finish(backend, first, second)
    await second.stop()
    expect(first.running.size).toBe(3)
    for (const { name } of lineTasks(backend).tasks) {
      await until(async () => first.status(name)?.phase === 'running')
      const { header } = await backend.state.peek(name, 'core')
      expect(header?.position).toBe((await backend.log.peek(name))?.position)
    }
  })
})
