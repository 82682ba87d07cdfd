/** Every endpoint but the page: method, path, who may use it, and what answers. docs and OpenAPI follow this table. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { maskAccounts } from '../../schemas/mask.ts'
import { readBody, readObject, sendJson } from './body.ts'
import { HttpError, type Caller } from './door.ts'
import { resolveHold } from './holds.ts'
import { UnknownPositionError, type Identity } from './ports.ts'
import { postTransactions } from './post.ts'
import type { Parts } from './server.ts'

/** One request on its way through a handler. */
export interface Exchange {
  readonly parts: Parts
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly caller: Caller
  /** Parts of the path that the route leaves open, decoded. */
  readonly path: Readonly<Record<string, string>>
  readonly query: URLSearchParams
}

export interface Route {
  readonly method: 'GET' | 'POST'
  /** With {names} for what is open. */
  readonly path: string
  /** Answered without a key. */
  readonly open?: boolean
  /** May be used with a key that is bound to one producer. */
  readonly forProducers?: boolean
  readonly handle: (exchange: Exchange) => Promise<void> | void
}

/** Account numbers are masked for a browser, unless the server was started to show them. */
const shown = ({ parts, caller }: Exchange, value: unknown): unknown =>
  caller.browser && !parts.showAccounts ? maskAccounts(value, (identity) => parts.references.seal(identity)) : value

const answer = (exchange: Exchange, value: unknown): void => sendJson(exchange.response, 200, shown(exchange, value))

async function lookup(exchange: Exchange): Promise<void> {
  const { parts, path, query, caller } = exchange
  const producer = path.producer
  if (caller.key?.producer !== undefined && caller.key.producer !== producer)
    throw new HttpError(403, 'producer-not-yours', 'This API key may read its own producer only.')
  let payerAccount = query.get('payerAccount') ?? undefined
  const reference = query.get('ref')
  if (reference !== null) payerAccount = referred(parts, reference).payerAccount
  const transactions = await parts.queries.lookup(producer, path.id, payerAccount)
  if (transactions.length === 0)
    throw new HttpError(
      404,
      'not-found',
      'Nothing is known under this producer and id. What was queued a moment ago may take a second to show.',
    )
  answer(exchange, { transactions })
}

/** The identity behind a handle that this process gave out. */
export function referred(parts: Parts, reference: string): Identity {
  const identity = parts.references.open(reference)
  if (identity === null)
    throw new HttpError(400, 'ref-unknown', 'This ref was not made by this process. Load the page again.')
  return identity
}

function limitOf(query: URLSearchParams, otherwise: number, most: number): number {
  const text = query.get('limit')
  if (text === null) return otherwise
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1 || Number(text) > most)
    throw new HttpError(400, 'bad-limit', `limit must be an integer from 1 to ${most}.`)
  return Number(text)
}

async function alerts(exchange: Exchange): Promise<void> {
  const { parts, request, response, query } = exchange
  const last = request.headers['last-event-id']
  const after = typeof last === 'string' && last !== '' ? last : query.get('after')
  // Headers go out only once the position is known to be good; what is delivered before that waits here.
  const early: { id: string; data: string }[] = []
  let send = (id: string, data: string): void => void early.push({ id, data })
  let end = (): void => void request.socket.destroy()
  const following = await parts.alerts
    .follow(
      after,
      (alert) => send(alert.id, JSON.stringify(shown(exchange, alert))),
      () => end(),
    )
    .catch((error: unknown) => {
      if (error instanceof UnknownPositionError) throw new HttpError(400, 'position-unknown', error.message)
      throw error
    })
  if (request.socket.destroyed) return following.stop()
  let stream
  try {
    stream = parts.streams.start(request, response)
  } catch (error) {
    following.stop()
    throw error
  }
  stream.closed = () => following.stop()
  end = () => stream.end()
  send = (id, data) => stream.send('alert', data, id)
  for (const { id, data } of early) send(id, data)
}

function events({ parts, request, response }: Exchange): void {
  parts.feed.add(parts.streams.start(request, response))
}

async function topology(exchange: Exchange): Promise<void> {
  const description = await exchange.parts.queries.topology()
  const format = exchange.query.get('format') ?? 'json'
  if (format === 'json') return answer(exchange, description)
  if (format !== 'text' && format !== 'mermaid')
    throw new HttpError(400, 'bad-format', 'format is json, text or mermaid.')
  exchange.response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  exchange.response.end(description[format])
}

/** Questions and SQL can name any column, so masking by name would hide nothing: a browser gets none of it. */
function needsAccounts({ parts, caller }: Exchange): void {
  if (caller.browser && !parts.showAccounts)
    throw new HttpError(403, 'accounts-hidden', 'Answers may hold account numbers: ask on the command line.')
}

async function ask(exchange: Exchange): Promise<void> {
  needsAccounts(exchange)
  const table = await exchange.parts.queries.ask(exchange.path.name, Object.fromEntries(exchange.query))
  if (table === null) throw new HttpError(404, 'question-unknown', 'There is no such question. GET /v1/ask lists them.')
  answer(exchange, table)
}

async function sql(exchange: Exchange): Promise<void> {
  needsAccounts(exchange)
  const { parts, request } = exchange
  const { query } = await readObject(request, parts.bodyLimitBytes)
  if (typeof query !== 'string' || query.trim() === '')
    throw new HttpError(400, 'query-missing', 'Send {"query": "SELECT ..."}.')
  answer(exchange, await parts.queries.sql(query))
}

async function health({ parts, response }: Exchange): Promise<void> {
  const health = await parts.health()
  sendJson(response, health.status === 'halted' ? 503 : 200, health)
}

export const routes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/transactions',
    forProducers: true,
    handle: async (exchange) => {
      const { parts, request, response, caller } = exchange
      const body = await readBody(request, parts.bodyLimitBytes)
      await postTransactions(parts, request, response, caller, body)
    },
  },
  { method: 'GET', path: '/v1/transactions/{producer}/{id}', forProducers: true, handle: lookup },
  {
    method: 'GET',
    path: '/v1/holds',
    handle: async (exchange) => answer(exchange, await exchange.parts.holds.open(limitOf(exchange.query, 100, 10_000))),
  },
  { method: 'POST', path: '/v1/holds/release', handle: (exchange) => resolveHold(exchange, 'RELEASE') },
  { method: 'POST', path: '/v1/holds/reject', handle: (exchange) => resolveHold(exchange, 'REJECT') },
  { method: 'GET', path: '/v1/alerts', handle: alerts },
  { method: 'GET', path: '/v1/events', handle: events },
  {
    method: 'GET',
    path: '/v1/balance',
    handle: async (exchange) => answer(exchange, await exchange.parts.queries.balance()),
  },
  { method: 'GET', path: '/v1/topology', handle: topology },
  {
    method: 'GET',
    path: '/v1/ask',
    handle: async (exchange) => answer(exchange, { questions: await exchange.parts.queries.questions() }),
  },
  { method: 'GET', path: '/v1/ask/{name}', handle: ask },
  { method: 'POST', path: '/v1/sql', handle: sql },
  { method: 'GET', path: '/health', open: true, forProducers: true, handle: health },
  {
    method: 'GET',
    path: '/openapi.json',
    open: true,
    forProducers: true,
    handle: ({ parts, response }) => sendJson(response, 200, parts.openapi),
  },
]
