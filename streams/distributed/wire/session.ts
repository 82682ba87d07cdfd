/**
 * How long a user's session at a broker lasts (connections.max.reauth.ms). The client library logs in again on a
 * connection that is in use, between a request and its answer, and calls it not connected meanwhile; we let it alone and
 * take a new connection before the session of the old one ends.
 */
import { saslPlain, saslScramSha, type Connection, type ConnectionOptions } from '@platformatic/kafka'

type Sasl = NonNullable<ConnectionOptions['sasl']>
type Authenticate = NonNullable<Sasl['authenticate']>

/** So much of a session is used: what is sent later may come when it has ended, and the broker cuts the connection. */
const USED = 0.8

export class Sessions {
  /** By connection: until when something may be sent over it. */
  readonly #ends = new WeakMap<Connection, number>()

  /** Logs in as the library does, and keeps how long that lasts to itself. */
  keeping(sasl: Sasl): Sasl {
    const authenticate: Authenticate = (mechanism, connection, send, username, password, _token, callback) => {
      const done: typeof callback = (error, response) => {
        if (error !== null || response === undefined) return callback(error, response as never)
        const lifetimeMs = Number(response.sessionLifetimeMs)
        if (lifetimeMs > 0) this.#ends.set(connection, performance.now() + USED * lifetimeMs)
        callback(null, { ...response, sessionLifetimeMs: 0n })
      }
      if (mechanism === 'PLAIN') saslPlain.authenticate(send, connection, username!, password!, done)
      else {
        const algorithm = mechanism.slice('SCRAM-'.length) as 'SHA-256' | 'SHA-512'
        const { defaultCrypto } = saslScramSha
        saslScramSha.authenticate(send, connection, algorithm, username!, password!, defaultCrypto, done)
      }
    }
    return { ...sasl, authenticate }
  }

  /** True when nothing more should be sent over a connection. */
  isOver(connection: Connection): boolean {
    return (this.#ends.get(connection) ?? Infinity) < performance.now()
  }
}
