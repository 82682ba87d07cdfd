/** The doors of a line on Kafka as its users have them: streams, questions, SQL, and what is answered while the brokers stand still. */
import { get, type ClientRequest, type IncomingMessage } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { startClickHouse, type ClickHouseServer } from '../../sink/server.ts'
import { sluice, surroundings } from '../lib/sluice.ts'
import { sleep } from '../services/cache.ts'
import { missingOf, running } from '../services/index.ts'
import { kafka } from '../services/kafka.ts'
import { redis } from '../services/redis.ts'
import { environmentWith } from './cluster-names.ts'
import { Processes, type Going } from './cluster-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-door-'))
// Our own: its broker is stopped here.
const [foundKafka, foundRedis] = await Promise.all([kafka({ own: true }), redis()])
const server = await startClickHouse({ directory, environment: surroundings() }).catch(
  (error: unknown) => error as Error,
)
const missing = missingOf(foundKafka) ?? missingOf(foundRedis) ?? (server instanceof Error ? server.message : null)

interface Sheet {
  readonly payments: Readonly<Record<string, number>>
  readonly balanced: boolean
}

const sorted = (texts: readonly string[]): string[] => texts.toSorted((a, b) => (a < b ? -1 : 1))

/** One listener to a stream of server-sent events. */
class Listener {
  readonly events: { readonly id: string; readonly event: string; readonly data: Record<string, unknown> }[] = []
  readonly #request: ClientRequest

  constructor(url: string, lastId?: string) {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
    this.#request = get(url, { headers, agent: false }, (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        const blocks = (text + chunk).split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)))
          if (fields.event === undefined) continue
          const data = JSON.parse(fields.data) as Record<string, unknown>
          this.events.push({ id: fields.id, event: fields.event, data })
        }
      })
    }).on('error', () => undefined)
  }

  /** Waits until there are so many. */
  async until(count: number): Promise<this> {
    while (this.events.length < count) await sleep(50)
    return this
  }

  close(): void {
    this.#request.destroy()
  }
}

describe.skipIf(missing !== null)(`the doors of a cluster${missing === null ? '' : ` (${missing})`}`, () => {
  const processes = new Processes()
  const listeners: Listener[] = []
  afterAll(async () => {
    for (const listener of listeners) listener.close()
    await processes.stop()
    await (server as ClickHouseServer).stop()
    await running(foundKafka).stop()
    await running(foundRedis).stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const start = (env: NodeJS.ProcessEnv, ...args: readonly string[]): Going => processes.start(env, args)
  const listen = (url: string, lastId?: string): Listener => {
    const listener = new Listener(url, lastId)
    listeners.push(listener)
    return listener
  }

  /** A line of its own with a worker, a sink and as many doors as are asked for. */
  async function line(doors: number): Promise<{ env: NodeJS.ProcessEnv; urls: string[] }> {
    const clickHouse = server as ClickHouseServer
    const env = environmentWith(clickHouse, { kafka: running(foundKafka), redis: running(foundRedis) })
    const made = await sluice(['init', '--partitions', '2', '--cycle', '2', '--grace', '1'], undefined, env)
    expect(made).toMatchObject({ code: 0 })
    start(env, 'worker')
    start(env, 'sink')
    const opened = Array.from({ length: doors }, () => start(env, 'serve', '--members', 'any', '--port', '0'))
    const urls = await Promise.all(opened.map(async (door) => (await door.until(/API +(http:\/\/\S+?)\/v1/))[1]))
    return { env, urls }
  }

  const payment = (transactionId: string, amount = '2.50') => ({
    producer: 'shop',
    transactionId,
    payerAccount: `acc-${transactionId}`,
    payeeAccount: `payee-${transactionId.length}`,
    payerBank: 'bank-a',
    payeeBank: 'bank-b',
    amount,
    currency: 'EUR',
    // The same whenever it is sent: what is sent again is a copy.
    occurredAt: began,
  })
  const began = new Date(Date.now()).toISOString()

  const post = (url: string, payments: readonly object[]): Promise<Response> =>
    fetch(`${url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(payments),
    })

  async function settled(url: string, accepted: number): Promise<Sheet> {
    for (;;) {
      const sheet = (await (await fetch(`${url}/v1/balance`)).json()) as Sheet
      if (sheet.payments.accepted >= accepted && sheet.payments.pending === 0) return sheet
      await sleep(300)
    }
  }

  it('streams alerts without a gap over two doors, and answers questions and SQL at the door and on the command line', async () => {
    const { env, urls } = await line(2)
    const listener = listen(`${urls[0]}/v1/alerts`)
    const page = listen(`${urls[1]}/v1/events`)
    await page.until(1)
    const ids = Array.from({ length: 40 }, (_, n) => `P${n}`)
    expect(
      (
        await post(
          urls[0],
          ids.map((id) => payment(id)),
        )
      ).status,
    ).toBe(202)
    // The same ids with other amounts: each is a conflict, and each conflict an alert.
    expect(
      (
        await post(
          urls[1],
          ids.map((id) => payment(id, '9.99')),
        )
      ).status,
    ).toBe(202)
    await listener.until(15)
    listener.close()
    const seen = listener.events.slice(0, 15)
    const further = await listen(`${urls[1]}/v1/alerts`, seen[14].id).until(25)
    const whole = await listen(`${urls[1]}/v1/alerts?after=start`).until(40)
    const conflicts = (events: Listener['events']): string[] => {
      expect(new Set(events.map(({ data }) => data.alert))).toEqual(new Set(['CONFLICT']))
      return sorted(events.map(({ data }) => String(data.transactionId)))
    }
    expect(conflicts([...seen, ...further.events])).toEqual(sorted(ids))
    expect(conflicts(whole.events)).toEqual(sorted(ids))

    expect(await settled(urls[0], 40)).toMatchObject({ balanced: true, payments: { accepted: 40, conflicting: 40 } })
    const shown = (): Sheet => page.events[page.events.length - 1].data.balance as Sheet
    while (shown().payments.settled < 40) await sleep(100)
    expect(shown()).toMatchObject({ balanced: true, payments: { accepted: 40, conflicting: 40 } })

    const query = 'SELECT count() AS n, sum(gross) AS gross FROM settlements'
    const rows = async (): Promise<{ gross: unknown }[]> => {
      const response = await fetch(`${urls[0]}/v1/sql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      })
      expect(response.status).toBe(200)
      return ((await response.json()) as { rows: { gross: unknown }[] }).rows
    }
    while (Number((await rows())[0].gross) < 10_000) await sleep(300)
    expect(Number((await rows())[0].gross)).toBe(10_000)
    const onLine = await sluice(['sql', query, '--json'], undefined, env)
    expect(JSON.parse(onLine.stdout)).toEqual(await rows())
    const outcomes = async (): Promise<{ transactions: string }[]> => {
      const response = await fetch(`${urls[1]}/v1/ask/outcomes`)
      expect(response.status).toBe(200)
      return ((await response.json()) as { rows: { transactions: string }[] }).rows
    }
    const told = (rows: { transactions: string }[]): number =>
      rows.reduce((sum, { transactions }) => sum + Number(transactions), 0)
    // 40 that are settled, 40 in conflict.
    while (told(await outcomes()) < 80) await sleep(300)
    const commanded = await sluice(['ask', 'outcomes', '--json'], undefined, env)
    expect(JSON.parse(commanded.stdout)).toEqual(await outcomes())
    expect(await outcomes()).toEqual(
      expect.arrayContaining([expect.objectContaining({ line: 'accepted', part: 'settled', transactions: '40' })]),
    )
    const refused = await sluice(['sql', 'DROP TABLE decisions'], undefined, env)
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/readonly|read only|privileges/i)
  })

  it('answers 429 and 503 while the broker stands still; nothing answered 202 is lost, and everything else may be sent again', async () => {
    const { urls } = await line(1)
    const [url] = urls
    const [broker] = running(foundKafka).nodes
    const listener = listen(`${url}/v1/alerts`)
    const accepted = new Set<string>()
    const statuses: number[] = []
    const waits: (string | null)[] = []
    const queuedOf: number[] = []
    /** Sends a body, again and again when `patient`, until it is answered 202. */
    const send = async (name: string, patient: boolean): Promise<void> => {
      const ids = Array.from({ length: 3_000 }, (_, n) => `${name}-${n}`)
      for (;;) {
        const response = await post(
          url,
          ids.map((id) => payment(id)),
        )
        statuses.push(response.status)
        const { queued = 0, message = '' } = (await response.json()) as { queued?: number; message?: string }
        if (response.status === 202) {
          queuedOf.push(queued)
          for (const id of ids) accepted.add(id)
          return
        }
        waits.push(response.headers.get('retry-after'))
        if (!/[Ss]end it again/.test(message)) throw new Error(`${response.status} ${message}`)
        if (!patient) return
        await sleep(1_000)
      }
    }
    await send('first', false)

    // Acks do not come: one commit is under way, one group of 100,000 waits, and what comes then is refused at once.
    broker.signal('SIGSTOP')
    // However many the first of them took along, they are more than both hold.
    const bodies = Array.from({ length: 70 }, (_, n) => `short${n}`)
    const sent = Promise.all(bodies.map((name) => send(name, false)))
    while (!statuses.includes(429)) await sleep(50)
    broker.signal('SIGCONT')
    await sent
    expect(new Set(statuses)).toEqual(new Set([202, 429]))
    expect(new Set(waits)).toEqual(new Set(['1']))

    // Longer than a commit is tried: it is not known what became of it, and that is what is said.
    broker.signal('SIGSTOP')
    const later = Promise.all(bodies.map((name) => send(name, true)))
    while (!statuses.includes(503)) await sleep(200)
    broker.signal('SIGCONT')
    await later
    expect(accepted.size).toBe(3_000 * (1 + bodies.length))

    expect(new Set(queuedOf)).toEqual(new Set([3_000]))
    const sheet = await settled(url, accepted.size)
    expect(sheet).toMatchObject({ balanced: true, payments: { accepted: accepted.size, conflicting: 0, pending: 0 } })
    // What was sent again although it was there is a duplicate, and nothing else.
    expect(sheet.payments.received).toBe(accepted.size + sheet.payments.duplicate)

    // A listener from before hears what comes after.
    expect((await post(url, [payment('first-0', '7.77')])).status).toBe(202)
    await listener.until(1)
    expect(listener.events.map(({ data }) => [data.alert, data.transactionId])).toEqual([['CONFLICT', 'first-0']])
    const health = (await (await fetch(`${url}/health`)).json()) as { status: string; problems: string[] }
    expect(health).toMatchObject({ status: 'ok', problems: [] })
  })
})
