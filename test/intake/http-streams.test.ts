/** Server-sent events: alerts with ids to resume by, and snapshots for the page. */
import { get, type IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { now, startServer } from './fake-ports.ts'

type Started = Awaited<ReturnType<typeof startServer>>
const started: Started[] = []
async function start(options: Parameters<typeof startServer>[0] = {}): Promise<Started> {
  const server = await startServer(options)
  started.push(server)
  return server
}
afterEach(async () => {
  for (const { server } of started.splice(0)) await server.close()
})

interface Event {
  id?: string
  event: string
  data: Record<string, unknown>
}

/** Reads events until there are `count`, then hangs up. */
async function events(url: string, count: number, headers: Record<string, string> = {}): Promise<Event[]> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { headers, agent: false }, resolve).on('error', reject)
  })
  expect(response.statusCode).toBe(200)
  expect(response.headers['content-type']).toContain('text/event-stream')
  const found: Event[] = []
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)))
      if (fields.event === undefined) continue
      found.push({ id: fields.id, event: fields.event, data: JSON.parse(fields.data) as Record<string, unknown> })
    }
    if (found.length >= count) break
  }
  response.destroy()
  return found
}

const alert = (transactionId: string): Parameters<Started['alerts']['add']>[0] => ({
  alert: 'HELD',
  producer: 'shop',
  payerAccount: 'DE-12345678',
  transactionId,
  occurredAt: now,
  amountMinor: '100',
  currency: 'EUR',
  score: 60,
  reasons: ['velocity'],
})

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(condition()).toBe(true)
}

describe('alerts', () => {
  test('from the start, then live, each once and in order', async () => {
    const { url, alerts } = await start()
    alerts.add(alert('A1'))
    const reading = events(`${url}/v1/alerts?after=start`, 3)
    await until(() => alerts.following === 1)
    alerts.add(alert('A2'))
    alerts.add(alert('A3'))
    const found = await reading
    expect(found.map(({ id, event, data }) => [id, event, data.transactionId])).toEqual([
      ['1', 'alert', 'A1'],
      ['2', 'alert', 'A2'],
      ['3', 'alert', 'A3'],
    ])
    expect(found[0].data.payerAccount).toBe('DE-12345678')
  })

  test('a listener that comes back goes on after its Last-Event-ID', async () => {
    const { url, alerts } = await start()
    for (const id of ['A1', 'A2', 'A3']) alerts.add(alert(id))
    const [first] = await events(`${url}/v1/alerts?after=start`, 1)
    await until(() => alerts.following === 0)
    const rest = await events(`${url}/v1/alerts?after=start`, 2, { 'last-event-id': String(first.id) })
    expect(rest.map(({ data }) => data.transactionId)).toEqual(['A2', 'A3'])
  })

  test('without a position only what comes from now on', async () => {
    const { url, alerts } = await start()
    alerts.add(alert('A1'))
    const reading = events(`${url}/v1/alerts`, 1)
    await until(() => alerts.following === 1)
    alerts.add(alert('A2'))
    expect((await reading).map(({ data }) => data.transactionId)).toEqual(['A2'])
  })

  test('what is no position is 400', async () => {
    const { url } = await start()
    expect((await fetch(`${url}/v1/alerts?after=nonsense`)).status).toBe(400)
  })

  test('a browser gets accounts masked, with a handle', async () => {
    const { url, alerts } = await start()
    alerts.add(alert('A1'))
    const [found] = await events(`${url}/v1/alerts?after=start`, 1, { 'sec-fetch-site': 'same-origin' })
    expect(found.data.payerAccount).toBe('••••5678')
    expect(found.data.ref).toMatch(/^[\w-]{30,}$/)
  })
})

describe('snapshots', () => {
  const hold = { producer: 'shop', payerAccount: 'DE-12345678', transactionId: 'H1' }

  test('one at once, then again and again, masked, the handle always the same', async () => {
    let made = 0
    const { url } = await start({ events: { snapshot: () => ({ made: ++made, holds: [hold] }), everyMs: 20 } })
    const found = await events(`${url}/v1/events`, 3)
    expect(found.map(({ event }) => event)).toEqual(['snapshot', 'snapshot', 'snapshot'])
    expect(JSON.stringify(found)).not.toContain('DE-12345678')
    const refs = found.map(({ data }) => (data.holds as { ref: string }[])[0].ref)
    expect(new Set(refs).size).toBe(1)
  })

  test('nobody looks: none is made', async () => {
    let made = 0
    const { url, server } = await start({ events: { snapshot: () => ({ made: ++made }), everyMs: 5 } })
    await events(`${url}/v1/events`, 2)
    // The server hears of the end of the connection a moment later.
    await new Promise((resolve) => setTimeout(resolve, 200))
    const after = made
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(made).toBe(after)
    expect(server.counters.errors.size).toBe(0)
  })

  test('closing the server ends the streams', async () => {
    const { url, server } = await start()
    const response = await fetch(`${url}/v1/events`)
    started.length = 0
    const closing = server.close()
    expect(await response.text()).toContain('event: snapshot')
    await closing
  })
})
