/**
 * The composed line without a Docker engine: the commands, environment, secrets and health checks that docker-compose.yml
 * and the Dockerfile say, as processes of this machine beside the same services. What is not shown is the image itself.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { freePort, run, sleep } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { redis } from '../services/redis.ts'
import { Server } from '../services/server.ts'
import { compose, dockerfile, root } from './manifests.ts'

const found = await services('kafka', 'registry', 'clickhouse')
const base = mkdtempSync(join(tmpdir(), 'sluice-composed-'))
const secrets = join(base, 'secrets')
mkdirSync(secrets)
await run('/bin/sh', [join(root, 'ops', 'compose', 'draw-secrets.sh'), secrets])
const secret = (name: string): string => readFileSync(join(secrets, name), 'utf8')
const store = await redis({ settings: ['--requirepass', secret('redis')] })
const missing = [missingOf(found), missingOf(store)].filter((each) => each !== null).join('; ') || null

/** What the image sets, by name. */
const image = Object.fromEntries(
  [...dockerfile.matchAll(/^(?:ENV| {4}) ?(SLUICE_[A-Z_]+)=(\S+)/gm)].map(([, name, value]) => [name, value]),
)

/** The environment of a service as composed, with the places of this machine in it. */
function environmentOf(name: string, observePort: number, httpPort = 0): NodeJS.ProcessEnv {
  const { kafka, registry, clickhouse } = running(found)
  const warehouse = new URL(clickhouse.endpoint)
  writeFileSync(join(base, 'clickhouse'), decodeURIComponent(warehouse.password))
  const composed = Object.entries({ ...image, ...compose.services[name].environment })
  const here = composed.map(([key, value]) => [key, value.replace('/run/sluice', secrets)])
  return {
    PATH: [join(base, 'bin'), process.env.PATH].join(delimiter),
    ...(Object.fromEntries(here) as Record<string, string>),
    SLUICE_KAFKA_BROKERS: kafka.endpoint,
    SLUICE_KAFKA_PREFIX: `composed-${line}`,
    SLUICE_KAFKA_TOPIC_PREFIX: `composed-${line}.`,
    SLUICE_REDIS_URL: running(store).endpoint,
    SLUICE_REGISTRY_URL: registry.endpoint,
    SLUICE_CLICKHOUSE_URL: warehouse.origin,
    SLUICE_CLICKHOUSE_USER: warehouse.username,
    SLUICE_CLICKHOUSE_PASSWORD_FILE: join(base, 'clickhouse'),
    SLUICE_CLICKHOUSE_DATABASE: `composed_${line}`,
    SLUICE_HTTP_HOST: '127.0.0.1',
    SLUICE_OBSERVE_HOST: '127.0.0.1',
    SLUICE_OBSERVE_PORT: String(observePort),
    ...(httpPort === 0 ? {} : { SLUICE_HTTP_PORT: String(httpPort) }),
  }
}

const line = randomUUID().slice(0, 8)
/** The script of the image's own check of health. */
const [, , imageCheck] = JSON.parse(/CMD (\["node", "-e", .*\])$/m.exec(dockerfile)![1]) as string[]

/** What the engine would ask: the check of the service, else that of its image. */
function checkOf(name: string, httpPort: number): string {
  const [, , , own = imageCheck] = (compose.services[name].healthcheck?.test ?? []) as string[]
  return own.replace(':8080/', `:${httpPort}/`)
}

interface Started {
  readonly server: Server
  readonly env: NodeJS.ProcessEnv
  readonly port: number
}

async function start(name: string, copy: number, httpPort = 0): Promise<Started> {
  const port = await freePort()
  const env = environmentOf(name, port, httpPort)
  const server = new Server({
    name: `${name}-${copy}`,
    command: process.execPath,
    args: [join(root, 'cli', 'main.ts'), ...compose.services[name].command!],
    env,
    directory: join(base, `${name}-${copy}`),
    ready: async () => (await run(process.execPath, ['-e', checkOf(name, httpPort)], { env })).code === 0,
  })
  await server.start()
  return { server, env, port }
}

const started: Started[] = []

afterAll(async () => {
  for (const { server } of started) await server.kill()
  if (!('missing' in store)) await store.stop()
  if (!('missing' in found)) await found.stop()
  rmSync(base, { recursive: true, force: true })
})

describe.skipIf(missing !== null)(`the composed line${missing === null ? '' : ` (${missing})`}`, () => {
  it('is made by its init job, twice with the same result', async () => {
    mkdirSync(join(base, 'bin'))
    const shim = join(base, 'bin', 'sluice')
    writeFileSync(shim, `#!/bin/sh\nexec ${process.execPath} ${join(root, 'cli', 'main.ts')} "$@"\n`)
    chmodSync(shim, 0o755)
    const { entrypoint, command } = compose.services['init']
    const [shell, ...flags] = entrypoint!
    for (const _ of [1, 2]) {
      const { code, said } = await run(shell, [...flags, ...command!], { env: environmentOf('init', 0) })
      expect({ code, said: code === 0 ? '' : said }).toEqual({ code: 0, said: '' })
    }
  })

  it('comes up healthy and ready, takes a payment with the drawn key into a cycle, and stops when asked', async () => {
    const door = await freePort()
    const names = ['worker', 'worker', 'sink'] as const
    started.push(...(await Promise.all(names.map((name, copy) => start(name, copy)))))
    started.push(await start('serve', 3, door))
    expect((await run(process.execPath, ['-e', checkOf('serve', await freePort())])).code).toBe(1)
    for (const { port } of started) {
      while (!(await fetch(`http://127.0.0.1:${port}/ready`)).ok) await sleep(200)
    }
    const payment = {
      transactionId: 'P1',
      occurredAt: new Date(performance.timeOrigin + performance.now()).toISOString(),
      payerAccount: 'acc-7',
      payeeAccount: 'acc-9',
      payerBank: 'bank-a',
      payeeBank: 'bank-b',
      amount: '100.00',
      currency: 'EUR',
    }
    const headers = { authorization: `Bearer ${secret('api-key')}`, 'content-type': 'application/json' }
    const url = `http://127.0.0.1:${door}/v1/transactions`
    expect((await fetch(url, { method: 'POST', body: JSON.stringify(payment) })).status).toBe(401)
    const posted = await fetch(url, { method: 'POST', headers, body: JSON.stringify(payment) })
    expect({ status: posted.status, body: await posted.json() }).toMatchObject({ status: 202 })
    /** What has become of it; null while nobody knows of it. */
    const stateOf = async (): Promise<string | null> => {
      const answer = await fetch(`${url}/http/P1`, { headers })
      const { transactions = [] } = (await answer.json()) as { transactions?: { state: string }[] }
      return transactions[0]?.state ?? null
    }
    let state: string | null
    while ((state = await stateOf()) === null || state === 'queued') await sleep(200)
    expect(state).toBe('pending')
    for (const { server } of started) await server.stop()
    expect(started.map(({ server }) => server.exitCode)).toEqual([0, 0, 0, 0])
  })
})
