/** The HTTP server: doors for payments and operators, events and the page, on loopback. */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../streams/backend.ts'
import { pinnedIds, type SchemaIds } from '../../streams/schema-ids.ts'
import type { WriterLookup } from '../../streams/writer-schemas.ts'
import { sendJson } from './body.ts'
import { Door, HttpError } from './door.ts'
import { PageFeed } from './feed.ts'
import { openapi } from './openapi.ts'
import {
  QueryError,
  type Alerts,
  type ApiKey,
  type DoorCounters,
  type Health,
  type Holds,
  type Intake,
  type Page,
  type PageEvents,
  type Queries,
} from './ports.ts'
import { References } from './reference.ts'
import { routes, type Route } from './routes.ts'
import { EventStreams } from './sse.ts'

export interface HttpServerOptions {
  /** 0 = any free one. */
  readonly port: number
  /** 127.0.0.1 unless the operator says otherwise. */
  readonly host?: string
  readonly intake: Intake
  readonly queries: Queries
  readonly holds: Holds
  readonly alerts: Alerts
  readonly events: PageEvents
  readonly health: () => Promise<Health>
  readonly page?: Page
  readonly clock: Clock
  /** Earliest event time, and how far one may lie after its acceptance, milliseconds. */
  readonly times: { readonly earliest: number; readonly maxAheadMs: number }
  /** Ids of the log's wire prefixes; default: the pinned ones. */
  readonly schemas?: SchemaIds
  /** Who knows schema ids that are not the log's own; absent: nobody, and Avro under them is refused. */
  readonly writers?: WriterLookup | null
  /** Producer of transactions that name none. */
  readonly defaultProducer?: string
  readonly apiKeys?: readonly ApiKey[]
  /** Names under which a proxy reaches this server. */
  readonly hosts?: readonly string[]
  /** Token of this start: `newToken()`. */
  readonly token: string
  readonly bodyLimitBytes?: number
  /** Show account numbers on the page. */
  readonly showAccounts?: boolean
  /** Told about every error that is answered 500 or that no request waits for. */
  readonly onError?: (error: Error) => void
}

/** What handlers share. */
export interface Parts extends Required<
  Omit<HttpServerOptions, 'page' | 'port' | 'host' | 'hosts' | 'apiKeys' | 'events'>
> {
  readonly references: References
  readonly streams: EventStreams
  readonly feed: PageFeed
  readonly counters: DoorCounters
  readonly openapi: object
}

export interface HttpServer {
  /** Starts to listen; the port that it got, and the address to open in a browser. */
  listen(): Promise<{ readonly port: number; readonly url: string }>
  /** Takes no new request, ends event streams, waits for the requests that are under way. */
  close(): Promise<void>
  readonly counters: DoorCounters
}

/** About 4,000 payments: one request is then validated in a few tens of milliseconds, and others are not kept waiting. */
const defaultBodyLimitBytes = 1024 * 1024
/** A commit takes milliseconds; a caller who has not sent the rest of a body by then was not going to. */
const closeGraceMs = 5_000
/** Time for a whole request to arrive: bounds how long a slow sender holds a connection. */
const requestTimeoutMs = 60_000

/** A token for this start: 128 random bits. */
export const newToken = (): string => randomBytes(16).toString('base64url')

const matchers = routes.map((route) => ({
  route,
  names: [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]),
  pattern: new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '([^/]+)').replaceAll('.', '\\.')}$`),
}))
const post = routes[0]
const noPath: Readonly<Record<string, string>> = {}
const noQuery = new URLSearchParams()

interface Match {
  readonly route: Route
  readonly path: Readonly<Record<string, string>>
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new HttpError(400, 'bad-path', 'The path is not percent-encoded UTF-8.')
  }
}

/** The route of a path; an HttpError 405 when the path exists for another method; null when it does not exist. */
function routeOf(method: string, path: string): Match | null {
  const allowed: string[] = []
  for (const { route, names, pattern } of matchers) {
    const match = pattern.exec(path)
    if (match === null) continue
    if (route.method === method)
      return { route, path: Object.fromEntries(names.map((name, i) => [name, decoded(match[i + 1])])) }
    allowed.push(route.method)
  }
  if (allowed.length === 0) return null
  throw new HttpError(405, 'method-not-allowed', `Use ${allowed.join(' or ')} here.`, { allow: allowed.join(', ') })
}

/** Nothing from elsewhere is loaded or talked to, nobody frames the page. */
const pageHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
}

function sendPage(
  door: Door,
  page: Page,
  token: string,
  path: string,
  query: URLSearchParams,
  response: ServerResponse,
): boolean {
  // The token comes once in the address; it goes into a cookie, and out of the address bar and the history.
  const given = query.get('token')
  if (path === '/' && given !== null && door.isToken(given)) {
    response.writeHead(303, { location: '/', 'set-cookie': door.cookie(token), 'cache-control': 'no-store' })
    response.end()
    return true
  }
  const file = page.file(path, token)
  if (file === null) return false
  response.writeHead(200, { ...pageHeaders, 'content-type': file.type, 'content-length': file.body.length })
  response.end(file.body)
  return true
}

/** Makes the server; `listen` starts it. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { page, port, host = '127.0.0.1', hosts = [], apiKeys = [], events, ...rest } = options
  const counters: DoorCounters = { queued: 0, refused: new Map(), errors: new Map() }
  const references = new References()
  const onError = options.onError ?? (() => {})
  const showAccounts = options.showAccounts ?? false
  const parts: Parts = {
    ...rest,
    // After the rest: an option that is there and undefined must not take a limit away.
    bodyLimitBytes: options.bodyLimitBytes ?? defaultBodyLimitBytes,
    schemas: options.schemas ?? pinnedIds,
    writers: options.writers ?? null,
    defaultProducer: options.defaultProducer ?? 'http',
    showAccounts,
    onError,
    references,
    counters,
    streams: new EventStreams(),
    feed: new PageFeed(events, references, showAccounts, onError),
    openapi,
  }
  const door = new Door({ token: options.token, apiKeys, hosts })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request
    door.checkHost(request.headers.host)
    if (url === '/v1/transactions' && method === 'POST')
      return post.handle({ parts, request, response, caller: door.admit(request, false), path: noPath, query: noQuery })
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1))
    const match = routeOf(method, path)
    if (match === null) {
      // The page holds the token, so with keys it is shown only to who brings the token.
      const opening = path === '/' && door.isToken(query.get('token') ?? undefined)
      door.admit(request, opening || (path !== '/' && !path.startsWith('/v1/')))
      if (method === 'GET' && page !== undefined && sendPage(door, page, options.token, path, query, response)) return
      throw new HttpError(404, 'not-found', 'There is nothing at this address. GET /openapi.json lists what there is.')
    }
    const caller = door.admit(request, match.route.open === true)
    if (caller.key?.producer !== undefined && match.route.forProducers !== true)
      throw new HttpError(403, 'key-not-allowed', 'This API key may send transactions and look up its own.')
    await match.route.handle({ parts, request, response, caller, path: match.path, query })
  }

  function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const { status, code, message, headers } = answerOf(error)
    counters.errors.set(code, (counters.errors.get(code) ?? 0) + 1)
    if (status === 500) onError(error instanceof Error ? error : new Error(String(error)))
    if (response.headersSent || response.destroyed) return void response.destroy()
    // A body that was not read would be taken for the next request.
    const close: Record<string, string> = request.complete ? {} : { connection: 'close' }
    sendJson(response, status, { error: code, message }, { ...headers, ...close })
  }

  const server = createServer(
    { noDelay: true, keepAliveTimeout: 65_000, requestTimeout: requestTimeoutMs },
    (request, response) => {
      handle(request, response).catch((error: unknown) => fail(request, response, error))
    },
  )

  return {
    counters,
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          server.on('error', onError)
          const bound = (server.address() as AddressInfo).port
          const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
          resolve({ port: bound, url: `http://${name}:${bound}/${door.guarded ? `?token=${options.token}` : ''}` })
        })
      }),
    close: () =>
      new Promise((resolve) => {
        parts.feed.close()
        parts.streams.close()
        // Connections that become idle are closed as they do; who still sends after the grace is cut off.
        const sweep = setInterval(() => server.closeIdleConnections(), 50)
        const cut = setTimeout(() => server.closeAllConnections(), closeGraceMs)
        server.close(() => {
          clearInterval(sweep)
          clearTimeout(cut)
          resolve()
        })
      }),
  }
}

function answerOf(error: unknown): {
  status: number
  code: string
  message: string
  headers: Readonly<Record<string, string>>
} {
  if (error instanceof HttpError) return error
  if (error instanceof QueryError) return { status: 400, code: 'query-refused', message: error.message, headers: {} }
  // A part behind the door (the tables) is away for the moment and says so.
  if ((error as { retry?: unknown }).retry === true)
    return { status: 503, code: 'try-again', message: (error as Error).message, headers: { 'retry-after': '1' } }
  const message = 'Something failed inside the server; its log says what. Nothing of this request was acknowledged.'
  return { status: 500, code: 'internal', message, headers: {} }
}
