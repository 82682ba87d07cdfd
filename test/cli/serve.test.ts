/** `serve` as a process: payments in over HTTP, ticks, alerts, holds, questions; stopped, refused, locked. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clientOf, clientOfLocked, hereOrThere } from '../../cli/client.ts'
import { openDirectory } from '../../cli/engine.ts'
import { LockedError } from '../../streams/index.ts'
import type { Snapshot } from '../../dashboard/snapshot.ts'
import { payment, post, TestDirectory, until } from './serving.ts'

let directory: TestDirectory
beforeEach(() => {
  directory = new TestDirectory()
})
afterEach(() => directory.remove())

/** Payments of 1 EUR by one account at once: the first rules hold some of them as card testing. */
const burst = (account: string, count: number): object[] =>
  Array.from({ length: count }, (_, i) => payment(`${account}-${i}`, { payerAccount: account, amount: '1.00' }))

test('a payment is queued, decided, settled and looked up; the balance sheet balances', async () => {
  const serving = await directory.serve()
  const client = clientOf(serving.endpoint)
  const { status, value } = await post(serving.endpoint, [payment('P1'), payment('P1'), payment('X', { amount: '-1' })])
  expect(status).toBe(202)
  expect(value).toMatchObject({ queued: 2, refused: 1 })
  const [settled] = await until(
    () => client.lookup('http', 'P1'),
    (views) => views[0]?.state === 'settled',
  )
  expect(settled).toMatchObject({
    payerAccount: 'ACC-P1',
    amountMinor: '1230',
    receipt: { outcome: 'APPROVE', score: 0, features: { payments1m: 1, amount1m: 1230 } },
    cycle: { lengthMs: 2_000, late: false },
  })
  expect(settled.instructions.map(({ member, direction, amountMinor }) => [member, direction, amountMinor])).toEqual([
    ['bank-a', 'PAY', '1230'],
    ['bank-b', 'RECEIVE', '1230'],
  ])
  const sheet = await client.balance()
  expect(sheet).toMatchObject({
    balanced: true,
    payments: { received: 2, accepted: 1, duplicate: 1, settled: 1, pending: 0 },
    currencies: { EUR: { grossMinor: '1230', netMinor: '1230', instructions: 2 } },
  })
  expect(await client.lookup('http', 'nobody-sent-this')).toEqual([])
  // The same life from the tables: once they have the rows, nothing of it comes from the log.
  await until(
    () => client.sql("SELECT count() AS n FROM transactions WHERE transactionId = 'P1'"),
    ({ rows }) => rows[0].n === '2',
  )
  await until(
    () => client.sql('SELECT count() AS n FROM instructions'),
    ({ rows }) => rows[0].n === '2',
  )
  expect(await client.lookup('http', 'P1', 'ACC-P1')).toEqual([{ ...settled, duplicates: 1 }])
  expect((await client.questions()).map(({ name }) => name)).toContain('dead-letters')
  expect(Array.isArray((await client.ask('dead-letters', {})).rows)).toBe(true)
  await expect(client.sql('DROP TABLE decisions')).rejects.toThrow(/SLUICE_CLICKHOUSE_REFUSED/)
  await expect(client.ask('no-such-question', {})).rejects.toThrow(/no such question/)
  expect(await serving.end('SIGTERM')).toBe(0)
})

test('alerts come by server-sent events and go on after the last id; a held payment is released and settles', async () => {
  const serving = await directory.serve()
  const client = clientOf(serving.endpoint)
  await post(serving.endpoint, burst('ACC-BURST', 20))
  const first = await alertsAfter(serving.endpoint, 'start', 1)
  expect(first[0].data).toMatchObject({ payerAccount: 'ACC-BURST', currency: 'EUR' })
  await post(serving.endpoint, burst('ACC-OTHER', 20))
  const later = await alertsAfter(serving.endpoint, first[0].id, 1)
  expect(later[0].id).not.toBe(first[0].id)
  const all = await alertsAfter(serving.endpoint, 'start', 2)
  expect(all[1].data).toEqual(later[0].data)
  const wrong = await fetch(`${serving.endpoint}/v1/alerts?after=12345678.0.0.0`)
  expect(wrong.status).toBe(400)

  const { holds, total } = await until(
    () => client.holds(100),
    (open) => open.total > 0,
  )
  expect(holds).toHaveLength(total)
  const [hold] = holds
  const [held] = await client.lookup(hold.producer, hold.transactionId, hold.payerAccount)
  expect(held.state).toBe('held')
  const identity = { producer: hold.producer, payerAccount: hold.payerAccount, transactionId: hold.transactionId }
  const by = { by: 'ops', why: 'checked by phone' }
  const released = await client.resolve({ action: 'release', resolutionId: 'R-1', ...identity, ...by })
  expect(released).toMatchObject({ resolutionId: 'R-1', result: 'released' })
  const again = await client.resolve({ action: 'release', resolutionId: 'R-1', ...identity, ...by })
  expect(again).toEqual(released)
  const refused = await client.resolve({ action: 'reject', ...identity, ...by })
  expect(refused).toMatchObject({ result: 'refused', why: 'Nothing is held under this identity.' })
  const [settled] = await until(
    () => client.lookup(hold.producer, hold.transactionId, hold.payerAccount),
    (views) => views[0]?.state === 'settled',
  )
  expect(settled.cycle?.start).toBe(released.cycleStart)
  expect(settled.holdEvents.map(({ event }) => event)).toEqual(['HELD', 'RELEASED', 'REFUSED'])
  expect((await client.balance()).balanced).toBe(true)
  expect(await serving.end('SIGINT')).toBe(0)
})

test('the page gets snapshots: flows, cycles, positions, holds; account numbers are masked', async () => {
  const serving = await directory.serve(directory.options({ clickhouse: false }))
  const client = clientOf(serving.endpoint)
  await post(serving.endpoint, [payment('P1'), payment('H1', { payerBank: 'bank-unknown' })])
  await until(
    () => client.lookup('http', 'P1'),
    (views) => views[0]?.state === 'settled',
  )
  const snapshot = await snapshotWhere(
    serving.endpoint,
    (one) => one.positions.length > 0 && one.balance.payments.received === 2,
  )
  expect(snapshot.time).toMatchObject({ clock: 'WALL', speed: 1 })
  expect(snapshot.positions).toContainEqual({ member: 'bank-a', currency: 'EUR', netMinor: '-1230' })
  expect(snapshot.positions).toContainEqual({ member: 'bank-d', currency: 'EUR', netMinor: '0' })
  expect(snapshot.cycles[0].state).toBe('filling')
  expect(snapshot.cycles.at(-1)).toMatchObject({
    state: 'settled',
    currencies: [{ currency: 'EUR', count: 1, grossMinor: '1230', netMinor: '1230' }],
  })
  expect(snapshot.heldCount).toBe(1)
  expect(snapshot.holds[0]).toMatchObject({
    transactionId: 'H1',
    payerAccount: '••••-H1',
    reasons: ['unknownParticipant'],
  })
  expect(snapshot.balance).toMatchObject({ balanced: true, payments: { received: 2, settled: 1, held: 1 } })
  const nodes = new Set(snapshot.graph.nodes.map(({ id }) => id))
  for (const { from, to } of [...snapshot.graph.edges, ...snapshot.flows]) {
    expect(nodes).toContain(from)
    expect(nodes).toContain(to)
  }
  expect(snapshot.flows.find(({ to }) => to === 'decisions')?.total).toBe(2)
  expect(await serving.end('SIGTERM')).toBe(0)
})

test('the directory is locked while it runs, and its door is found in it', async () => {
  const serving = await directory.serve(directory.options({ clickhouse: false }))
  const { data } = directory.options()
  const endpoint = await hereOrThere(
    async () => {
      await (await openDirectory({ directory: data, create: false })).backend.close()
      return 'not locked'
    },
    (client) => Promise.resolve(client.endpoint),
  )
  expect(endpoint).toBe(serving.endpoint)
  await expect(directory.serve(directory.options({ clickhouse: false }))).rejects.toThrow(/SLUICE_LOCKED/)
  expect(() => clientOfLocked(new LockedError(data, 12, null))).toThrow(/takes no questions/)
  expect(await serving.end('SIGTERM')).toBe(0)
})

test('without a member list it refuses; a list is remembered; Ctrl-C twice at once is one', async () => {
  const none = directory.options({ members: undefined, clickhouse: false })
  await expect(directory.serve(none)).rejects.toThrow(/needs one: give --members/)
  const bad = directory.options({ members: '/dev/null', clickhouse: false })
  await expect(directory.serve(bad)).rejects.toThrow(/--members/)
  const first = await directory.serve(directory.options({ clickhouse: false }))
  expect(first.words()).toContain('Member list test-1: 4 banks.')
  expect(await first.end('SIGINT')).toBe(0)
  const second = await directory.serve(none)
  expect(second.words()).toContain('Member list test-1: 4 banks.')
  const ended = second.end('SIGINT')
  await sleep(10)
  expect(await Promise.all([ended, second.end('SIGINT')])).toEqual([0, 0])
  expect(second.words()).toMatch(/Stopping\.\nStopped\./)
  const any = await directory.serve(directory.options({ members: 'any', clickhouse: false }))
  expect(any.words()).toContain('Every bank counts as a member')
  expect(await any.end('SIGTERM')).toBe(0)
})

test('with API keys a program needs one; a key that is bound to a producer sends under it', async () => {
  const apiKeys = [
    { name: 'ops', key: 'key-of-ops' },
    { name: 'shop', key: 'key-of-shop', producer: 'shop' },
  ]
  const serving = await directory.serve(directory.options({ clickhouse: false, apiKeys }))
  await expect(clientOf(serving.endpoint, '').holds(1)).rejects.toThrow(/SLUICE_API_KEY/)
  const response = await fetch(`${serving.endpoint}/v1/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer key-of-shop' },
    body: JSON.stringify(payment('K1')),
  })
  expect(response.status).toBe(202)
  const client = clientOf(serving.endpoint, 'key-of-ops')
  const views = await until(
    () => client.lookup('shop', 'K1'),
    (found) => found.length === 1 && found[0].state !== 'queued',
  )
  expect(views[0].producer).toBe('shop')
  expect(await serving.end('SIGTERM')).toBe(0)
})

interface Alert {
  readonly id: string
  readonly data: Record<string, unknown>
}

/** The first so many events of a stream. */
async function events(url: string, enough: (events: readonly Alert[]) => boolean): Promise<Alert[]> {
  const response = await fetch(url)
  const found: Alert[] = []
  let text = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(chunk)
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end)
      text = text.slice(end + 2)
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (data === undefined) continue
      found.push({ id: /^id: (.*)$/m.exec(block)?.[1] ?? '', data: JSON.parse(data) as Record<string, unknown> })
      // Leaving the loop closes the stream.
      if (enough(found)) return found
    }
  }
  throw new Error('the stream ended')
}

const alertsAfter = (endpoint: string, after: string, count: number): Promise<Alert[]> =>
  events(`${endpoint}/v1/alerts?after=${after}`, (found) => found.length >= count)

async function snapshotWhere(endpoint: string, right: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
  const of = ({ data }: Alert): Snapshot => data as unknown as Snapshot
  const found = await events(`${endpoint}/v1/events`, (all) => right(of(all.at(-1) as Alert)))
  return of(found.at(-1) as Alert)
}
