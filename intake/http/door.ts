/**
 * Who may come in: Host against DNS rebinding on every request, API keys when configured, and for browsers Origin and the
 * token of this start.
 *
 * D1  A request whose Host is none of ours is refused, whatever it asks: a name that a stranger points at us is not ours.
 * D2  A request that changes something and comes from a browser is same-origin by its own headers and has the token.
 * D3  With API keys configured nothing but /health and /openapi.json is answered without a key or the token.
 * D4  Keys and tokens are compared in constant time.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ApiKey } from './ports.ts'

/** An answer that ends a request: status, code and words. */
export class HttpError extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** Who asks. */
export interface Caller {
  /** A browser says so itself in its headers: account numbers are masked for it. */
  readonly browser: boolean
  /** The key that it showed; null when none is configured, or when it came with the token. */
  readonly key: ApiKey | null
}

export interface DoorOptions {
  readonly token: string
  readonly apiKeys: readonly ApiKey[]
  /** Names besides localhost, 127.0.0.1 and ::1 under which this server is reached (behind a proxy). */
  readonly hosts: readonly string[]
}

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
const cookieName = 'sluice-token'

export class Door {
  private readonly token: Buffer
  private readonly keys: readonly { readonly digest: Buffer; readonly key: ApiKey }[]
  private readonly names: ReadonlySet<string>
  /** The Host header that was right the last time: nearly all requests have the same. */
  private rightHost = ''

  constructor(options: DoorOptions) {
    this.token = digest(options.token)
    this.keys = options.apiKeys.map((key) => ({ digest: digest(key.key), key }))
    this.names = new Set(['localhost', '127.0.0.1', '[::1]', ...options.hosts.map((host) => host.toLowerCase())])
  }

  get guarded(): boolean {
    return this.keys.length > 0
  }

  isToken(text: string | undefined): boolean {
    return text !== undefined && timingSafeEqual(digest(text), this.token)
  }

  /** Cookie that lets a browser read after it was opened with the token; reading only, see D2. */
  cookie(token: string): string {
    return `${cookieName}=${token}; Path=/; HttpOnly; SameSite=Strict`
  }

  /** Admits a request, or throws the HttpError that answers it; its Host was checked before. `open`: no key is asked for. */
  admit(request: IncomingMessage, open: boolean): Caller {
    const { headers } = request
    const browser = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
    if (browser) this.checkBrowser(request)
    if (open || !this.guarded) return { browser, key: null }
    const key = this.keyOf(request)
    if (key !== null) return { browser, key }
    if (this.isToken(headers['x-sluice-token'] as string | undefined) || this.isToken(cookieOf(request)))
      return { browser, key: null }
    throw new HttpError(401, 'key-missing', 'Send an API key as Authorization: Bearer or as X-Api-Key.', {
      'www-authenticate': 'Bearer realm="sluice"',
    })
  }

  /** D1; throws the HttpError 421. */
  checkHost(host: string | undefined): void {
    if (host === this.rightHost && host !== '') return
    const name = host?.replace(/:\d{1,5}$/, '').toLowerCase() ?? ''
    if (!this.names.has(name))
      throw new HttpError(421, 'host-refused', 'The Host header names another server. Use localhost or 127.0.0.1.')
    this.rightHost = host ?? ''
  }

  private checkBrowser(request: IncomingMessage): void {
    const { headers } = request
    const { origin, host } = headers
    const site = headers['sec-fetch-site']
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
      throw new HttpError(403, 'origin-refused', 'Another site may not use this server from a browser.')
    // Following a link to the page is fine from anywhere; reading data is not.
    const opensPage = request.method === 'GET' && headers['sec-fetch-mode'] === 'navigate'
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && !opensPage)
      throw new HttpError(403, 'origin-refused', 'Another site may not use this server from a browser.')
    if (request.method === 'GET' || request.method === 'HEAD') return
    if (!this.isToken(headers['x-sluice-token'] as string | undefined))
      throw new HttpError(
        403,
        'token-missing',
        'Open the address that was printed at the start; this page is of another.',
      )
  }

  private keyOf(request: IncomingMessage): ApiKey | null {
    const { authorization } = request.headers
    const bearer = authorization?.startsWith('Bearer ') === true ? authorization.slice(7).trim() : undefined
    const given = bearer ?? (request.headers['x-api-key'] as string | undefined)
    if (given === undefined) return null
    const wanted = digest(given)
    let found: ApiKey | null = null
    // All are compared: the time must not tell which one was nearly right.
    for (const entry of this.keys) if (timingSafeEqual(entry.digest, wanted)) found = entry.key
    if (found === null) throw new HttpError(401, 'key-wrong', 'This API key is not known.')
    return found
  }
}

function cookieOf(request: IncomingMessage): string | undefined {
  for (const part of request.headers.cookie?.split(';') ?? []) {
    const [name, value] = part.trim().split('=')
    if (name === cookieName) return value
  }
  return undefined
}
