/** Avro bodies of POST /v1/transactions: one value in the Confluent wire format, or a container file with many. */
import { parseSchema, type RecordType } from '../../streams/avro/schema.ts'
import { readVarint, varintOut } from '../../streams/avro/varint.ts'
import { records } from '../../schemas/topics.ts'
import type { SchemaIds } from '../../streams/schema-ids.ts'
import type { WriterLookup } from '../../streams/writer-schemas.ts'
import { ContainerError, fits, isContainer, readHeader, skip, SYNC_BYTES, unpack } from '../avro/container.ts'
import { refusedSchema, TransactionReader } from '../avro/transactions.ts'
import { HttpError } from './door.ts'

/** Media types that name Avro; what the body is, it says itself. */
export const avroTypes = ['application/avro', 'avro/binary', 'application/vnd.apache.avro'] as const

/** All blocks of a container together, unpacked: 16 times a full body. */
const MAX_UNPACKED = 16 * 1024 * 1024

export interface AvroDoor {
  readonly ids: SchemaIds
  /** Who knows ids that are not the log's own; null: nobody. */
  readonly writers: WriterLookup | null
  /** Most records of one body. */
  readonly maxItems: number
}

export const isAvro = (contentType: string | undefined): boolean => {
  const type = contentType?.split(';')[0].trim().toLowerCase()
  return avroTypes.some((one) => one === type)
}

/**
 * The transactions of a body as items for `transactionOf`. Errors as HttpError: 400 for what cannot be read or has a schema that is not accepted (nothing of it
 * is taken), 413 for what is too large when it is unpacked, 503 while nobody can be
 * asked for it.
 */
export async function avroItems(body: Buffer, door: AvroDoor): Promise<object[]> {
  if (isContainer(body)) return containerItems(body, door)
  if (body.length < 5 || body[0] !== 0) {
    throw new HttpError(
      400,
      'avro-syntax',
      'The body is neither a value in the Confluent wire format nor a container file.',
    )
  }
  const reader = new TransactionReader(await schemaOf(body.readInt32BE(1), door))
  return [itemOf(reader, body, 5, body.length)]
}

async function schemaOf(id: number, { ids, writers }: AvroDoor): Promise<string> {
  for (const type of [records.transaction, records.transactionV1]) if (ids.idOf(type) === id) return type.schema
  const unknown = (words: string): HttpError => new HttpError(400, 'schema-unknown', words)
  if (writers === null) {
    throw unknown(`Schema id ${id} is not one of this log. It takes ${ids.idOf(records.transaction)} (transaction.v2).`)
  }
  try {
    const found = await writers.find(id)
    if (found.schema === null) throw unknown(found.words)
    return found.schema
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError(503, 'registry-away', `Schema id ${id} cannot be looked up now; nothing was queued.`, {
      'retry-after': '1',
    })
  }
}

function containerItems(body: Buffer, { maxItems }: AvroDoor): object[] {
  try {
    const header = readHeader(body, 0, body.length)
    if (header === null) throw new ContainerError('It ends in its header.')
    const refused = refusedSchema(header.schema)
    if (refused !== null) throw new HttpError(400, 'schema-unknown', refused)
    const reader = new TransactionReader(header.schema)
    const type = parseSchema(header.schema)
    const items: object[] = []
    let unpacked = 0
    for (let at = header.end; at < body.length;) {
      const { count, from, to } = blockAt(body, at, header.sync)
      const block = unpack(header.codec, body.subarray(from, to), MAX_UNPACKED)
      unpacked += block.length
      if (unpacked > MAX_UNPACKED) throw tooLarge(`more than ${MAX_UNPACKED} bytes when it is unpacked`)
      if (items.length + count > maxItems) throw tooLarge(`more than ${maxItems} transactions`)
      readBlock(reader, type, block, count, items)
      at = to + SYNC_BYTES
    }
    return items
  } catch (error) {
    if (!(error instanceof ContainerError)) throw error
    const large = error.message.includes('when it is unpacked')
    throw new HttpError(
      large ? 413 : 400,
      large ? 'body-too-large' : 'avro-syntax',
      `The container file: ${error.message}`,
    )
  }
}

const tooLarge = (what: string): HttpError =>
  new HttpError(413, 'body-too-large', `The container file has ${what}. Send it in several requests.`)

/** Records and place of the block that begins at `at`. Errors: ContainerError. */
function blockAt(body: Buffer, at: number, sync: Uint8Array): { count: number; from: number; to: number } {
  let p = readVarint(body, at, body.length)
  const count = varintOut[0]
  if (p >= 0) p = readVarint(body, p, body.length)
  const size = varintOut[0]
  if (p < 0 || count < 0 || size < 0 || size > body.length - p - SYNC_BYTES) {
    throw new ContainerError(`The block at byte ${at} is cut off or damaged.`)
  }
  if (!body.subarray(p + size, p + size + SYNC_BYTES).equals(sync)) {
    throw new ContainerError(`The block at byte ${at} does not end with the sync marker.`)
  }
  return { count, from: p, to: p + size }
}

function readBlock(
  reader: TransactionReader,
  type: RecordType,
  block: Uint8Array,
  count: number,
  items: object[],
): void {
  if (!fits(type, count, block.length)) throw new ContainerError(`A block says that it has ${count} records.`)
  let at = 0
  for (let i = 0; i < count; i++) {
    const end = skip(type, block, at, block.length)
    if (end < 0) throw new ContainerError(`Record ${items.length + 1} is cut off or malformed.`)
    items.push(itemOf(reader, block, at, end))
    at = end
  }
  if (at !== block.length)
    throw new ContainerError(`There are bytes behind record ${items.length}, the last of its block.`)
}

/** A record in the shape of a JSON item, so that one set of rules judges both. */
function itemOf(reader: TransactionReader, bytes: Uint8Array, start: number, end: number): object {
  if (reader.read(bytes, start, end) !== 'ok') {
    throw new HttpError(400, 'avro-syntax', 'A value is not a whole record of its schema, or larger than 64 KiB.')
  }
  const amount = reader.number('amountMinor')
  return {
    producer: reader.text('producer'),
    transactionId: reader.text('transactionId'),
    occurredAt: reader.number('occurredAt'),
    payerAccount: reader.text('payerAccount'),
    payerBank: reader.text('payerBank'),
    payeeAccount: reader.text('payeeAccount'),
    payeeBank: reader.text('payeeBank'),
    merchant: reader.text('merchant'),
    // Beyond 2^53 a number is not what was written; it is refused as what it is, too large.
    amountMinor: Number.isSafeInteger(amount) || amount === 2 ** 53 ? String(amount) : '9'.repeat(20),
    currency: reader.text('currency'),
    country: reader.text('country'),
    kind: reader.kind(),
    originalTransactionId: reader.text('originalTransactionId'),
    timePrecision: reader.timePrecision(),
  }
}
