/** Who may come in: Host, Origin, the token of this start, API keys, and what a browser gets to see. */
import { request } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { settledPayment, startServer } from './fake-ports.ts'

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

interface Answer {
  status: number
  body: string
  headers: Record<string, string | string[] | undefined>
}

/** A request with exactly these headers: fetch would not let a test set Host and Origin. */
function send(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const payment = JSON.stringify({
  transactionId: 'P1',
  occurredAt: '2026-01-05T12:00:00Z',
  payerAccount: 'DE-1',
  payeeAccount: 'FR-2',
  payerBank: 'bank-a',
  payeeBank: 'bank-b',
  amount: '100.00',
  currency: 'EUR',
})
const resolution = JSON.stringify({ producer: 's', payerAccount: 'a', transactionId: 't', by: 'Ada', why: 'x' })

describe('Host', () => {
  const paths = ['/', '/health', '/v1/holds', '/v1/transactions', '/nothing', '/v1/holds/release']
  test.each(paths)('a name that is not ours is refused at %s', async (path) => {
    const { port } = await start()
    expect((await send(port, path, { host: 'evil.example' })).status).toBe(421)
    expect((await send(port, path, { host: `evil.example:${port}` })).status).toBe(421)
    expect((await send(port, path, { host: '127.0.0.1.evil.example' })).status).toBe(421)
  })

  test.each(['localhost', '127.0.0.1', 'LOCALHOST:8080', '[::1]:8080', 'sluice.internal'])(
    '%s is ours',
    async (host) => {
      const { port } = await start({ hosts: ['sluice.internal'] })
      expect((await send(port, '/health', { host })).status).toBe(200)
    },
  )
})

describe('a request from a browser that changes something', () => {
  const ours = (port: number): string => `http://127.0.0.1:${port}`
  type Headers = (port: number, token: string) => Record<string, string>
  const table: [what: string, headers: Headers, status: number][] = [
    [
      'our own page',
      (port, token) => ({ origin: ours(port), 'sec-fetch-site': 'same-origin', 'x-sluice-token': token }),
      200,
    ],
    ['our own page with no token', (port) => ({ origin: ours(port), 'sec-fetch-site': 'same-origin' }), 403],
    [
      'our own page with another token',
      (port) => ({ origin: ours(port), 'x-sluice-token': 'AAAAAAAAAAAAAAAAAAAAAA' }),
      403,
    ],
    ['another site', (_, token) => ({ origin: 'https://evil.example', 'x-sluice-token': token }), 403],
    ['another port of this machine', (_, token) => ({ origin: 'http://127.0.0.1:1', 'x-sluice-token': token }), 403],
    ['a sandboxed frame', (_, token) => ({ origin: 'null', 'x-sluice-token': token }), 403],
    ['another site, without Origin', (_, token) => ({ 'sec-fetch-site': 'cross-site', 'x-sluice-token': token }), 403],
    ['another port, without Origin', (_, token) => ({ 'sec-fetch-site': 'same-site', 'x-sluice-token': token }), 403],
    ['a page opened by hand, without token', () => ({ 'sec-fetch-site': 'none' }), 403],
    ['a program, not a browser', () => ({}), 200],
  ]
  test.each(table)('%s', async (_, headersOf, status) => {
    const { port, token, intake } = await start()
    const headers = { host: `127.0.0.1:${port}`, ...headersOf(port, token) }
    expect((await send(port, '/v1/holds/release', headers, 'POST', resolution)).status).toBe(status)
    const posted = await send(port, '/v1/transactions', headers, 'POST', payment)
    expect(posted.status).toBe(status === 200 ? 202 : status)
    expect(intake.records.length).toBe(status === 200 ? 2 : 0)
  })

  test('reading from another site is refused too, following a link to the page is not', async () => {
    const { port } = await start({ page: { file: () => ({ type: 'text/html', body: new Uint8Array() }) } })
    const crossSite = { 'sec-fetch-site': 'cross-site' }
    expect((await send(port, '/v1/holds', { ...crossSite, 'sec-fetch-mode': 'cors' })).status).toBe(403)
    expect((await send(port, '/', { ...crossSite, 'sec-fetch-mode': 'navigate' })).status).toBe(200)
  })
})

describe('API keys', () => {
  const apiKeys = [
    { name: 'operator', key: 'k-operator' },
    { name: 'shop', key: 'k-shop', producer: 'shop' },
  ]
  const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })

  test.each(['/v1/holds', '/v1/balance', '/v1/events', '/v1/alerts', '/', '/v1/ask', '/v1/topology'])(
    '%s is not answered without a key',
    async (path) => {
      const { port } = await start({ apiKeys, page: { file: () => ({ type: 'text/html', body: new Uint8Array() }) } })
      expect((await send(port, path)).status).toBe(401)
      expect((await send(port, path, bearer('k-wrong'))).status).toBe(401)
    },
  )

  test('health and the document are open', async () => {
    const { port } = await start({ apiKeys })
    expect((await send(port, '/health')).status).toBe(200)
    expect((await send(port, '/openapi.json')).status).toBe(200)
  })

  test('either header carries a key', async () => {
    const { port } = await start({ apiKeys })
    expect((await send(port, '/v1/holds', bearer('k-operator'))).status).toBe(200)
    expect((await send(port, '/v1/holds', { 'x-api-key': 'k-operator' })).status).toBe(200)
    expect((await send(port, '/v1/transactions', {}, 'POST', payment)).status).toBe(401)
  })

  test("a producer's key sends as its producer and sees nothing else", async () => {
    const { port, intake, queries } = await start({ apiKeys })
    queries.known.push(settledPayment, { ...settledPayment, producer: 'other' })
    expect((await send(port, '/v1/transactions', bearer('k-shop'), 'POST', payment)).status).toBe(202)
    expect(Buffer.from(intake.records[0].value).includes('shop')).toBe(true)
    const foreign = payment.replace('{', '{"producer":"other",')
    expect((await send(port, '/v1/transactions', bearer('k-shop'), 'POST', foreign)).body).toContain(
      'producer-not-yours',
    )
    expect((await send(port, '/v1/transactions/shop/P1', bearer('k-shop'))).status).toBe(200)
    expect((await send(port, '/v1/transactions/other/P1', bearer('k-shop'))).status).toBe(403)
    for (const path of ['/v1/holds', '/v1/balance', '/v1/alerts', '/v1/events', '/v1/ask'])
      expect((await send(port, path, bearer('k-shop'))).status).toBe(403)
    expect((await send(port, '/v1/holds/release', bearer('k-shop'), 'POST', resolution)).status).toBe(403)
  })

  test('the page opens with the printed token, which then lives in a cookie that cannot act', async () => {
    const { port, token } = await start({
      apiKeys,
      page: { file: () => ({ type: 'text/html', body: new Uint8Array() }) },
    })
    expect((await send(port, '/?token=wrong')).status).toBe(401)
    const opened = await send(port, `/?token=${token}`)
    expect([opened.status, opened.headers.location]).toEqual([303, '/'])
    const [cookie] = String(opened.headers['set-cookie']).split(';')
    expect(String(opened.headers['set-cookie'])).toContain('HttpOnly; SameSite=Strict')
    expect((await send(port, '/', { cookie })).status).toBe(200)
    expect((await send(port, '/v1/holds', { cookie })).status).toBe(200)
    const own = { cookie, host: `127.0.0.1:${port}`, origin: `http://127.0.0.1:${port}` }
    expect((await send(port, '/v1/holds/release', own, 'POST', resolution)).status).toBe(403)
    expect(
      (await send(port, '/v1/holds/release', { ...own, 'x-sluice-token': token }, 'POST', resolution)).status,
    ).toBe(200)
  })
})

describe('account numbers', () => {
  const page = { 'sec-fetch-site': 'same-origin' }

  test('a browser sees them masked, and asks by a handle instead', async () => {
    const { port, queries, holds, token } = await start()
    queries.known.push(settledPayment, { ...settledPayment, payerAccount: 'DE-99999999' })
    const masked = await send(port, '/v1/transactions/shop/P1', page)
    for (const account of ['DE-12345678', 'FR-87654321', 'EU-0000-1111', 'DE-99999999'])
      expect(masked.body).not.toContain(account)
    const [first] = (JSON.parse(masked.body) as { transactions: { payerAccount: string; ref: string }[] }).transactions
    expect(first.payerAccount).toBe('••••5678')
    const one = await send(port, `/v1/transactions/shop/P1?ref=${first.ref}`, page)
    expect((JSON.parse(one.body) as { transactions: object[] }).transactions.length).toBe(1)
    const own = { ...page, 'x-sluice-token': token }
    const body = JSON.stringify({ ref: first.ref, by: 'Ada', why: 'x' })
    expect((await send(port, '/v1/holds/release', own, 'POST', body)).status).toBe(200)
    expect(holds.asked[0].identity).toEqual({ producer: 'shop', payerAccount: 'DE-12345678', transactionId: 'P1' })
  })

  test('a handle that was changed is none', async () => {
    const { port, queries } = await start()
    queries.known.push(settledPayment)
    const body = (await send(port, '/v1/transactions/shop/P1', page)).body
    const { ref } = (JSON.parse(body) as { transactions: { ref: string }[] }).transactions[0]
    const changed = `${ref.slice(0, -2)}${ref.endsWith('AA') ? 'BB' : 'AA'}`
    expect((await send(port, `/v1/transactions/shop/P1?ref=${changed}`, page)).status).toBe(400)
  })

  test('questions and SQL are not for browsers, unless accounts are shown', async () => {
    const hidden = await start()
    const own = { ...page, 'x-sluice-token': hidden.token }
    expect((await send(hidden.port, '/v1/ask/dead-letters', page)).status).toBe(403)
    expect((await send(hidden.port, '/v1/sql', own, 'POST', '{"query":"SELECT 1"}')).status).toBe(403)
    const shown = await start({ showAccounts: true })
    expect((await send(shown.port, '/v1/ask/dead-letters', page)).body).toContain('DE-12345678')
    shown.queries.known.push(settledPayment)
    expect((await send(shown.port, '/v1/transactions/shop/P1', page)).body).toContain('DE-12345678')
  })
})

test('an error inside is told to the operator, not to the caller', async () => {
  const errors: Error[] = []
  const { port } = await start({
    health: () => Promise.reject(new Error('secret detail')),
    onError: (error) => errors.push(error),
  })
  const answer = await send(port, '/health')
  expect([answer.status, answer.body.includes('secret')]).toEqual([500, false])
  expect(errors[0].message).toBe('secret detail')
})
