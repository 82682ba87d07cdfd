/** What a task finds when it takes over a line that was made beforehand, and which of it halts it. */
import { describe, expect, it } from 'vitest'
import type { Backend } from '../../streams/backend.ts'
import { openMemory, type MemoryBackend } from '../../streams/memory/index.ts'
import { createTasks } from '../../streams/takeover.ts'
import { Task, type TaskOptions } from '../../streams/task.ts'
import { input, lineOn, lineTasks, send } from './distributed-child/line.ts'

function options(backend: Backend, more: Partial<TaskOptions> = {}): TaskOptions {
  const { tasks, ...rest } = lineTasks(backend)
  return { ...rest, ...tasks[0], expected: {}, ...more }
}

/** A line that was made, and its input; processed and written behind when `ran`. */
async function made(ran: boolean): Promise<MemoryBackend> {
  const backend = openMemory()
  const driver = lineOn(backend)
  await driver.create()
  const { tasks, backend: _backend, ...rest } = lineTasks(backend)
  await createTasks(
    backend,
    tasks.map((task) => ({ ...rest, ...task })),
  )
  await send(driver, input(), 0, 2_000)
  if (ran) await driver.run()
  return backend
}

const code = (error: string) => ({ code: error })

describe('a task of a line that was made', () => {
  it('begins at the begin, and stays there when it is made again', async () => {
    const backend = await made(false)
    expect(await backend.log.peek('payments-0')).toMatchObject({ position: 0 })
    expect((await backend.state.peek('payments-0', 'core')).header).toMatchObject({ position: 0 })
    const task = new Task(options(backend))
    await task.recover()
    await task.catchUp()
    expect(task.committed).toBeGreaterThan(0)
    const { tasks, backend: _backend, ...rest } = lineTasks(backend)
    await createTasks(
      backend,
      tasks.map((one) => ({ ...rest, ...one })),
    )
    expect(await backend.log.peek('payments-0')).toMatchObject({ position: task.committed })
    expect((await backend.state.peek('payments-0', 'core')).header).toMatchObject({ position: task.committed })
  })

  it('halts when neither log nor store knows it, and starts where nothing is expected', async () => {
    const backend = openMemory()
    await lineOn(backend).create()
    await expect(new Task(options(backend)).recover()).rejects.toMatchObject(code('SLUICE_TASK_UNKNOWN'))
    expect(await new Task(options(backend, { expected: undefined })).recover()).toBe(true)
  })

  it('halts when the ledger has lost it and the store has not', async () => {
    const fresh = openMemory()
    await lineOn(fresh).create()
    const forgetful = { ...fresh, state: (await made(true)).state }
    await expect(new Task(options(forgetful)).recover()).rejects.toMatchObject(code('SLUICE_LEDGER_LOST'))
  })

  it('processes everything again when the store has lost it, with a warning, while the log reaches back', async () => {
    const backend = await made(true)
    const before = new Task(options(backend))
    await before.recover()
    backend.loseState('payments-0')
    const warnings: string[] = []
    const task = new Task(options(backend, { warned: (warning) => warnings.push(warning) }))
    await task.recover()
    expect(warnings).toEqual([expect.stringContaining('the stored state is gone, or not whole')])
    expect(task.reprocessed).toBeGreaterThan(1_000)
    expect(task.processor.metadata()).toBe(before.processor.metadata())
    expect(task.stored).toBe(task.committed)
  })

  it('goes by the state that it finds after it has dropped what was left: another owner may have written it again', async () => {
    const backend = await made(true)
    let dropped = false
    const state: Backend['state'] = {
      peek: (...asked) => backend.state.peek(...asked),
      // The owner before takes everything up again before this one does.
      drop: async () => void (dropped = true),
      async acquire(name) {
        const found = await backend.state.acquire(name)
        return dropped
          ? found
          : Object.assign(Object.create(found) as typeof found, { header: null, kinds: () => found.kinds() })
      },
    }
    const task = new Task(options({ ...backend, state }))
    expect(await task.recover()).toBe(true)
    expect([dropped, task.reprocessed, task.stored]).toEqual([true, 0, task.committed])
  })

  it('halts when the log does not reach back', async () => {
    const backend = await made(true)
    backend.loseState('payments-0')
    backend.trim({ topic: 'transactions', partition: 0 }, 1_000)
    await expect(new Task(options(backend)).recover()).rejects.toMatchObject(code('SLUICE_RETENTION_PASSED'))
  })

  it('halts on another input topic, and on another number of partitions', async () => {
    const backend = await made(true)
    const topicId = await backend.log.topicId('transactions')
    expect(await new Task(options(backend, { expected: { topicId } })).recover()).toBe(true)
    const other = new Task(options(backend, { expected: { topicId: 'another' } }))
    await expect(other.recover()).rejects.toMatchObject(code('SLUICE_TOPIC_REPLACED'))
    const { tasks } = lineTasks(backend)
    const more = new Task(options(backend, { ...tasks[1], partitions: 3 }))
    await expect(more.recover()).rejects.toMatchObject(code('SLUICE_TOPIC_PARTITIONS'))
  })
})
