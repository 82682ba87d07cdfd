/** The way to Redis: a client that connects again by itself, and errors that say what is wrong with the connection. */
import { isIP } from 'node:net'
import { Redis, type RedisOptions } from 'ioredis'
import { CodedError } from '../errors.ts'
import { isCertificateError } from './wire/denial.ts'

export type RedisAccess = Pick<RedisOptions, 'username' | 'password' | 'tls' | 'commandTimeout' | 'connectTimeout'>

/**
 * A server that takes longer is away (a half-open link, a suspended process): without a limit a task would wait for it for
 * ever and never be recovered. Longer than the largest delta (0.2 s) and a takeover's longest list on a loaded machine.
 */
const ANSWER_MS = 10_000
/** As for a broker. One that does not speak TLS waits for the end of a line that never comes. */
const CONNECT_MS = 5_000

/** What the connection to a server last failed with: the client itself says only that it is closed. Gone when it is up. */
const troubles = new WeakMap<Redis, Error>()

/** A client that is not connected yet. `options` win over what the URL says. */
export function redisAt(url: string, { username, password, tls, ...rest }: RedisAccess = {}): Redis {
  const parsed = new URL(url)
  const user = username ?? (decodeURIComponent(parsed.username) || undefined)
  const secret = password ?? (decodeURIComponent(parsed.password) || undefined)
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  // By its name a server behind a shared address knows which certificate to show; an address is none (RFC 6066).
  const named = isIP(host) === 0 ? { servername: host } : {}
  const secure = tls !== undefined || parsed.protocol === 'rediss:'
  parsed.username = ''
  parsed.password = ''
  const redis = new Redis(parsed.href, {
    commandTimeout: ANSWER_MS,
    connectTimeout: CONNECT_MS,
    ...rest,
    username: user,
    password: secret,
    tls: secure ? { ...named, ...tls } : undefined,
    lazyConnect: true,
    protocol: 2,
    maxRetriesPerRequest: 10,
    // It would need one more command of the user, for a name in a list.
    disableClientInfo: true,
  })
  // Whoever waits for an answer hears of it; the client connects again by itself.
  redis.on('error', (error: Error) => troubles.set(redis, error))
  redis.on('ready', () => troubles.delete(redis))
  return redis
}

/** Refusals of Redis itself: who we are, and what this user may do, also inside of a script. */
const DENIED = /^(WRONGPASS|NOAUTH|NOPERM)\b|user executing the script can't/i

/** The error of a call as a coded one, with what the connection last failed with when that is the reason. */
export function storeError(redis: Redis, error: unknown, where: string): CodedError {
  const said = error instanceof Error ? error : new Error(String(error))
  const trouble = DENIED.test(said.message) ? said : (troubles.get(redis) ?? said)
  const text = trouble.message.replace(/\.$/, '')
  const { username } = redis.options
  const who = username === undefined || username === null ? '' : ` (user ${username})`
  // The client's error carries the command with its arguments, a password among them.
  const cause = new Error(text)
  const denied = DENIED.test(text) || isCertificateError(trouble as { code?: unknown })
  if (denied) return new CodedError('SLUICE_STORE_DENIED', `${where}${who}: ${text}`, { cause })
  return new CodedError('SLUICE_STORE_UNREACHABLE', `${where}: ${text}${hint(redis, text)}`, { cause })
}

/** What a server of the other kind does. */
function hint({ options: { tls } }: Redis, text: string): string {
  if (tls && /ETIMEDOUT|disconnected before secure/.test(text)) {
    return ' (does it speak TLS on this port?)'
  }
  return !tls && /^Connection is closed|ECONNRESET/.test(text) ? ' (does it speak TLS on this port?)' : ''
}
