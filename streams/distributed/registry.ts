/**
 * A schema registry with Confluent's interface (Confluent, Apicurio, Karapace): asked for ids and subjects, told of schemas
 * by the command that registers them, and never by anything else.
 *
 * The client of @kafkajs looks up and registers; what it has no call for is asked directly.
 *
 * G1  'There is no such id' is an answer of the registry itself, with its error code. A bare 404 may come from a proxy in
 *     front of one that restarts: that, a time-out and everything else is no answer.
 * G2  What an id means never changes, so an answer is kept for as long as the process lives. That there is none is not.
 */
import { CodedError } from '../errors.ts'
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'

export interface RegistryOptions {
  /** Base of Confluent's interface: http://host:8081, or http://host:8080/apis/ccompat/v7 of Apicurio. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** For one request, milliseconds. */
  readonly timeoutMs?: number
}

/** Rules that a subject may have; what is not one of them is shown as it is. */
export type Compatibility = 'BACKWARD' | 'BACKWARD_TRANSITIVE' | 'FULL' | 'FULL_TRANSITIVE'

export interface Version {
  readonly version: number
  readonly id: number
  readonly schema: string
}

/** The registry cannot be asked, or refuses. `status`: of its answer; 0 without one. `reason`: in one line. */
export class RegistryError extends CodedError {
  readonly status: number
  readonly reason: string
  constructor(reason: string, status = 0, cause?: unknown) {
    super('SLUICE_REGISTRY', reason, { cause })
    this.status = status
    this.reason = reason
  }
}

const NO_SUBJECT = 40401
const NO_VERSION = 40402
const NO_SCHEMA = 40403

export class Registry {
  readonly url: string
  private readonly headers: Readonly<Record<string, string>>
  private readonly timeoutMs: number
  private readonly client: SchemaRegistry
  private readonly schemas = new Map<number, string | null>()

  constructor({ timeoutMs = 5_000, ...options }: RegistryOptions) {
    const { url, auth } = accessOf(options)
    this.url = url
    this.timeoutMs = timeoutMs
    const basic = auth === undefined ? '' : Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
    this.headers = {
      'content-type': 'application/vnd.schemaregistry.v1+json',
      accept: 'application/vnd.schemaregistry.v1+json, application/json',
      ...(auth === undefined ? {} : { authorization: `Basic ${basic}` }),
    }
    this.client = new SchemaRegistry({
      host: this.url,
      auth,
      // Whoever asks retries, and says so; a retry hidden in here would only hold up the saying.
      retry: { retries: 0 },
      middlewares: [() => ({ request: (request) => request.enhance({ timeout: timeoutMs }) })],
    })
  }

  /** Avro schema of an id; null: it is of another kind; undefined: the registry has no such id. Errors: RegistryError. */
  async schemaOf(id: number): Promise<string | null | undefined> {
    const known = this.schemas.get(id)
    if (known !== undefined) return known
    try {
      const schema: object = await this.client.getSchema(id)
      // avsc's own text of it, with what matters to a reader: names, types, defaults.
      const text = 'createResolver' in schema ? JSON.stringify(schema) : null
      this.schemas.set(id, text)
      return text
    } catch {
      // The client does not tell one failure from another, nor them from a schema that it cannot parse: asked again.
      const raw = await this.ask<{ schema: string; schemaType?: string }>('GET', `/schemas/ids/${id}`, [NO_SCHEMA])
      if (raw === null) return undefined
      const text = (raw.schemaType ?? 'AVRO') === 'AVRO' ? raw.schema : null
      this.schemas.set(id, text)
      return text
    }
  }

  /** Subjects under which the schema of an id is registered. Errors: RegistryError. */
  async subjectsOf(id: number): Promise<string[]> {
    const found = await this.ask<{ subject: string }[]>('GET', `/schemas/ids/${id}/versions`, [NO_SCHEMA])
    return (found ?? []).map(({ subject }) => subject)
  }

  /** Every version of a subject, oldest first; none when there is no such subject. */
  async versions(subject: string): Promise<Version[]> {
    const none = [NO_SUBJECT, NO_VERSION]
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    const numbers = (await this.ask<number[]>('GET', path, none)) ?? []
    const versions: Version[] = []
    for (const number of numbers.toSorted((a, b) => a - b)) {
      const version = await this.ask<Version>('GET', `${path}/${number}`, none)
      if (version !== null) versions.push(version)
    }
    return versions
  }

  /** Rule of the subject itself; null when it has none and the registry's own holds. */
  async compatibility(subject: string): Promise<string | null> {
    const none = [NO_SUBJECT, 40408]
    const found = await this.ask<{ compatibilityLevel: string }>('GET', `/config/${encodeURIComponent(subject)}`, none)
    return found?.compatibilityLevel ?? null
  }

  /** The registry's own rule, for subjects without one. */
  async ownCompatibility(): Promise<string> {
    return (await this.ask<{ compatibilityLevel: string }>('GET', '/config', []))?.compatibilityLevel ?? 'NONE'
  }

  async setCompatibility(subject: string, compatibility: Compatibility): Promise<void> {
    await this.ask('PUT', `/config/${encodeURIComponent(subject)}`, [], { compatibility })
  }

  /** Whether the registry itself would refuse a schema as the next version: its words, or null. */
  async refuses(subject: string, schema: string): Promise<string | null> {
    const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest?verbose=true`
    const none = [NO_SUBJECT, NO_VERSION]
    const found = await this.ask<{ is_compatible: boolean; messages?: string[] }>('POST', path, none, { schema })
    if (found === null || found.is_compatible) return null
    return found.messages?.join(' ') ?? 'It would refuse this schema, and does not say why.'
  }

  /** Registers a schema as the next version, or finds the version that has it; its id. Errors: RegistryError, 409 refused. */
  async register(subject: string, schema: string, compatibility: Compatibility): Promise<number> {
    try {
      const { id } = await this.client.register(
        { type: SchemaType.AVRO, schema },
        { subject, compatibility: COMPATIBILITY[compatibility] },
      )
      return id
    } catch (error) {
      const { message, status = 0 } = error as { message: string; status?: number }
      throw new RegistryError(`${subject}: ${message.replace(/^\w+ - /, '')}`, status, error)
    }
  }

  /** One request; null for the error codes of `none`. */
  private async ask<T>(method: string, path: string, none: readonly number[], body?: object): Promise<T | null> {
    let response: Response
    let text: string
    try {
      response = await fetch(this.url + path, {
        method,
        headers: this.headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(this.timeoutMs),
      })
      text = await response.text()
    } catch (error) {
      throw new RegistryError(`${this.url}: ${whyUnreachable(error)}`, 0, error)
    }
    const { status } = response
    const answer = jsonOf(text)
    if (response.ok && answer !== undefined) return answer as T
    const { error_code: code = 0, message = '' } = (answer ?? {}) as { error_code?: number; message?: string }
    if (status === 404 && none.includes(code)) return null
    const said = message === '' ? text.slice(0, 200).trim() : message
    throw new RegistryError(`${method} ${this.url}${path}: ${status} ${said}`, status)
  }
}

/** The address without user and password, which may stand in it: neither a request nor a message may have them there. */
function accessOf({ url, username = '', password = '' }: RegistryOptions) {
  const parsed = new URL(url)
  const user = username === '' ? decodeURIComponent(parsed.username) : username
  const secret = username === '' ? decodeURIComponent(parsed.password) : password
  parsed.username = ''
  parsed.password = ''
  return {
    url: parsed.href.replace(/\/+$/, ''),
    auth: user === '' ? undefined : { username: user, password: secret },
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function whyUnreachable(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } }
  if (name === 'TimeoutError') return 'no answer in time'
  return cause?.code ?? cause?.message ?? message
}
