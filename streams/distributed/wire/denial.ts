/**
 * Whether an error of the client library says that the broker does not take us: another transport than it speaks, another
 * certificate, another user, or a right that this user lacks. Asking again does not change that; somebody has to.
 */

/** What is missing, by the protocol's name of the refusal. */
const refusals: Readonly<Record<string, string>> = {
  CLUSTER_AUTHORIZATION_FAILED: 'this user has no ACL for it on the cluster',
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: 'this user may not use delegation tokens',
  GROUP_AUTHORIZATION_FAILED: 'this user has no ACL for it on the group',
  ILLEGAL_SASL_STATE: 'this listener asks for no user (SASL)',
  SASL_AUTHENTICATION_FAILED: 'user or password is wrong',
  TOPIC_AUTHORIZATION_FAILED: 'this user has no ACL for it on the topic',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'this user has no ACL for it on the transactional id',
  UNSUPPORTED_SASL_MECHANISM: 'the broker does not offer this SASL mechanism',
}

/** What Node and OpenSSL say of certificates and handshakes that fail for a reason that stays. */
const CERTIFICATE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_|HOSTNAME_MISMATCH|EPROTO)/

interface Link {
  readonly code?: unknown
  readonly apiId?: string
  readonly message?: string
  /** The protocol's name, of a refusal that we have read ourselves; in short, of an error of OpenSSL. */
  readonly reason?: string
  readonly detail?: string
  readonly cause?: unknown
  readonly errors?: readonly unknown[]
}

/** An error with everything that caused it, outermost first. */
function chainOf(error: unknown, seen = new Set<unknown>()): Link[] {
  if (typeof error !== 'object' || error === null || seen.has(error)) return []
  seen.add(error)
  const link = error as Link
  return [link, ...[link.cause, ...(link.errors ?? [])].flatMap((inner) => chainOf(inner, seen))]
}

/** True for what certificates and TLS say, and a peer's alert. */
export const isCertificateError = ({ code }: { readonly code?: unknown }): boolean =>
  typeof code === 'string' && CERTIFICATE.test(code)

/** Why the broker does not take us, in words; null when it is another trouble. */
export function denialOf(error: unknown): string | null {
  const chain = chainOf(error)
  for (const { apiId, reason, detail = '' } of chain) {
    const name = apiId ?? reason
    if (name === undefined || !(name in refusals)) continue
    return `${refusals[name]} (${name}${detail === '' ? '' : `, ${detail}`})`
  }
  for (const link of chain) {
    if (isCertificateError(link)) return `TLS: ${link.reason ?? link.message} (${String(link.code)})`
    if (link.message === 'Broker requires TLS.') return 'the broker speaks TLS there, and we do not'
    // With a cause it may be a connection that broke on the way.
    if (link.code === 'PLT_KFK_AUTHENTICATION' && link.cause === undefined)
      return link.message ?? 'authentication failed'
  }
  return null
}

/** The first question was answered, and the connection ended at the second: by its code as any connection that is lost. */
export class CutOff extends Error {
  readonly code = 'PLT_KFK_NETWORK'

  constructor(cause: unknown) {
    super('it ends every connection after the first answer, as a listener that wants a user (SASL) does', { cause })
    this.name = 'CutOff'
  }
}

/**
 * What a connection ended in that did not come into being: a broker that dies looks like this, and one that speaks other
 * words than we do. Null: something else.
 */
export function doubtOf(error: unknown): string | null {
  if (error instanceof CutOff) return error.message
  const chain = chainOf(error)
  if (chain.some(({ message = '' }) => message.startsWith('TLS handshake failed'))) {
    return 'it ends every connection during the TLS handshake, as a listener without TLS does'
  }
  if (chain.some(({ code }) => code === 'PLT_KFK_AUTHENTICATION')) {
    return 'it ends every connection before the user has logged in, as a listener that wants TLS does'
  }
  return null
}

/** Messages of an error and of what caused it, in one line. */
export function wordsOf(error: unknown): string {
  const messages = chainOf(error).map(({ message = '' }) => message.replace(/\.$/, ''))
  const words = [...new Set(messages.filter((message) => message !== ''))].join(': ')
  return words === '' ? String(error) : words
}
