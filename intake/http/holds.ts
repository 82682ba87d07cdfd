/** Release and reject: a control record in the payer's partition, and a short wait for what became of it. */
import { randomUUID } from 'node:crypto'
import { partitionOf } from '../../streams/hash.ts'
import { holdResolutionValue } from '../wire.ts'
import { readObject, sendJson } from './body.ts'
import { HttpError } from './door.ts'
import type { Identity } from './ports.ts'
import { appended } from './post.ts'
import { referred, type Exchange } from './routes.ts'

/** How long a caller waits for the outcome when it says nothing: a tick or two. */
const defaultWaitMs = 3_000
const maxWaitMs = 30_000

const known = new Set([
  'ref',
  'producer',
  'payerAccount',
  'transactionId',
  'by',
  'why',
  'notSettledElsewhere',
  'resolutionId',
  'waitMs',
])

function text(body: Record<string, unknown>, name: string, most: number): string {
  const value = body[name]
  if (typeof value !== 'string' || value.trim() === '' || value.length > most || !value.isWellFormed())
    throw new HttpError(400, 'bad-field', `${name} must be a text of 1 to ${most} characters.`)
  return value
}

function identityOf(exchange: Exchange, body: Record<string, unknown>): Identity {
  if (typeof body.ref === 'string') return referred(exchange.parts, body.ref)
  return {
    producer: text(body, 'producer', 128),
    payerAccount: text(body, 'payerAccount', 128),
    transactionId: text(body, 'transactionId', 128),
  }
}

/**
 * Answers 200 when it was carried out, 409 when it was refused (and why), 202 when it is durable and not decided yet.
 * Sending the same resolutionId again changes nothing.
 */
export async function resolveHold(exchange: Exchange, action: 'RELEASE' | 'REJECT'): Promise<void> {
  const { parts, request, response } = exchange
  const body = await readObject(request, parts.bodyLimitBytes)
  for (const name of Object.keys(body))
    if (!known.has(name)) throw new HttpError(400, 'unknown-field', `There is no field '${name.slice(0, 64)}' here.`)
  const identity = identityOf(exchange, body)
  const { notSettledElsewhere = false, waitMs = defaultWaitMs } = body
  if (typeof notSettledElsewhere !== 'boolean')
    throw new HttpError(400, 'bad-field', 'notSettledElsewhere must be true or false.')
  if (typeof waitMs !== 'number' || !Number.isInteger(waitMs) || waitMs < 0 || waitMs > maxWaitMs)
    throw new HttpError(400, 'bad-field', `waitMs must be an integer from 0 to ${maxWaitMs}.`)
  const resolutionId = body.resolutionId === undefined ? randomUUID() : text(body, 'resolutionId', 64)
  const { producer, payerAccount, transactionId } = identity
  const value = holdResolutionValue(
    {
      resolutionId,
      action,
      producer,
      payerAccount,
      transactionId,
      by: text(body, 'by', 200),
      why: text(body, 'why', 1000),
      notSettledElsewhere,
    },
    parts.schemas,
  )
  const key = Buffer.from(payerAccount, 'utf8')
  const partition = partitionOf(key, 0, key.length, parts.intake.partitions)
  await appended(parts, [{ partition, key, value, timestamp: parts.clock.now() }])
  const outcome = await parts.holds.outcomeOf(resolutionId, identity, waitMs)
  if (outcome === null) return sendJson(response, 202, { resolutionId, result: 'queued' })
  const { event, cycleStart, why } = outcome
  if (event === 'REFUSED') return sendJson(response, 409, { resolutionId, result: 'refused', why })
  sendJson(response, 200, { resolutionId, result: event === 'RELEASED' ? 'released' : 'rejected', cycleStart })
}
