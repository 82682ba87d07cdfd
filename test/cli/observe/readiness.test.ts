/** What /ready and /health say of a worker on real services while each of them goes away and comes back. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { openObservation, type Observation, type Report } from '../../../cli/observe/index.ts'
import { topics } from '../../../schemas/topics.ts'
import { openDistributed, type DistributedBackend } from '../../../streams/distributed/index.ts'
import { Worker } from '../../../streams/worker.ts'
import { freePort } from '../../services/cache.ts'
import { missingOf, running } from '../../services/index.ts'
import { kafka } from '../../services/kafka.ts'
import { redis } from '../../services/redis.ts'
import { input, lineOn, lineTasks, send } from '../../streams/distributed-child/line.ts'
import { quiet } from './quiet.ts'

// Our own: they are stopped here.
const [foundKafka, foundRedis] = await Promise.all([kafka({ own: true }), redis({ own: true })])
const missing = missingOf(foundKafka) ?? missingOf(foundRedis)
const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})
afterAll(async () => {
  for (const found of [foundKafka, foundRedis]) if (missingOf(found) === null) await running(found).stop()
})

interface Watched {
  readonly backend: DistributedBackend
  readonly observation: Observation
  readonly worker: Worker
}

/** A worker over a line of its own, with 2,000 payments in each partition. */
async function watched(): Promise<Watched> {
  const prefix = randomUUID().slice(0, 8)
  const backend = await openDistributed({
    brokers: [running(foundKafka).endpoint],
    redis: running(foundRedis).endpoint,
    prefix,
    topicPrefix: `${prefix}.`,
    replicationFactor: 1,
  })
  ends.push(() => backend.close())
  const options = { role: 'worker', version: '1.2.3', logicVersion: '1', write: () => {} }
  const observation = await openObservation({ ...quiet, port: await freePort() }, options)
  ends.push(() => observation.close())
  const driver = lineOn(backend)
  await driver.create()
  await send(driver, input(), 0, 2_000)
  const worker = new Worker({ ...lineTasks(backend), observer: observation.observer })
  ends.push(() => worker.stop())
  expect(await asked(observation, '/ready')).toMatchObject({ status: 503, report: { reasons: ['It is starting.'] } })
  await worker.start()
  observation.attach({
    backend,
    spare: { topic: topics.transactions.name, partition: 0 },
    tasks: () => worker.running.values(),
    halted: () => worker.halted,
  })
  return { backend, observation, worker }
}

async function asked({ url }: Observation, path: string): Promise<{ status: number; report: Report }> {
  const response = await fetch(`${url}${path}`)
  return { status: response.status, report: (await response.json()) as Report }
}

/** Asks until the answer is as expected; every answer on the way must agree with itself. */
async function until(observation: Observation, what: (report: Report) => boolean): Promise<Report> {
  for (;;) {
    const { status, report } = await asked(observation, '/ready')
    expect(status).toBe(report.ready ? 200 : 503)
    expect(report.ready).toBe(report.reasons.length === 0)
    // Whatever is away, this process is well.
    expect((await asked(observation, '/health')).status).toBe(200)
    if (what(report)) return report
    await sleep(200)
  }
}

/** Offsets of every task: all of the input is committed. */
const through = (report: Report): boolean =>
  report.tasks.length === 3 && report.tasks.every((task) => task.lagRecords === 0)

describe.skipIf(missing !== null)(`readiness on real services${missing === null ? '' : ` (${missing})`}`, () => {
  it('Redis goes away and comes back', async () => {
    const { observation, worker } = await watched()
    await until(observation, (report) => report.ready && through(report))
    const { server } = running(foundRedis)
    await server?.kill()
    const away = await until(observation, (report) => report.services.state !== 'ok')
    expect(away.ready).toBe(false)
    expect(away.reasons.join('\n')).toMatch(/The state does not answer/)
    expect((await observation.metrics()).text).toContain('sluice_service_up{service="state"} 0')
    await server?.restart()
    const back = await until(observation, (report) => report.ready && through(report))
    expect(back.services).toEqual({ log: 'ok', state: 'ok' })
    expect(worker.halted).toBeNull()
    // A stopped process takes connections and answers nothing: that is as far away.
    server?.signal('SIGSTOP')
    const stuck = await until(observation, (report) => report.services.state !== 'ok')
    server?.signal('SIGCONT')
    expect(stuck.services.state).toMatch(/no answer within 2000 ms|timed out/)
    await until(observation, (report) => report.ready && through(report))
    expect(worker.halted).toBeNull()
  }, 300_000)

  it('Kafka goes away and comes back', async () => {
    const { observation, worker } = await watched()
    await until(observation, (report) => report.ready && through(report))
    const [node] = running(foundKafka).nodes
    await node.kill()
    const away = await until(observation, (report) => report.services.log !== 'ok')
    expect(away.ready).toBe(false)
    expect(away.services.state).toBe('ok')
    expect(away.reasons.join('\n')).toMatch(/The log does not answer/)
    await node.restart()
    const back = await until(observation, (report) => report.ready && through(report))
    expect(back.tasks.map(({ state }) => state)).toEqual(['running', 'running', 'running'])
    expect(worker.halted).toBeNull()
    expect((await observation.metrics()).text).toContain('sluice_service_up{service="log"} 1')
  }, 300_000)
})
