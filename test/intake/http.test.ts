/** POST /v1/transactions and the rest of the endpoints: what is queued, what is refused and why, and when it is answered. */
import { afterEach, describe, expect, test } from 'vitest'
import { QueueFullError, type HoldOutcome } from '../../intake/http/ports.ts'
import { now, settledPayment, startServer } from './fake-ports.ts'

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

const payment = {
  transactionId: 'P1',
  occurredAt: '2026-01-05T12:00:00Z',
  payerAccount: 'DE-1',
  payeeAccount: 'FR-2',
  payerBank: 'bank-a',
  payeeBank: 'bank-b',
  amount: '100.00',
  currency: 'EUR',
}

interface Answer {
  queued: number
  refused: number
  results: { index: number; transactionId: string | null; result: string; reason?: string; message?: string }[]
}

async function post(url: string, body: string, type = 'application/json'): Promise<{ status: number; answer: Answer }> {
  const response = await fetch(`${url}/v1/transactions`, { method: 'POST', body, headers: { 'content-type': type } })
  return { status: response.status, answer: (await response.json()) as Answer }
}

describe('one item: what is asked of it', () => {
  const without = (name: string): string => JSON.stringify({ ...payment, [name]: undefined })
  const withField = (name: string, value: unknown): string => JSON.stringify({ ...payment, [name]: value })
  /** Raw JSON of the amount, so that numbers arrive as they are written. */
  const amount = (raw: string, currency = 'EUR'): string =>
    JSON.stringify({ ...payment, amount: 0, currency }).replace('"amount":0', `"amount":${raw}`)
  const minor = (raw: string): string => without('amount').replace('{', `{"amountMinor":${raw},`)

  const table: [what: string, body: string, reason: string | null][] = [
    ['as it should be', JSON.stringify(payment), null],
    ['epoch milliseconds', withField('occurredAt', now), null],
    ['epoch milliseconds as a text', withField('occurredAt', String(now)), null],
    ['another zone', withField('occurredAt', '2026-01-05T14:00:00.5+02:00'), null],
    ['kind in lower case', JSON.stringify({ ...payment, kind: 'refund', originalTransactionId: 'P0' }), null],
    ['empty merchant and country are absent', JSON.stringify({ ...payment, merchant: '', country: '' }), null],
    ['amount as an exact number', amount('100.10'), null],
    ['amount as a whole number', amount('5'), null],
    ['amount in minor units', minor('10000'), null],
    ['amount in minor units, 2^53', minor('9007199254740992'), null],
    ['yen have no decimals', amount('"100"', 'JPY'), null],
    ['30 s ahead is still plausible', withField('occurredAt', now + 30_000), null],

    ['amount as a float that is not decimal text', amount('1e2'), 'unreadable-amount'],
    ['amount as a number with too many decimals', amount('0.30000000000000004'), 'amount-precision'],
    ['amount as words', amount('"ten"'), 'unreadable-amount'],
    ['amount missing', without('amount'), 'unreadable-amount'],
    ['both amounts', withField('amountMinor', 10_000), 'unreadable-amount'],
    ['negative', amount('"-5.00"'), 'invalid-amount'],
    ['negative number', amount('-5'), 'invalid-amount'],
    ['zero', amount('"0.00"'), 'invalid-amount'],
    ['one above 2^53', minor('9007199254740993'), 'invalid-amount'],
    ['minor units that are no integer', minor('1.5'), 'unreadable-amount'],
    ['minor units that a float would round to an integer', minor('100.00000000000000000001'), 'unreadable-amount'],
    ['three decimals of a euro', amount('"1.005"'), 'amount-precision'],
    ['half a yen', amount('"1.5"', 'JPY'), 'amount-precision'],
    ['unknown currency', amount('"1.00"', 'EUX'), 'invalid-currency'],
    ['currency in lower case', amount('"1.00"', 'eur'), 'invalid-currency'],
    ['no id', without('transactionId'), 'invalid-transaction-id'],
    ['an id that is a number', withField('transactionId', 17), 'invalid-transaction-id'],
    ['an id of 65 characters', withField('transactionId', 'x'.repeat(65)), 'invalid-transaction-id'],
    ['no payer account', without('payerAccount'), 'invalid-payer-account'],
    ['no payee account', without('payeeAccount'), 'invalid-payee-account'],
    ['no payer bank', without('payerBank'), 'invalid-payer-bank'],
    ['no payee bank', without('payeeBank'), 'invalid-payee-bank'],
    ['a country of three letters', withField('country', 'DEU'), 'invalid-country'],
    ['a merchant that is a number', withField('merchant', 7), 'invalid-merchant'],
    ['an empty producer', withField('producer', ''), 'invalid-producer'],
    ['a refund of nothing', withField('kind', 'REFUND'), 'invalid-original'],
    ['an unknown kind', withField('kind', 'gift'), 'unreadable-kind'],
    ['no zone', withField('occurredAt', '2026-01-05T12:00:00'), 'unreadable-time'],
    ['a day that does not exist', withField('occurredAt', '2026-02-30T12:00:00Z'), 'unreadable-time'],
    ['no time', without('occurredAt'), 'unreadable-time'],
    ['1970', withField('occurredAt', '1970-01-01T00:00:00Z'), 'time-too-early'],
    ['2100', withField('occurredAt', '2100-01-01T00:00:00Z'), 'time-too-late'],
    ['more than 30 s ahead', withField('occurredAt', now + 30_001), 'time-too-late'],
    ['a field that does not exist', withField('Kind', 'refund'), 'unknown-field'],
    ['not an object', '[17]', 'not-an-object'],
    ['an array in an array', '[[]]', 'not-an-object'],
    ['null', 'null', 'not-an-object'],
  ]
  test.each(table)('%s', async (_, body, reason) => {
    const { url, intake } = await start()
    const { status, answer } = await post(url, body)
    expect(answer.results[0].reason ?? null).toBe(reason)
    expect(status).toBe(reason === null ? 202 : 422)
    expect(intake.records.length).toBe(reason === null ? 1 : 0)
    expect(answer.results[0].message ?? 'It is queued.').toMatch(/\w+ .*\./)
  })
})

test('the record is keyed by payer account, in its partition, with the clock of the seam', async () => {
  const { url, intake } = await start()
  await post(url, JSON.stringify({ ...payment, payerAccount: '21' }))
  const [record] = intake.records
  // murmur2 of '21' is -973932308 in Kafka's own tests: & 0x7fffffff, mod 4.
  expect(record.partition).toBe((-973932308 & 0x7fffffff) % 4)
  expect(Buffer.from(record.key ?? []).toString()).toBe('21')
  expect(record.timestamp).toBe(now)
})

describe('many items', () => {
  const three = [payment, { ...payment, transactionId: 'P2', currency: 'XXX' }, { ...payment, transactionId: 'P3' }]
  const bodies: [string, string, string][] = [
    ['an array', JSON.stringify(three), 'application/json'],
    ['{"transactions": [...]}', JSON.stringify({ transactions: three }), 'application/json'],
    ['NDJSON', three.map((item) => JSON.stringify(item)).join('\n') + '\n', 'application/x-ndjson'],
  ]
  test.each(bodies)('%s: a result for each, 202 because one was queued', async (_, body, type) => {
    const { url, intake } = await start()
    const { status, answer } = await post(url, body, type)
    expect(status).toBe(202)
    expect(answer).toMatchObject({ queued: 2, refused: 1 })
    expect(answer.results.map(({ index, transactionId, result }) => [index, transactionId, result])).toEqual([
      [0, 'P1', 'queued'],
      [1, 'P2', 'refused'],
      [2, 'P3', 'queued'],
    ])
    expect(intake.records.length).toBe(2)
  })

  test('a line of NDJSON that is no JSON is refused alone', async () => {
    const { url } = await start()
    const { answer } = await post(url, `{"transactionId\n${JSON.stringify(payment)}`, 'application/x-ndjson')
    expect(answer.results.map((result) => result.reason ?? result.result)).toEqual(['json-syntax', 'queued'])
  })

  test('a field named reason does not pass for a refusal', async () => {
    const { url, server } = await start()
    const { answer } = await post(url, '{"reason":"mine","message":"mine"}')
    expect(answer.results[0].reason).toBe('unknown-field')
    expect(server.counters.refused.get('unknown-field')).toBe(1)
  })
})

describe('durability', () => {
  test('202 only after the commit is durable', async () => {
    const { url, intake } = await start()
    const gate = Promise.withResolvers<void>()
    intake.gate = gate.promise
    let answered = false
    const posting = post(url, JSON.stringify(payment)).then((answer) => {
      answered = true
      return answer
    })
    // Another request goes through meanwhile: the server is alive, only this answer waits.
    expect((await fetch(`${url}/health`)).status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(answered).toBe(false)
    gate.resolve()
    expect((await posting).status).toBe(202)
  })

  test('a commit that fails is 503 and says that sending again is safe', async () => {
    const { url, intake } = await start()
    intake.fails = new Error('disk full')
    const response = await fetch(`${url}/v1/transactions`, { method: 'POST', body: JSON.stringify(payment) })
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: 'not-durable', message: expect.stringContaining('disk full') })
  })

  test('a full queue is 429 with Retry-After', async () => {
    const { url, intake } = await start()
    intake.fails = new QueueFullError(2)
    const response = await fetch(`${url}/v1/transactions`, { method: 'POST', body: JSON.stringify(payment) })
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '2'])
  })
})

describe('bodies that cannot be read', () => {
  const table: [string, string | Uint8Array<ArrayBuffer>, number, string][] = [
    ['not JSON', '{"transactionId": ', 400, 'json-syntax'],
    ['not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400, 'text-encoding'],
    ['nothing', '', 400, 'json-syntax'],
    ['no item', '[]', 400, 'empty'],
    ['larger than the limit', `[${'1,'.repeat(2000)}1]`, 413, 'body-too-large'],
  ]
  test.each(table)('%s', async (_, body, status, error) => {
    const { url, intake, server } = await start({ bodyLimitBytes: 2048 })
    const response = await fetch(`${url}/v1/transactions`, { method: 'POST', body })
    expect(response.status).toBe(status)
    expect(((await response.json()) as { error: string }).error).toBe(error)
    expect(intake.records.length).toBe(0)
    expect(server.counters.errors.get(error)).toBe(1)
  })

  test('an undefined limit is the default, not none', async () => {
    const { url } = await start({ bodyLimitBytes: undefined })
    const body = ' '.repeat(1024 * 1024 + 1)
    expect((await fetch(`${url}/v1/transactions`, { method: 'POST', body })).status).toBe(413)
  })

  test('a body without a length is cut off at the limit, too', async () => {
    const { url } = await start({ bodyLimitBytes: 2048 })
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 64; i++) controller.enqueue(new Uint8Array(1024).fill(32))
        controller.close()
      },
    })
    const init = { method: 'POST', body: chunks, duplex: 'half' } as RequestInit
    // The server answers and hangs up; which of the two fetch sees first is up to the network.
    const status = await fetch(`${url}/v1/transactions`, init).then(
      (response) => response.status,
      () => 413,
    )
    expect(status).toBe(413)
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })
})

describe('lookups', () => {
  test('what is known, whole for a program', async () => {
    const { url, queries } = await start()
    queries.known.push(settledPayment, { ...settledPayment, payerAccount: 'DE-2' })
    const all = (await (await fetch(`${url}/v1/transactions/shop/P1`)).json()) as { transactions: object[] }
    expect(all.transactions).toEqual([settledPayment, { ...settledPayment, payerAccount: 'DE-2' }])
    const one = await fetch(`${url}/v1/transactions/shop/P1?payerAccount=DE-2`)
    expect(((await one.json()) as { transactions: object[] }).transactions.length).toBe(1)
    expect((await fetch(`${url}/v1/transactions/shop/P9`)).status).toBe(404)
  })

  test('ids with slashes and blanks travel percent-encoded', async () => {
    const { url, queries } = await start()
    queries.known.push({ ...settledPayment, transactionId: 'a/b c?d' })
    expect((await fetch(`${url}/v1/transactions/shop/${encodeURIComponent('a/b c?d')}`)).status).toBe(200)
    expect((await fetch(`${url}/v1/transactions/shop/%ff`)).status).toBe(400)
  })

  test('questions and SQL', async () => {
    const { url, queries } = await start()
    expect(await (await fetch(`${url}/v1/ask/dead-letters?since=1`)).json()).toMatchObject({ rows: [{ since: '1' }] })
    expect((await fetch(`${url}/v1/ask/nothing`)).status).toBe(404)
    const sql = (query: unknown): Promise<Response> =>
      fetch(`${url}/v1/sql`, { method: 'POST', body: JSON.stringify({ query }) })
    expect((await sql('SELECT 1')).status).toBe(200)
    const refused = await sql('DROP TABLE x')
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { error: 'query-refused', message: 'Only SELECT is allowed here.' },
    ])
    expect((await sql(17)).status).toBe(400)
    expect(queries.queries).toEqual(['SELECT 1', 'DROP TABLE x'])
  })

  test('the topology as text, mermaid and a graph', async () => {
    const { url } = await start()
    expect(await (await fetch(`${url}/v1/topology?format=text`)).text()).toBe('Topologies:\n')
    expect(await (await fetch(`${url}/v1/topology?format=mermaid`)).text()).toBe('flowchart LR\n')
    expect(await (await fetch(`${url}/v1/topology`)).json()).toHaveProperty('graph')
    expect((await fetch(`${url}/v1/topology?format=svg`)).status).toBe(400)
  })

  test('an unknown address, and a wrong method', async () => {
    const { url } = await start()
    expect((await fetch(`${url}/v2/x`)).status).toBe(404)
    const wrong = await fetch(`${url}/v1/holds/release`)
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

describe('holds', () => {
  const resolution = {
    producer: 'shop',
    payerAccount: 'DE-1',
    transactionId: 'P1',
    by: 'Ada',
    why: 'called the payer',
    resolutionId: 'r-1',
  }
  const release = (url: string, body: object): Promise<Response> =>
    fetch(`${url}/v1/holds/release`, { method: 'POST', body: JSON.stringify(body) })

  const outcomes: [string, HoldOutcome | null, number, object][] = [
    ['carried out', { event: 'RELEASED', cycleStart: 17, why: '' }, 200, { result: 'released', cycleStart: 17 }],
    [
      'refused',
      { event: 'REFUSED', cycleStart: null, why: 'nothing held' },
      409,
      { result: 'refused', why: 'nothing held' },
    ],
    ['not decided yet', null, 202, { result: 'queued' }],
  ]
  test.each(outcomes)('%s', async (_, outcome, status, answer) => {
    const { url, intake, holds } = await start()
    holds.outcome = outcome
    const response = await release(url, { ...resolution, waitMs: 5 })
    expect([response.status, await response.json()]).toEqual([status, { resolutionId: 'r-1', ...answer }])
    expect(intake.records.length).toBe(1)
    expect(holds.asked[0]).toMatchObject({ resolutionId: 'r-1', waitMs: 5 })
  })

  const wrong: [string, object][] = [
    ['nobody', { ...resolution, by: '' }],
    ['no reason', { ...resolution, why: '   ' }],
    ['no identity', { by: 'Ada', why: 'x' }],
    ['a field that does not exist', { ...resolution, note: 'x' }],
    ['a ref of another process', { ref: 'AAAA', by: 'Ada', why: 'x' }],
    ['notSettledElsewhere as a text', { ...resolution, notSettledElsewhere: 'yes' }],
  ]
  test.each(wrong)('%s: nothing is written', async (_, body) => {
    const { url, intake } = await start()
    expect((await release(url, body)).status).toBe(400)
    expect(intake.records.length).toBe(0)
  })
})

test('a resolution without an id gets one of its own', async () => {
  const { url, holds } = await start()
  const body = JSON.stringify({ producer: 's', payerAccount: 'a', transactionId: 't', by: 'Ada', why: 'x' })
  for (let i = 0; i < 2; i++) await fetch(`${url}/v1/holds/reject`, { method: 'POST', body })
  const ids = new Set(holds.asked.map((asked) => asked.resolutionId))
  expect(ids.size).toBe(2)
})
