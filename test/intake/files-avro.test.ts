/** Avro container files: what they hold comes in, what is damaged is accounted for, bombs cost nothing, nothing crashes. */
import { describe, expect, it, test } from 'vitest'
import avro from 'avsc'
import { seeded } from '../../intake/random.ts'
import { records } from '../../schemas/topics.ts'
import type { Backend } from '../../streams/backend.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { compatible, incompatible, ours, text } from '../registry/writers.ts'
import { block, container, header, sync, type Codec } from './avro-files.ts'
import { contentOf, imported, now, run, short, write } from './files-harness.ts'

const v1 = records.transactionV1.schema
const v2 = records.transaction.schema
const value = (n: number): Record<string, unknown> => ({
  producer: 'acquirer',
  payerAccount: `ACC-${n % 7}`,
  transactionId: `P${n}`,
  kind: n % 10 === 9 ? 'REFUND' : 'PAYMENT',
  occurredAt: now - 86_400_000 + n * 1000,
  payerBank: 'bank-a',
  payeeAccount: 'Zoë-1',
  payeeBank: 'bank-b',
  merchant: n % 3 === 0 ? null : 'books',
  amountMinor: 1 + n,
  currency: n % 2 === 0 ? 'EUR' : 'JPY',
  country: null,
  originalTransactionId: n % 10 === 9 ? 'P1' : null,
  timePrecision: n % 4 === 0 ? 'DAY' : 'MILLISECOND',
})
const values = (count: number): Record<string, unknown>[] => Array.from({ length: count }, (_, n) => value(n))
const encode = (...all: readonly object[]): Buffer => {
  const type = avro.Type.forSchema(JSON.parse(v2) as avro.Schema)
  return Buffer.concat(all.map((one) => type.toBuffer(one)))
}

async function rowsOf(file: Uint8Array): Promise<{ rows: number; words: string[]; dead: number }> {
  const { result, seen } = await imported({ 'payments.avro': file })
  const { record } = result
  const dead = record.unreadable.reduce((sum, { count }) => sum + count, 0)
  expect(record.transactions + dead).toBe(record.rows)
  expect(seen.filter(({ type }) => type === 'transaction')).toHaveLength(record.transactions)
  expect(seen.filter(({ type }) => type === 'unreadable')).toHaveLength(dead)
  return { rows: record.rows, dead, words: seen.filter(({ type }) => type !== 'tick').map(short) }
}

describe('a container file', () => {
  it.each(['null', 'deflate', 'zstandard', 'snappy'] as const)(
    'packed with %s gives its payments as they are',
    async (codec) => {
      const { seen } = await imported({ 'payments.avro': container(v2, values(1_000), codec) })
      const transactions = seen.filter(({ type }) => type === 'transaction').map(({ value: one }) => one)
      expect(transactions).toEqual(values(1_000))
    },
  )

  it('of the version before is read as today', async () => {
    const { seen } = await imported({ 'old.avro': container(v1, values(20), 'deflate') })
    const transactions = seen.filter(({ type }) => type === 'transaction').map(({ value: one }) => one)
    expect(transactions).toEqual(values(20).map((one) => ({ ...one, timePrecision: 'MILLISECOND' })))
  })

  it.each(Object.entries(compatible))('of a schema %s is read by it', async (_, schemaOf) => {
    const schema = schemaOf()
    const all = values(300)
    const written = all.map((one) => ({ channel: 'web', ...one }))
    const { seen } = await imported({ 'theirs.avro': container(text(schema), written, 'snappy') })
    const there = new Set(schema.fields.map(({ name }) => name))
    const defaults = { timePrecision: 'MILLISECOND', country: null }
    const expected = all.map((one) => ({
      ...one,
      ...Object.fromEntries(Object.entries(defaults).filter(([name]) => !there.has(name))),
    }))
    const transactions = seen.filter(({ type }) => type === 'transaction').map(({ value: one }) => one)
    expect(transactions).toEqual(expected)
  })

  it('whose fields may all be null, as exports of tables are, is read; a null where none can be is a row', async () => {
    const schema = ours()
    for (const field of schema.fields) {
      if (!Array.isArray(field.type)) field.type = ['null', field.type]
      delete field['default']
    }
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false })
    const rows = [...values(3), { ...value(3), payerBank: null }].map((one) => type.toBuffer(one))
    const file = Buffer.concat([header(text(schema), 'null'), block('null', 4, Buffer.concat(rows))])
    expect((await rowsOf(file)).words.toSorted()).toEqual(['!undecodable@4', 'P0', 'P1', 'P2'])
  })

  it('with maps, fixed and unions beside our fields, and a union in place of one, is read', async () => {
    const extra = [
      { name: 'labels', type: { type: 'map', values: 'string' } },
      { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 5 } },
      { name: 'choice', type: ['null', 'long', 'string', 'Hash', { type: 'map', values: ['null', 'double'] }] },
      { name: 'deep', type: { type: 'array', items: { type: 'map', values: 'Hash' } } },
    ]
    const schema = ours()
    schema.fields = [...extra, ...schema.fields, { name: 'last', type: ['string', 'long', 'boolean'] }]
    schema.fields.find(({ name }) => name === 'payeeBank')!.type = ['long', 'string', 'null']
    const hash = Buffer.from([1, 2, 3, 4, 5])
    const choices = [
      null,
      { long: 7 },
      { string: 'x' },
      { 'sluice.Hash': hash },
      { map: { a: null, b: { double: 2.5 } } },
    ]
    const written = values(200).map((one, n) => ({
      ...one,
      merchant: one['merchant'] === null ? null : { string: one['merchant'] },
      originalTransactionId: one['originalTransactionId'] === null ? null : { string: one['originalTransactionId'] },
      payeeBank: n === 50 ? { long: 5 } : n === 51 ? null : { string: one['payeeBank'] },
      labels: Object.fromEntries(Array.from({ length: n % 5 }, (_, i) => [`key ${i}`, 'v'.repeat(n)])),
      hash,
      choice: choices[n % choices.length],
      deep: Array.from({ length: n % 3 }, () => ({ one: hash, two: hash })),
      last: [{ string: 'end' }, { long: -n }, { boolean: true }][n % 3],
    }))
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true })
    const file = Buffer.concat([
      header(text(schema), 'snappy'),
      block('snappy', 200, Buffer.concat(written.map((one) => type.toBuffer(one)))),
    ])
    const { seen } = await imported({ 'theirs.avro': file })
    const transactions = seen.filter((one) => one.type === 'transaction').map(({ value: one }) => one)
    expect(transactions).toEqual(values(200).filter((_, n) => n !== 50 && n !== 51))
    // A branch that cannot be a bank is a row that cannot be read, and only that row.
    expect(seen.filter((one) => one.type === 'unreadable')).toHaveLength(2)
  })

  it('out of order of time is sorted, and the log is the same as of the sorted one', async () => {
    const backwards = await imported({ 'a.avro': container(v2, values(300).toReversed(), 'deflate') })
    const forwards = await imported({ 'a.avro': container(v2, values(300), 'deflate') })
    const words = async ({ backend }: { backend: Backend }): Promise<string[]> => (await contentOf(backend)).map(short)
    expect(await words(backwards)).toEqual(await words(forwards))
  })

  it('stands beside CSV in one import', async () => {
    const csv = `transactionId,occurredAt,payerAccount,payerBank,payeeAccount,payeeBank,amount,currency\nC1,${now - 86_390_500},A,bank-a,B,bank-b,1.00,EUR\n`
    const backend = openMemory()
    await run(backend, write({ 'a.avro': container(v2, values(20)), 'b.csv': csv }))
    const ids = (await contentOf(backend)).filter(({ type }) => type === 'transaction').map(short)
    expect(ids).toEqual([
      ...values(10).map(({ transactionId }) => transactionId),
      'C1',
      ...values(20)
        .slice(10)
        .map(({ transactionId }) => transactionId),
    ])
  })

  it('with fields that are no payment has a dead letter for each, for the reason that CSV would have', async () => {
    const bad = [
      { ...value(0), amountMinor: 0 },
      { ...value(1), amountMinor: -5 },
      { ...value(2), currency: 'XXY' },
      { ...value(3), payerAccount: '' },
      { ...value(4), country: 'de' },
      { ...value(5), occurredAt: 0 },
      value(6),
    ]
    const { words } = await rowsOf(container(v2, bad))
    expect(words.toSorted()).toEqual(
      [
        '!invalid-amount@1',
        '!invalid-amount@2',
        '!invalid-currency@3',
        '!invalid-payer-account@4',
        '!invalid-country@5',
        '!time-too-early@6',
        'P6',
      ].toSorted(),
    )
  })
})

describe('damage', () => {
  const good = encode(...values(4))

  test('a record that is malformed takes those behind it in its block along, each counted', async () => {
    const broken = Buffer.concat([encode(value(0), value(1)), Buffer.from([3]), encode(value(3))])
    const file = Buffer.concat([header(v2, 'null'), block('null', 4, broken), block('null', 4, good)])
    expect((await rowsOf(file)).words).toEqual(['P0', 'P1', '!undecodable@3', '!undecodable@4', 'P0', 'P1', 'P2', 'P3'])
  })

  test('bytes behind the last record of a block are one row', async () => {
    const file = Buffer.concat([header(v2, 'null'), block('null', 4, Buffer.concat([good, Buffer.from([1, 2])]))])
    expect((await rowsOf(file)).words).toEqual(['P0', 'P1', 'P2', 'P3', '!undecodable@5'])
  })

  test('a block that is not where it should be is one row, and reading goes on behind the next sync marker', async () => {
    const marker = Uint8Array.from(sync).fill(9)
    const file = Buffer.concat([
      header(v2, 'null'),
      block('null', 4, good),
      block('null', 4, good, marker),
      block('null', 4, good),
      block('null', 2, encode(value(8), value(6))),
    ])
    // The damaged piece ends at the next marker, which is that of the block behind it.
    expect((await rowsOf(file)).words).toEqual(['P0', 'P1', 'P2', 'P3', '!undecodable@5', 'P8', 'P6'])
  })

  test('a file that is cut off gives what was whole, and one row', async () => {
    const file = container(v2, values(8), 'deflate', 4)
    expect((await rowsOf(file.subarray(0, file.length - 5))).words).toEqual(['P0', 'P1', 'P2', 'P3', '!row-cut@5'])
  })

  test('a block that cannot be unpacked is one row', async () => {
    const file = Buffer.concat([
      header(v2, 'deflate'),
      block('null', 4, Buffer.from('no deflate')),
      block('deflate', 4, good),
    ])
    expect((await rowsOf(file)).words).toEqual(['!undecodable@1', 'P0', 'P1', 'P2', 'P3'])
  })
})

describe('bombs', () => {
  test.each<[string, Codec]>([
    ['deflate', 'deflate'],
    ['zstandard', 'zstandard'],
    ['snappy', 'snappy'],
  ])('zeros packed with %s are not unpacked', async (_, codec) => {
    const file = Buffer.concat([
      header(v2, codec),
      block(codec, 4, Buffer.alloc(200 << 20)),
      block(codec, 1, encode(value(0))),
    ])
    // Snappy packs twenty to one at best.
    expect(file.length).toBeLessThan(10 << 20)
    const before = process.memoryUsage().arrayBuffers
    expect((await rowsOf(file)).words).toEqual(['!undecodable@1', 'P0'])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(180 << 20)
  })

  test('a count of records that cannot be there, and a size of a block that cannot be, are one row each', async () => {
    const file = Buffer.concat([
      header(v2, 'null'),
      block('null', 2 ** 50, encode(value(0))),
      block('null', 1, encode(value(0))),
    ])
    expect((await rowsOf(file)).words).toEqual(['!undecodable@1', 'P0'])
    const huge = Buffer.concat([
      header(v2, 'null'),
      Buffer.from([2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x7f]),
      Buffer.alloc(64),
    ])
    expect((await rowsOf(huge)).words).toEqual(['!undecodable@1'])
  })

  test.each([
    [
      'a schema that holds itself',
      JSON.stringify({
        type: 'record',
        name: 'Transaction',
        fields: [{ name: 'next', type: ['null', 'Transaction'] }],
      }),
      /recursion/,
    ],
    ['a schema of something else', '{"type":"record","name":"Other","fields":[]}', /'Other'/],
    [
      'a schema whose times are microseconds',
      v2.replace('timestamp-millis', 'timestamp-micros'),
      /occurredAt is written as timestamp-micros and read as timestamp-millis/,
    ],
    ...incompatible.map(([what, field, schemaOf]): [string, string, RegExp] => [
      `a schema with ${what}`,
      text(schemaOf()),
      new RegExp(`cannot be read as a transaction: .*${field}.*transaction\\.v2\\.avsc`),
    ]),
    ['no JSON', 'schema', /cannot be read as a transaction/],
  ])('%s is refused with the whole file', async (_, schema, words) => {
    const file = Buffer.concat([header(schema, 'null'), block('null', 1, Buffer.alloc(10))])
    await expect(imported({ 'x.avro': file })).rejects.toThrow(words)
  })

  test('a codec that is not read, a header that does not end, and a mapping are refused in words', async () => {
    await expect(imported({ 'x.avro': Buffer.concat([header(v2, 'bzip2')]) })).rejects.toThrow(
      /'bzip2'.*null, deflate, zstandard, snappy/,
    )
    await expect(imported({ 'x.avro': header(v2, 'null').subarray(0, 100) })).rejects.toThrow(/ends in its header/)
    const endless = Buffer.concat([Buffer.from('Obj\x01\xfe\xff\xff\x7f', 'latin1'), Buffer.alloc(400_000)])
    await expect(imported({ 'x.avro': endless })).rejects.toThrow(/header is longer/)
  })
})

test('mutated files: nothing crashes, every row is accounted for, what is whole comes in', async () => {
  const random = seeded(20_260_105)
  const pick = (below: number): number => random.below(below)
  let dead = 0
  let alive = 0
  for (let round = 0; round < 300; round++) {
    const codec = (['null', 'deflate', 'zstandard', 'snappy'] as const)[round % 4]
    const file = Buffer.from(container(v2, values(60), codec, 1 + pick(30)))
    const start = header(v2, codec).length
    for (let i = 0; i <= pick(4); i++) {
      const at = start + pick(file.length - start)
      const kind = pick(3)
      if (kind === 0) file[at] = pick(256)
      else if (kind === 1) file.copyWithin(at, start + pick(file.length - start))
      else file.fill(pick(256), at, Math.min(file.length, at + pick(20)))
    }
    const cut = pick(4) === 0 ? file.subarray(0, start + pick(file.length - start)) : file
    const rows = await rowsOf(cut).catch((error: unknown) => {
      throw new Error(`round ${round}: ${String(error)}`, { cause: error })
    })
    dead += rows.dead
    alive += rows.rows - rows.dead
  }
  expect(dead).toBeGreaterThan(300)
  expect(alive).toBeGreaterThan(3_000)
})
