/** POST /v1/transactions: validated, keyed, appended; answered when the commit that carries it is durable. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { partitionOf } from '../../streams/hash.ts'
import { transactionValue } from '../wire.ts'
import { avroItems, isAvro } from './avro.ts'
import { sendJson } from './body.ts'
import { HttpError, type Caller } from './door.ts'
import { QueueFullError, type DoorCounters, type IntakeRecord } from './ports.ts'
import type { Parts } from './server.ts'
import { BodyError, isRefusal, itemsOf, transactionOf, type RefusalReason } from './transactions.ts'

/** What became of one item. `queued`: durable in the log; whether it is a copy is decided later. */
export interface ItemResult {
  readonly index: number
  readonly transactionId: string | null
  readonly result: 'queued' | 'refused'
  readonly reason?: RefusalReason
  readonly message?: string
}

/** An array of this many items is at the body limit anyway; it bounds what a body of `[1,1,1,...]` costs. */
const maxItems = 100_000

const idOf = (item: unknown): string | null => {
  const id = (item as { transactionId?: unknown } | null)?.transactionId
  return typeof id === 'string' ? id.slice(0, 64) : null
}

function count(counters: DoorCounters, results: readonly ItemResult[], queued: number): void {
  counters.queued += queued
  if (queued === results.length) return
  for (const { reason } of results)
    if (reason !== undefined) counters.refused.set(reason, (counters.refused.get(reason) ?? 0) + 1)
}

async function items(parts: Parts, request: IncomingMessage, body: Buffer): Promise<unknown[]> {
  if (isAvro(request.headers['content-type'])) {
    const list = await avroItems(body, { ids: parts.schemas, writers: parts.writers, maxItems })
    if (list.length === 0) throw new HttpError(400, 'empty', 'There is no transaction in the body.')
    return list
  }
  const ndjson = request.headers['content-type']?.includes('ndjson') === true
  let list: unknown[]
  try {
    list = itemsOf(body, ndjson)
  } catch (error) {
    if (error instanceof BodyError) throw new HttpError(400, error.code, error.message)
    throw error
  }
  if (list.length === 0) throw new HttpError(400, 'empty', 'There is no transaction in the body.')
  if (list.length > maxItems) throw new HttpError(413, 'too-many-items', `Send at most ${maxItems} in one request.`)
  return list
}

/**
 * Answers 202 when at least one item was queued, 422 when all were refused: results per item either way. Errors as
 * HttpError: 400 unreadable body, 429 queue full (nothing queued), 503 not known whether it was queued.
 */
export async function postTransactions(
  parts: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
  body: Buffer,
): Promise<void> {
  const list = await items(parts, request, body)
  const now = parts.clock.now()
  const only = caller.key?.producer ?? null
  const rules = { ...parts.times, now, producer: only ?? parts.defaultProducer, onlyProducer: only }
  const results: ItemResult[] = []
  const accepted: IntakeRecord[] = []
  for (let index = 0; index < list.length; index++) {
    const transaction = transactionOf(list[index], rules)
    if (isRefusal(transaction)) {
      results.push({ index, transactionId: idOf(list[index]), result: 'refused', ...transaction })
      continue
    }
    const key = Buffer.from(transaction.payerAccount, 'utf8')
    const partition = partitionOf(key, 0, key.length, parts.intake.partitions)
    accepted.push({ partition, key, value: transactionValue(transaction, parts.schemas), timestamp: now })
    results.push({ index, transactionId: transaction.transactionId, result: 'queued' })
  }
  await appended(parts, accepted)
  count(parts.counters, results, accepted.length)
  const status = accepted.length > 0 ? 202 : 422
  sendJson(response, status, { queued: accepted.length, refused: results.length - accepted.length, results })
}

/** Appends durably; turns what can go wrong into answers. */
export async function appended(parts: Parts, records: readonly IntakeRecord[]): Promise<void> {
  try {
    await parts.intake.append(records)
  } catch (error) {
    if (error instanceof QueueFullError)
      throw new HttpError(429, 'queue-full', error.message, { 'retry-after': String(error.retryAfterSeconds) })
    const why = error instanceof Error ? error.message : String(error)
    throw new HttpError(
      503,
      'not-durable',
      `It is not known whether this was queued; send it again, a copy is recognised. ${why}`,
      { 'retry-after': '1' },
    )
  }
}
