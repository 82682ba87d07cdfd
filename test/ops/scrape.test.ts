/** A real Prometheus scrapes a process of ours, reads the rules as they are shipped, and raises an alert when a task halts. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { openObservation } from '../../cli/observe/index.ts'
import { topics } from '../../schemas/topics.ts'
import { CodedError } from '../../streams/errors.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { quiet } from '../cli/observe/quiet.ts'
import { freePort } from '../services/cache.ts'
import { input, lineOn, send } from '../streams/distributed-child/line.ts'

const { error } = spawnSync('prometheus', ['--version'])
const missing = error === undefined ? null : 'no Prometheus: it is not on the PATH (Debian: apt-get install prometheus)'
const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

/** A Prometheus that scrapes one port every second, with our rules. */
async function prometheus(target: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-prometheus-'))
  const file = join(directory, 'prometheus.yml')
  const configuration = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(import.meta.dirname, '../../ops/prometheus/rules.yml')],
    scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets: [target] }] }],
  }
  writeFileSync(file, JSON.stringify(configuration))
  const port = await freePort()
  const args = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]
  const server: ChildProcess = spawn('prometheus', args, { stdio: 'ignore' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  ends.push(async () => {
    server.kill()
    await ended
    rmSync(directory, { recursive: true })
  })
  return `http://127.0.0.1:${port}`
}

interface Answer {
  readonly data: {
    readonly result?: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: [number, string] }[]
    readonly activeTargets?: readonly { readonly health: string; readonly lastError: string }[]
    readonly groups?: readonly { readonly rules: readonly { readonly name: string; readonly health: string }[] }[]
  }
}

/** Asks until the answer is as wanted; a server that starts refuses connections. */
async function until(url: string, what: (answer: Answer['data']) => boolean): Promise<Answer['data']> {
  for (;;) {
    const answer = await fetch(url).then(
      (response) => response.json() as Promise<Answer>,
      () => null,
    )
    if (answer?.data !== undefined && what(answer.data)) return answer.data
    await sleep(200)
  }
}

describe.skipIf(missing !== null)(`a Prometheus that runs${missing === null ? '' : ` (${missing})`}`, () => {
  it('scrapes, evaluates the rules and raises the alert of a halted task', async () => {
    const options = { role: 'worker', version: '1.2.3', logicVersion: '1', write: () => {} }
    const observation = await openObservation({ ...quiet, port: await freePort() }, options)
    ends.push(() => observation.close())
    const driver = lineOn(openMemory(), undefined, observation.observer)
    await driver.create()
    await send(driver, input(), 0, 1_000)
    const spare = { topic: topics.transactions.name, partition: 0 }
    observation.attach({ backend: driver.backend, spare, tasks: () => driver.tasks })
    await driver.run()
    for (const { name } of driver.tasks) observation.observer.phase(name, 'running', null)

    const base = await prometheus(new URL(observation.url ?? '').host)
    const query = (expr: string): string => `${base}/api/v1/query?query=${encodeURIComponent(expr)}`
    const { result } = await until(query('sluice_task_committed_offset'), ({ result: found }) => found?.length === 3)
    const [task] = driver.tasks
    const found = result?.find(({ metric }) => metric.task === task.name)
    expect(Number(found?.value[1])).toBe(task.committed)

    const { activeTargets } = await until(`${base}/api/v1/targets`, (data) => data.activeTargets?.[0]?.health === 'up')
    expect(activeTargets?.map(({ lastError }) => lastError)).toEqual([''])
    const evaluated = ({ groups = [] }: Answer['data']): boolean =>
      groups.every(({ rules }) => rules.every(({ health }) => health === 'ok'))
    const { groups } = await until(`${base}/api/v1/rules`, evaluated)
    expect(groups?.flatMap(({ rules }) => rules).length).toBeGreaterThan(20)

    const firing = query('ALERTS{alertstate="firing"}')
    expect((await until(firing, () => true)).result).toEqual([])
    const why = new CodedError('SLUICE_RETENTION_PASSED', `${task.name}: K = 5, R = 1, log 3 to 5`)
    observation.observer.phase(task.name, 'halted', why)
    const alerts = await until(firing, ({ result: all }) => (all?.length ?? 0) > 0)
    expect(alerts.result?.map(({ metric }) => [metric.alertname, metric.task, metric.code])).toEqual([
      ['SluiceTaskHalted', task.name, 'SLUICE_RETENTION_PASSED'],
    ])
  }, 120_000)
})
