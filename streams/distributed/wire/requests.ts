/**
 * The few requests that the client library does not have in the form we need: Fetch and Produce with record batches as
 * bytes, and the newest transaction protocol (Produce v12, TxnOffsetCommit v5, EndTxn v5).
 */
import { createAPI, ProtocolError, type Reader, txnOffsetCommitV4, Writer } from '@platformatic/kafka'
import { BrokerError } from './errors.ts'

/** READ_COMMITTED: a fetch ends at the last stable offset and tells what was aborted. */
export const READ_COMMITTED = 1

function assertNone(request: string, code: number, detail = ''): void {
  if (code !== 0) throw new BrokerError(request, nameOf(code), detail)
}

/** Name of an error code; a code that the library does not know stays a number, and is nobody's reason to ask again. */
function nameOf(code: number): string {
  try {
    return String(new ProtocolError(code).apiId)
  } catch {
    return `error ${code}`
  }
}

export interface FetchAnswer {
  readonly logStart: number
  readonly lastStable: number
  /** Producer ids with aborted transactions, and where each begins, by ascending offset. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[]
  /** Record batches as the broker has them; the last one may be cut. The caller's own. */
  readonly bytes: Uint8Array
}

/** Fetch v12 of one partition: topic, partition, offset, most bytes, longest wait in ms. */
export const fetch = createAPI<[string, number, number, number, number], FetchAnswer>(
  1,
  12,
  (topic: string, partition: number, offset: number, maxBytes: number, maxWaitMs: number) =>
    Writer.create()
      .appendInt32(-1)
      .appendInt32(maxWaitMs)
      .appendInt32(1)
      .appendInt32(maxBytes)
      .appendInt8(READ_COMMITTED)
      .appendInt32(0)
      .appendInt32(-1)
      .appendArray([topic], (w, name) => {
        w.appendString(name).appendArray([partition], (p, index) => {
          p.appendInt32(index).appendInt32(-1).appendInt64(BigInt(offset)).appendInt32(-1)
          p.appendInt64(-1n).appendInt32(maxBytes)
        })
      })
      .appendArray([], () => undefined)
      .appendString('')
      .appendTaggedFields(),
  (_correlation, _key, _version, reader) => {
    reader.readInt32()
    assertNone('Fetch', reader.readInt16())
    reader.readInt32()
    const [answer] = reader.readArray((topic) => {
      topic.readString()
      return topic.readArray(readPartition)[0]
    })
    if (answer === undefined) throw new BrokerError('Fetch', 'no partition in the answer')
    return answer
  },
)

function readPartition(reader: Reader): FetchAnswer {
  reader.readInt32()
  const code = reader.readInt16()
  reader.readInt64()
  const lastStable = Number(reader.readInt64())
  const logStart = Number(reader.readInt64())
  const aborted = reader.readNullableArray((r) => ({ producerId: r.readInt64(), firstOffset: r.readInt64() })) ?? []
  reader.readInt32()
  assertNone('Fetch', code)
  aborted.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const length = reader.readUnsignedVarInt() - 1
  if (length <= 0) return { logStart, lastStable, aborted, bytes: new Uint8Array(0) }
  const start = reader.position
  const bytes = new Uint8Array(reader.buffer.slice(start, start + length))
  reader.skip(length)
  return { logStart, lastStable, aborted, bytes }
}

export interface ProducePart {
  readonly topic: string
  readonly partition: number
  /** One record batch, stamped. */
  readonly batch: Uint8Array
}

export interface ProduceAnswer {
  readonly topic: string
  readonly partition: number
  /** Null when it was appended. */
  readonly error: BrokerError | null
  readonly baseOffset: number
}

/** Produce v12, acks = all: one batch per partition, within the transaction of a transactional id; null: in none. */
export const produce = createAPI<[string | null, number, readonly ProducePart[]], ProduceAnswer[]>(
  0,
  12,
  (transactionalId: string | null, timeoutMs: number, parts: readonly ProducePart[]) =>
    Writer.create()
      .appendString(transactionalId)
      .appendInt16(-1)
      .appendInt32(timeoutMs)
      .appendArray([...byTopic(parts)], (w, [topic, own]) => {
        w.appendString(topic).appendArray(own, (p, { partition, batch }) => {
          const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength)
          p.appendInt32(partition)
            .appendUnsignedVarInt(bytes.length + 1)
            .append(bytes)
        })
      })
      .appendTaggedFields(),
  (_correlation, _key, _version, reader) =>
    reader
      .readArray((r) => {
        const topic = r.readString()
        return r.readArray((p) => readProduced(p, topic))
      })
      .flat(),
)

function byTopic(parts: readonly ProducePart[]): Map<string, ProducePart[]> {
  const topics = new Map<string, ProducePart[]>()
  for (const part of parts) {
    const own = topics.get(part.topic)
    if (own === undefined) topics.set(part.topic, [part])
    else own.push(part)
  }
  return topics
}

function readProduced(reader: Reader, topic: string): ProduceAnswer {
  const partition = reader.readInt32()
  const code = reader.readInt16()
  const baseOffset = Number(reader.readInt64())
  reader.readInt64()
  reader.readInt64()
  reader.readArray((r) => [r.readInt32(), r.readNullableString()])
  const detail = `${topic}/${partition} ${reader.readNullableString() ?? ''}`.trim()
  const error = code === 0 ? null : new BrokerError('Produce', nameOf(code), detail)
  return { topic, partition, error, baseOffset }
}

/** TxnOffsetCommit v5: joins the transaction by itself, as Produce v12 does; the layout is that of v4. */
export const txnOffsetCommit = createAPI<
  Parameters<typeof txnOffsetCommitV4.createRequest>,
  ReturnType<typeof txnOffsetCommitV4.parseResponse>
>(28, 5, txnOffsetCommitV4.createRequest, txnOffsetCommitV4.parseResponse)

/** EndTxn v5: its answer carries the producer id and epoch of the next transaction, so that no late copy can hit that. */
export const endTransaction = createAPI<
  [string, bigint, number, boolean],
  { readonly producerId: bigint; readonly epoch: number }
>(
  26,
  5,
  (transactionalId: string, producerId: bigint, epoch: number, commit: boolean) =>
    Writer.create()
      .appendString(transactionalId)
      .appendInt64(producerId)
      .appendInt16(epoch)
      .appendBoolean(commit)
      .appendTaggedFields(),
  (_correlation, _key, _version, reader) => {
    reader.readInt32()
    const code = reader.readInt16()
    const producerId = reader.readInt64()
    const epoch = reader.readInt16()
    assertNone('EndTxn', code)
    return { producerId, epoch }
  },
)
