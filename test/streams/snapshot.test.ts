/** Snapshots of a task's state: taken while it runs, kept, refused where they do not fit, and as good as the state. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../streams/backend.ts'
import { openMemory, type MemoryBackend } from '../../streams/memory/index.ts'
import { listSnapshots, pruneSnapshots, restoreSnapshot, takeSnapshot } from '../../streams/snapshots.ts'
import { verifySnapshot } from '../../streams/snapshot.ts'
import { Task, type TaskOptions } from '../../streams/task.ts'
import { Worker } from '../../streams/worker.ts'
import { input, lineOn, lineTasks, send } from './distributed-child/line.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})
function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-snapshots-'))
  directories.push(directory)
  return directory
}

const LOGIC = '1'
const first = lineTasks(openMemory()).tasks[0]

async function filled(records = 1_500): Promise<MemoryBackend> {
  const backend = openMemory()
  const driver = lineOn(backend)
  await driver.create()
  await send(driver, input(), 0, records)
  return backend
}

function taskOn(backend: Backend, more: Partial<TaskOptions> = {}): Task {
  const { tasks, ...rest } = lineTasks(backend)
  return new Task({ ...rest, ...tasks[0], batchRows: 200, deltaEntries: 500, ...more })
}

async function caughtUp(backend: Backend): Promise<Task> {
  const task = taskOn(backend)
  await task.recover()
  await task.catchUp()
  return task
}

const code = (error: string) => ({ code: error })

describe('a snapshot', () => {
  it('restores a task whose state is lost and whose log does not reach back', async () => {
    const directory = temporary()
    const backend = await filled()
    const early = await caughtUp(backend)
    const { path, header } = await takeSnapshot(directory, LOGIC, early)
    expect(header).toMatchObject({
      task: 'payments-0',
      position: early.committed,
      metadata: early.processor.metadata(),
    })
    await send(lineOn(backend), input(), 1_500, Infinity)
    const whole = await caughtUp(backend)

    backend.loseState('payments-0')
    backend.trim(first.at, 1_200)
    await expect(taskOn(backend).recover()).rejects.toMatchObject(code('SLUICE_RETENTION_PASSED'))
    await restoreSnapshot(backend, path, LOGIC, first)
    const task = taskOn(backend)
    await task.recover()
    // Everything behind the snapshot was processed again, and gave what had been committed.
    expect(task.reprocessed).toBe(whole.committed - early.committed)
    expect(task.reprocessed).toBeGreaterThan(1_000)
    expect(task.processor.metadata()).toBe(whole.processor.metadata())
    expect(task.stored).toBe(task.committed)
  })

  it('stands still while it is taken, and the task goes on meanwhile', async () => {
    const directory = temporary()
    const backend = await filled(Infinity)
    const task = taskOn(backend, { overlayEntries: 100_000 })
    await task.recover()
    const reading = task.whileStored(async (state) => {
      while (task.committed < 2_000) await new Promise((resolve) => setTimeout(resolve, 1))
      expect((await state.read([])).header).toBeNull()
    })
    const running = task.run()
    await reading
    const { end } = await backend.log.bounds(first.at)
    while (task.stored < end) await new Promise((resolve) => setTimeout(resolve, 1))
    const { header } = await takeSnapshot(directory, LOGIC, task)
    expect(header.position).toBe(task.committed)
    task.stop()
    await running
  })

  it.each([
    ['another task', { name: 'payments-1', at: { ...first.at, partition: 1 } }, LOGIC, 'its task is payments-0'],
    ['another logic', first, '2', 'its logicVersion is 1, here it is 2'],
  ])('is refused for %s', async (_what, task, logic, detail) => {
    const backend = await filled()
    const { path } = await takeSnapshot(temporary(), LOGIC, await caughtUp(backend))
    backend.loseState(task.name)
    const refused = restoreSnapshot(backend, path, logic, task)
    await expect(refused).rejects.toMatchObject({
      ...code('SLUICE_SNAPSHOT_UNFIT'),
      message: expect.stringContaining(detail),
    })
    expect((await backend.state.peek(task.name, 'core')).header).toBeNull()
  })

  it('is refused when it is damaged, of another log, before its start or beyond what is committed', async () => {
    const directory = temporary()
    const backend = await filled()
    const { path, header } = await takeSnapshot(directory, LOGIC, await caughtUp(backend))
    backend.loseState('payments-0')
    const refused = async (file: string, on: Backend, detail: string): Promise<void> => {
      const restored = restoreSnapshot(on, file, LOGIC, first)
      await expect(restored).rejects.toMatchObject({
        ...code('SLUICE_SNAPSHOT_UNFIT'),
        message: expect.stringContaining(detail),
      })
      expect((await on.state.peek('payments-0', 'core')).header).toBeNull()
    }
    const bytes = readFileSync(path)
    bytes[bytes.length - 1] ^= 1
    writeFileSync(join(directory, 'damaged'), bytes)
    await refused(join(directory, 'damaged'), backend, 'its digest is')
    writeFileSync(join(directory, 'text'), 'no snapshot')
    await refused(join(directory, 'text'), backend, 'text')
    await refused(path, await filled(), 'its topicId is')
    backend.trim(first.at, header.position)
    await send(lineOn(backend), input(), 1_500, Infinity)
    await restoreSnapshot(backend, path, LOGIC, first)
    await caughtUp(backend)
    backend.loseState('payments-0')
    backend.trim(first.at, header.position + 1_000)
    await refused(path, backend, 'the log begins at')
  })

  it('does not replace a state, and one that broke off counts as none', async () => {
    const backend = await filled()
    const { path } = await takeSnapshot(temporary(), LOGIC, await caughtUp(backend))
    await expect(restoreSnapshot(backend, path, LOGIC, first)).rejects.toMatchObject(code('SLUICE_SNAPSHOT_NOT_NEEDED'))
    const before = taskOn(backend)
    await before.recover()
    backend.loseState('payments-0')
    let applied = 0
    const breaking: Backend = {
      ...backend,
      state: {
        peek: (task, kind) => backend.state.peek(task, kind),
        drop: (task) => backend.state.drop(task),
        async acquire(task) {
          const state = await backend.state.acquire(task)
          return {
            ...state,
            header: state.header,
            apply: (delta) => (++applied === 3 ? Promise.reject(new Error('the plug')) : state.apply(delta)),
          }
        },
      },
    }
    await expect(restoreSnapshot(breaking, path, LOGIC, first)).rejects.toThrow('the plug')
    expect((await backend.state.peek('payments-0', 'core')).header).not.toBeNull()
    const task = taskOn(backend)
    await task.recover()
    expect(task.reprocessed).toBe(before.committed)
    expect(task.processor.metadata()).toBe(before.processor.metadata())
    backend.loseState('payments-0')
    await expect(restoreSnapshot(breaking, path, LOGIC, first)).resolves.toMatchObject({ task: 'payments-0' })
  })

  it('is taken by a worker now and then, and kept by count and age', async () => {
    const directory = temporary()
    const backend = await filled(Infinity)
    const taken: unknown[] = []
    const done = new Set<string>()
    const worker = new Worker({
      ...lineTasks(backend),
      batchRows: 100,
      deltaEntries: 300,
      snapshots: {
        directory,
        logicVersion: LOGIC,
        everyMs: 20,
        keep: { count: 2, ageMs: 0 },
        taken(task, result) {
          taken.push(result)
          if (!(result instanceof Error)) done.add(task)
        },
      },
    })
    await worker.start()
    // A task that has written nothing behind yet has no state to take.
    for (let wait = 0; (taken.length < 15 || done.size < 3) && wait < 4_000; wait++)
      await new Promise((resolve) => setTimeout(resolve, 5))
    await worker.stop()
    expect(taken.filter((one) => one instanceof Error && !one.message.includes('it has no state'))).toEqual([])
    const kept = await listSnapshots(directory)
    expect(new Set(kept.map(({ header }) => header.task))).toEqual(
      new Set(['payments-0', 'payments-1', 'settlement-0']),
    )
    for (const { path } of kept) await verifySnapshot(path)
    for (const { path } of kept) utimesSync(path, 1, 1)
    const hours = 3_600_000
    expect(await pruneSnapshots(directory, 2_000, { count: 1, ageMs: hours })).toEqual([])
    await pruneSnapshots(directory, 2 * hours, { count: 1, ageMs: hours })
    expect(readdirSync(directory)).toHaveLength(3)
  })
})
