/** A command that finds the directory open in another process asks that process over HTTP. */

import type { HoldOutcome, Identity, OpenHolds, Question, Table, TransactionView } from '../intake/http/ports.ts'
import { LockedError } from '../streams/index.ts'
import { UsageError } from './output.ts'
import type { Sheet } from './sheet.ts'

/** What an operator decides on a held transaction. */
export interface Resolution extends Identity {
  readonly action: 'release' | 'reject'
  readonly by: string
  readonly why: string
  readonly notSettledElsewhere?: boolean
  /** Sent again with the same id it changes nothing. */
  readonly resolutionId?: string
  /** How long to wait for the outcome; default 3 s. */
  readonly waitMs?: number
}

export interface ResolutionResult {
  readonly resolutionId: string
  /** queued: durable and not decided yet. */
  readonly result: 'released' | 'rejected' | 'refused' | 'queued'
  /** The cycle that a released one joins. */
  readonly cycleStart?: HoldOutcome['cycleStart']
  /** Why it was refused. */
  readonly why?: string
}

/** The running process, in the words of the commands. Errors: UsageError for what it refuses, Error when it is gone. */
export interface Client {
  readonly endpoint: string
  balance(): Promise<Sheet>
  holds(limit: number): Promise<OpenHolds>
  resolve(resolution: Resolution): Promise<ResolutionResult>
  lookup(producer: string, transactionId: string, payerAccount?: string): Promise<readonly TransactionView[]>
  questions(): Promise<readonly Question[]>
  ask(name: string, parameters: Readonly<Record<string, string>>): Promise<Table>
  sql(query: string): Promise<Table>
}

/** Longer than any answer takes that is worth waiting for. */
const TIMEOUT_MS = 120_000

interface Answer {
  readonly status: number
  readonly value: Record<string, unknown>
}

/** `apiKey`: of the running process, when it was started with keys; the environment's SLUICE_API_KEY. */
export function clientOf(endpoint: string, apiKey: string | undefined = process.env['SLUICE_API_KEY']): Client {
  async function send(path: string, body?: object): Promise<Answer> {
    const headers: Record<string, string> = { accept: 'application/json' }
    if (apiKey !== undefined && apiKey !== '') headers['authorization'] = `Bearer ${apiKey}`
    if (body !== undefined) headers['content-type'] = 'application/json'
    let response: Response
    try {
      response = await fetch(`${endpoint}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
    } catch (error) {
      const what = `The process that has the directory open does not answer at ${endpoint}.`
      throw new Error(`${what} Try again; when it is gone the directory is free.`, { cause: error })
    }
    return { status: response.status, value: (await response.json()) as Record<string, unknown> }
  }

  async function asked<T>(path: string, body?: object): Promise<T> {
    const { status, value } = await send(path, body)
    if (status < 300) return value as T
    throw refusal(status, value)
  }

  return {
    endpoint,
    balance: () => asked('/v1/balance'),
    holds: (limit) => asked(`/v1/holds?limit=${limit}`),
    async resolve({ action, ...resolution }) {
      const { status, value } = await send(`/v1/holds/${action}`, resolution)
      // 409 is an answer: the resolution is in the log, and the line has refused it.
      if (status >= 300 && status !== 409) throw refusal(status, value)
      return value as unknown as ResolutionResult
    },
    async lookup(producer, transactionId, payerAccount) {
      const query = payerAccount === undefined ? '' : `?payerAccount=${encodeURIComponent(payerAccount)}`
      const path = `/v1/transactions/${encodeURIComponent(producer)}/${encodeURIComponent(transactionId)}${query}`
      const { status, value } = await send(path)
      if (status === 404) return []
      if (status >= 300) throw refusal(status, value)
      return value.transactions as TransactionView[]
    },
    async questions() {
      return (await asked<{ questions: Question[] }>('/v1/ask')).questions
    },
    ask: (name, parameters) =>
      asked(`/v1/ask/${encodeURIComponent(name)}?${new URLSearchParams(parameters).toString()}`),
    sql: (query) => asked('/v1/sql', { query }),
  }
}

function refusal(status: number, value: Record<string, unknown>): Error {
  const words = typeof value.message === 'string' ? value.message : `HTTP ${status}`
  if (status === 401 || status === 403) return new UsageError(`${words} Set SLUICE_API_KEY to a key of that process.`)
  return status < 500 ? new UsageError(words) : new Error(`The process that has the directory open says: ${words}`)
}

/** The client of the process that holds a directory. Errors: UsageError when that process has no door. */
export function clientOfLocked(error: LockedError): Client {
  if (error.endpoint !== null) return clientOf(error.endpoint)
  const who = error.pid === null ? 'Another process' : `Process ${error.pid}`
  throw new UsageError(
    `${who} has the directory open and takes no questions (an import does not, and serve only once it is up). Wait until it ends, or stop it.`,
  )
}

/** Does `here` with the directory; when another process has it open, `there` with that process. */
export async function hereOrThere<T>(here: () => Promise<T>, there: (client: Client) => Promise<T>): Promise<T> {
  try {
    return await here()
  } catch (error) {
    if (error instanceof LockedError) return there(clientOfLocked(error))
    throw error
  }
}
