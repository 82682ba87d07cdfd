/** The real `sluice serve`, watched: metrics of what came in over HTTP, readiness, and a log that programs read. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import type { Report } from '../../../cli/observe/index.ts'
import { surroundings } from '../../lib/sluice.ts'
import { freePort } from '../../services/cache.ts'
import { payment, post } from '../serving.ts'

const main = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url))
let ended: string | null = null
const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function until<T>(ask: () => Promise<T | null>, what: (answer: T) => boolean): Promise<T> {
  for (;;) {
    if (ended !== null) throw new Error(`serve ended: ${ended}`)
    const answer = await ask().catch(() => null)
    if (answer !== null && what(answer)) return answer
    await sleep(100)
  }
}

test('what comes in over HTTP is in /metrics, /ready says when it runs, and every word is a line of the log', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-watched-'))
  ends.push(() => rmSync(directory, { recursive: true, force: true }))
  const [port, metricsPort] = [await freePort(), await freePort()]
  const ports = ['--port', String(port), '--metrics-port', String(metricsPort)]
  const line = [
    '--members',
    'any',
    '--data',
    join(directory, 'data'),
    '--cycle',
    '1',
    '--grace',
    '0',
    '--no-clickhouse',
  ]
  const serve = spawn(process.execPath, [main, 'serve', ...ports, ...line], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...surroundings(), SLUICE_OBSERVE_LOG_FORMAT: 'json' },
  })
  let said = ''
  serve.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const exit = new Promise((resolve) => serve.once('exit', (code, signal) => resolve(signal ?? code)))
  ends.push(async () => {
    serve.kill('SIGKILL')
    await exit
  })
  void exit.then((how) => (ended = `${String(how)}: ${said}`))
  const watched = `http://127.0.0.1:${metricsPort}`
  const metrics = async (): Promise<string> => (await fetch(`${watched}/metrics`)).text()

  const ready = async (): Promise<Report> => (await fetch(`${watched}/ready`)).json() as Promise<Report>
  const report = await until(ready, (answer) => answer.ready)
  expect(report).toMatchObject({ backend: 'embedded', services: { log: 'ok', state: 'ok' }, sink: null })
  expect(report.tasks.map(({ state }) => state)).toEqual(Array.from({ length: 5 }, () => 'running'))

  const answer = await post(`http://127.0.0.1:${port}`, [payment('P1'), payment('P1'), payment('X', { amount: '-1' })])
  expect(answer.status).toBe(202)
  const text = await until(metrics, (all) => /sluice_payments_settled_total\{currency="EUR"\} 1\b/.test(all))
  expect(text).toContain('sluice_intake_accepted_total 2\n')
  expect(text).toMatch(/sluice_intake_refused_total\{reason="[^"]+"\} 1\n/)
  expect(text).toMatch(/sluice_payments_received_total\{task="payments-\d",novelty="duplicate",currency="EUR"\} 1\n/)
  expect(text).toContain('sluice_amount_settled_minor_total{currency="EUR",what="gross"} 1230\n')
  expect(text).toMatch(/sluice_intake_append_duration_seconds_count [1-9]/)
  expect(text).toContain('sluice_ticker_behind_seconds 0\n')
  expect(text).toContain('sluice_balanced 1\n')
  expect(text).toContain('sluice_ready 1\n')

  serve.kill('SIGTERM')
  expect(await exit).toBe(0)
  const lines = said
    .trimEnd()
    .split('\n')
    .map((one) => JSON.parse(one) as Record<string, unknown>)
  expect(lines.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['recovered', 'runs', 'Stopping.', 'Stopped.']))
  const ran = lines.filter(({ msg }) => msg === 'runs').map(({ task }) => task)
  expect(new Set(ran)).toEqual(new Set(report.tasks.map(({ task }) => task)))
})
