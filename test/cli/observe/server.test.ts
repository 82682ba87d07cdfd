/** /health and /ready tell the truth: what runs, what halted and why, and what does not answer. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openObservation, type Observation, type Report } from '../../../cli/observe/index.ts'
import { READY_LAG } from '../../../cli/observe/report.ts'
import { topics } from '../../../schemas/topics.ts'
import { SinkError } from '../../../sink/errors.ts'
import { CodedError } from '../../../streams/errors.ts'
import { openMemory } from '../../../streams/memory/index.ts'
import type { TestDriver } from '../../../streams/testing.ts'
import { Worker } from '../../../streams/worker.ts'
import { freePort } from '../../services/cache.ts'
import { input, lineOn, lineTasks, send } from '../../streams/distributed-child/line.ts'
import { quiet } from './quiet.ts'

let observation: Observation
let driver: TestDriver
const spare = { topic: topics.transactions.name, partition: 0 }

beforeEach(async () => {
  const configuration = { ...quiet, port: await freePort() }
  const options = { role: 'worker', version: '1.2.3', logicVersion: '1', write: () => {} }
  observation = await openObservation(configuration, options)
  driver = lineOn(openMemory(), undefined, observation.observer)
  await driver.create()
})
afterEach(() => observation.close())

async function asked(path: string): Promise<{ status: number; report: Report }> {
  const response = await fetch(`${observation.url}${path}`)
  return { status: response.status, report: (await response.json()) as Report }
}

/** Runs the tasks over everything, and says of each that it runs, as a worker does. */
async function running(): Promise<void> {
  await send(driver, input(), 0, 1000)
  observation.attach({ backend: driver.backend, spare, tasks: () => driver.tasks })
  await driver.run()
  for (const { name } of driver.tasks) observation.observer.phase(name, 'running', null)
}

describe('a process that is watched', () => {
  it('is healthy and not ready while it starts', async () => {
    expect(await asked('/health')).toMatchObject({ status: 200, report: { status: 'ok' } })
    expect(await asked('/ready')).toMatchObject({ status: 503, report: { reasons: ['It is starting.'] } })
  })

  it('is ready when its tasks run and have caught up, and lists where they stand', async () => {
    await running()
    const { status, report } = await asked('/ready')
    expect(status).toBe(200)
    expect(report).toMatchObject({ ready: true, reasons: [], services: { log: 'ok', state: 'ok' }, backend: 'memory' })
    expect(report.tasks.map(({ task }) => task)).toEqual(['payments-0', 'payments-1', 'settlement-0'])
    const [task] = driver.tasks
    expect(report.tasks[0]).toMatchObject({
      state: 'running',
      committedOffset: task.committed,
      storedOffset: task.stored,
      logStartOffset: 0,
      logEndOffset: task.committed,
      lagRecords: 0,
      code: null,
    })
  })

  it('is not ready while a task recovers, and says which and why', async () => {
    await running()
    const error = new CodedError('SLUICE_BROKER_FAILED', 'payments-1: no answer')
    observation.observer.phase('payments-1', 'waiting', error)
    observation.observer.phase('payments-1', 'recovering', null)
    const { status, report } = await asked('/ready')
    expect(status).toBe(503)
    expect(report.reasons).toEqual([expect.stringMatching(/^payments-1 is recovering: SLUICE_BROKER_FAILED/)])
    expect(report.tasks[1]).toMatchObject({ state: 'recovering', code: 'SLUICE_BROKER_FAILED' })
    expect((await asked('/health')).status).toBe(200)
  })

  it('is not ready while a task is far behind the end that the log has now', async () => {
    await running()
    const behind = { ...driver.backend, log: { ...driver.backend.log } }
    behind.log.bounds = () => Promise.resolve({ start: 0, end: driver.tasks[0].committed + READY_LAG + 1 })
    observation.attach({ backend: behind, tasks: () => driver.tasks.slice(0, 1) })
    const { status, report } = await asked('/ready')
    expect(status).toBe(503)
    expect(report.reasons).toEqual([`payments-0 is ${READY_LAG + 1} records behind (caught up: ${READY_LAG})`])
  })

  it('is unhealthy once a task has halted, with the code for the operator', async () => {
    await running()
    const error = new CodedError('SLUICE_RETENTION_PASSED', 'payments-0: K = 5, R = 1, log 3 to 5')
    observation.observer.phase('payments-0', 'halted', error)
    observation.attach({ halted: () => error })
    for (const path of ['/health', '/ready']) {
      const { status, report } = await asked(path)
      expect(status).toBe(503)
      expect(report.status).toBe('halted')
      expect(report.tasks[0]).toMatchObject({ state: 'halted', code: 'SLUICE_RETENTION_PASSED' })
    }
    const { text } = await observation.metrics()
    expect(text).toContain('sluice_task_halted{task="payments-0",code="SLUICE_RETENTION_PASSED"} 1')
    expect(text).toContain('sluice_task_state{task="payments-0",state="running"} 0')
    expect(text).toContain('sluice_ready 0')
  })

  it('is not ready while a task stands still in front of a record', async () => {
    await running()
    const [first] = driver.tasks
    const why = 'schema id 7 cannot be looked up: connect ECONNREFUSED'
    const { name, options, end, committed, stored, processor, overlay } = first
    const waiting = { name, options, end, committed, stored, processor, overlay, stalled: why }
    observation.attach({ tasks: () => [waiting, ...driver.tasks.slice(1)] })
    const { status, report } = await asked('/ready')
    expect(status).toBe(503)
    expect(report.reasons).toEqual([`${name} stands still: ${why}`])
    expect((await observation.metrics()).text).toContain('sluice_registry_waiting 1')
  })

  it('does not answer for tasks that went elsewhere', async () => {
    await running()
    const [mine, ...others] = driver.tasks
    observation.attach({ tasks: () => [mine] })
    observation.observer.phase(others[0].name, 'stopped', null)
    observation.observer.phase(others[1].name, 'fenced', new CodedError('SLUICE_FENCED', others[1].name))
    expect(await asked('/ready')).toMatchObject({ status: 200, report: { reasons: [] } })
    expect((await observation.metrics()).text).toContain(`sluice_fenced_total{task="${others[1].name}"} 1`)
  })

  it('forgets a task that was given up while it waited to be tried again', async () => {
    const backend = openMemory({
      watch: ({ step, who }) => (step === 'before-append' && who === 'payments-0' ? 'lost' : undefined),
    })
    driver = lineOn(backend)
    await driver.create()
    await send(driver, input(), 0, 1000)
    const worker = new Worker({ ...lineTasks(backend), observer: observation.observer, pauseMs: 60_000 })
    observation.attach({ backend, spare, tasks: () => worker.running.values(), halted: () => worker.halted })
    await worker.start()
    const failing = (): boolean =>
      observation.health().tasks.some(({ task, code }) => task === 'payments-0' && code !== null)
    while (!failing()) await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await asked('/ready')).status).toBe(503)
    await worker.stop()
    expect((await asked('/ready')).report.tasks.map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped'])
    expect((await asked('/ready')).status).toBe(200)
  })

  it('is not ready while a service does not answer, and healthy all the same', async () => {
    await running()
    const services = {
      clickhouse: () => Promise.reject(new Error('connect ECONNREFUSED')),
      registry: () => new Promise(() => {}),
    }
    observation.attach({ services })
    const { status, report } = await asked('/ready')
    expect(status).toBe(503)
    expect(report.services).toMatchObject({
      log: 'ok',
      clickhouse: 'connect ECONNREFUSED',
      registry: 'no answer within 2000 ms',
    })
    expect(report.reasons).toHaveLength(2)
    expect((await asked('/health')).status).toBe(200)
    expect((await observation.metrics()).text).toContain('sluice_service_up{service="clickhouse"} 0')
  })

  it('says what is away that its work does not need, and is ready', async () => {
    await running()
    const failure = new SinkError('SLUICE_SINK_GAP', 'decisions: 5 is missing.')
    const lag = (): [] => []
    observation.attach({
      beside: { clickhouse: () => Promise.reject(new Error('connect ECONNREFUSED')) },
      sink: () => ({ failure, lag }),
    })
    const { status, report } = await asked('/ready')
    expect(status).toBe(200)
    expect(report.problems).toEqual([
      'ClickHouse does not answer: connect ECONNREFUSED',
      expect.stringMatching(/^Nothing more goes into the tables: .*5 is missing/),
    ])
    expect((await asked('/health')).status).toBe(200)
    const { text } = await observation.metrics()
    expect(text).toContain('sluice_service_up{service="clickhouse"} 0')
    expect(text).toContain('sluice_sink_running{code="SLUICE_SINK_GAP"} 0')
    // In a process that is the sink the same is the end of it.
    observation.attach({ beside: {} })
    expect((await asked('/health')).status).toBe(503)
  })

  it('answers nothing else, and changes nothing', async () => {
    expect((await fetch(`${observation.url}/`)).status).toBe(404)
    expect((await fetch(`${observation.url}/health`, { method: 'POST' })).status).toBe(405)
    const metrics = await fetch(`${observation.url}/metrics`)
    expect(metrics.headers.get('content-type')).toContain('text/plain')
    expect(await metrics.text()).toContain('process_cpu_seconds_total')
  })

  it('refuses a port that is taken, in words', async () => {
    const port = Number(new URL(observation.url ?? '').port)
    const second = openObservation({ ...quiet, port }, { role: 'worker', version: '1', logicVersion: '1' })
    await expect(second).rejects.toThrow(`observe.port ${port} of 127.0.0.1 cannot be opened`)
  })
})
