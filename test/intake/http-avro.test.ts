/** Avro over HTTP: a value in the wire format, a container file, and everything that is refused, in words, before it costs. */
import { afterEach, describe, expect, it, test } from 'vitest'
import avro from 'avsc'
import { seeded } from '../../intake/random.ts'
import { transactionValue } from '../../intake/wire.ts'
import { records } from '../../schemas/topics.ts'
import { schemaIds } from '../../streams/schema-ids.ts'
import type { WriterLookup } from '../../streams/writer-schemas.ts'
import { compatible, incompatible, ours, payment as foreign, text, writtenBy } from '../registry/writers.ts'
import { block, container, header } from './avro-files.ts'
import { now, startServer } from './fake-ports.ts'

type Started = Awaited<ReturnType<typeof startServer>>
const started: Started[] = []
async function start(options: Parameters<typeof startServer>[0] = {}): Promise<Started> {
  const server = await startServer(options)
  started.push(server)
  return server
}
afterEach(async () => {
  for (const { server } of started.splice(0)) await server.close()
})

const payment = (n: number): ReturnType<typeof foreign> => ({ ...foreign(n), occurredAt: now - n })
const type = avro.Type.forSchema(JSON.parse(records.transaction.schema) as avro.Schema)

interface Answer {
  readonly queued?: number
  readonly error?: string
  readonly message?: string
  readonly results?: readonly { readonly result: string; readonly reason?: string }[]
}

async function post(
  { url }: { url: string },
  body: Uint8Array,
  contentType = 'application/avro',
): Promise<Answer & { status: number; retryAfter: string | null }> {
  const response = await fetch(`${url}/v1/transactions`, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': contentType },
  })
  const answer = (await response.json()) as Answer
  return { ...answer, status: response.status, retryAfter: response.headers.get('retry-after') }
}

describe('a value in the wire format', () => {
  it.each(['application/avro', 'avro/binary', 'application/vnd.apache.avro; charset=binary'])(
    'as %s is queued as it is',
    async (contentType) => {
      const server = await start()
      expect(await post(server, transactionValue(payment(1)), contentType)).toMatchObject({ status: 202, queued: 1 })
      expect(Buffer.from(server.intake.records[0].value)).toEqual(Buffer.from(transactionValue(payment(1))))
    },
  )

  it('under ids of a registry is read by them, and written by them', async () => {
    const ids = schemaIds(Object.fromEntries(Object.values(records).map(({ name }, i) => [name, 100 + i])))
    const server = await start({ schemas: ids })
    expect(await post(server, transactionValue(payment(1), ids))).toMatchObject({ status: 202 })
    expect(Buffer.from(server.intake.records[0].value)).toEqual(Buffer.from(transactionValue(payment(1), ids)))
    expect(await post(server, transactionValue(payment(1)))).toMatchObject({ status: 400, error: 'schema-unknown' })
  })

  it('of another producer needs somebody who knows its id; while nobody answers nothing is queued', async () => {
    const schema = compatible['with an optional field that we do not know']()
    let answers = true
    const writers: WriterLookup = {
      find: (id) => {
        if (!answers) return Promise.reject(new Error('connection refused'))
        if (id === 1000) return Promise.resolve({ schema: text(schema), words: '', forEver: true })
        return Promise.resolve({ schema: null, words: `Schema id ${id} is not in the registry.`, forEver: false })
      },
    }
    const server = await start({ writers })
    expect(await post(server, writtenBy(schema, 1000, payment(1)))).toMatchObject({ status: 202 })
    expect(Buffer.from(server.intake.records[0].value)).toEqual(Buffer.from(transactionValue(payment(1))))
    expect(await post(server, writtenBy(schema, 1001, payment(1)))).toMatchObject({
      status: 400,
      message: 'Schema id 1001 is not in the registry.',
    })
    answers = false
    expect(await post(server, writtenBy(schema, 1000, payment(1)))).toMatchObject({
      status: 503,
      error: 'registry-away',
      retryAfter: '1',
    })
    expect(server.intake.records).toHaveLength(1)
  })

  it('that is cut off, goes on, or has no prefix is refused', async () => {
    const server = await start()
    const value = transactionValue(payment(1))
    for (const bad of [
      value.subarray(0, value.length - 1),
      Buffer.concat([value, Buffer.from([0])]),
      value.subarray(5),
      Buffer.alloc(0),
    ]) {
      expect(await post(server, bad)).toMatchObject({ status: 400, error: 'avro-syntax' })
    }
    expect(server.intake.records).toEqual([])
  })

  it('is judged by the same rules as JSON', async () => {
    const server = await start()
    const answer = await post(server, transactionValue({ ...payment(1), amountMinor: 0 }))
    expect(answer).toMatchObject({ status: 422, results: [{ result: 'refused', reason: 'invalid-amount' }] })
  })
})

describe('a container file', () => {
  it.each(['null', 'deflate', 'zstandard'] as const)('packed with %s is queued record by record', async (codec) => {
    const server = await start()
    const file = container(
      records.transaction.schema,
      Array.from({ length: 250 }, (_, n) => payment(n)),
      codec,
    )
    expect(await post(server, file, 'application/vnd.apache.avro')).toMatchObject({ status: 202, queued: 250 })
    const queued = server.intake.records.map(({ value }) => Buffer.from(value))
    expect(queued).toEqual(Array.from({ length: 250 }, (_, n) => Buffer.from(transactionValue(payment(n)))))
  })

  const good = type.toBuffer(payment(1))
  test.each<[string, Buffer, number, RegExp]>([
    [
      'zeros of 200 MB',
      Buffer.concat([header(text(ours()), 'deflate'), block('deflate', 4, Buffer.alloc(200 << 20))]),
      413,
      /16777216 bytes when it is unpacked/,
    ],
    [
      'a count that cannot be',
      Buffer.concat([header(text(ours()), 'null'), block('null', 50, good)]),
      400,
      /says that it has 50 records/,
    ],
    ['a block that is cut off', container(text(ours()), [payment(1)]).subarray(0, -3), 400, /cut off or damaged/],
    [
      'another sync marker',
      Buffer.concat([header(text(ours()), 'null'), block('null', 1, good, new Uint8Array(16))]),
      400,
      /sync marker/,
    ],
    [
      'an amount that is text',
      header(text(incompatible[0][2]()), 'null'),
      400,
      /cannot be read as a transaction: .*amountMinor/,
    ],
    [
      'a schema that holds itself',
      header(
        JSON.stringify({ type: 'record', name: 'Transaction', fields: [{ name: 'x', type: 'Transaction' }] }),
        'null',
      ),
      400,
      /recursion/,
    ],
    ['another codec', Buffer.concat([header(text(ours()), 'bzip2'), block('null', 1, good)]), 400, /'bzip2'/],
    ['nothing in it', header(text(ours()), 'null'), 400, /no transaction/],
  ])('with %s is refused whole', async (_, file, status, words) => {
    const server = await start()
    const answer = await post(server, file)
    expect(answer.status).toBe(status)
    expect(answer.message).toMatch(words)
    expect(server.intake.records).toEqual([])
  })

  test('mutated in any way is answered: queued, or refused in words', async () => {
    const server = await start()
    const random = seeded(20_260_106)
    const pick = (below: number): number => random.below(below)
    const statuses = new Map<number, number>()
    for (let round = 0; round < 400; round++) {
      const codec = (['null', 'deflate', 'zstandard', 'snappy'] as const)[round % 4]
      const file = Buffer.from(
        container(
          text(ours()),
          Array.from({ length: 20 }, (_, n) => payment(n)),
          codec,
          1 + pick(10),
        ),
      )
      for (let i = 0; i <= pick(3); i++) file[pick(file.length)] = pick(256)
      const { status } = await post(server, pick(5) === 0 ? file.subarray(0, pick(file.length)) : file)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    expect([...statuses.keys()].filter((status) => ![202, 400, 413, 422].includes(status))).toEqual([])
    expect(statuses.get(400)).toBeGreaterThan(100)
  })
})
