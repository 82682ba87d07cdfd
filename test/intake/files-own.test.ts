/** What a row in our own columns becomes: the transaction that it says, or a dead letter with the first reason. */
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { TransactionEncoder } from '../../intake/files/encode.ts'
import { ownColumns, slot, slots } from '../../intake/files/slots.ts'
import { readTime } from '../../intake/files/time.ts'
import { amountMinorOf } from '../../schemas/money.ts'
import { deadLetterReasons } from '../../schemas/reasons.ts'
import { faultOf, timeFault } from '../../schemas/validate.ts'
import { RecordBatchWriter } from '../../streams/records.ts'
import { header, imported, now, settings } from './files-harness.ts'

const bounds = { earliest: settings.earliestEventTime, notAfter: now, maxAheadMs: settings.maxAheadMs }
const instant = (text: string): number => readTime(Buffer.from(text), 0, Buffer.byteLength(text))

// oxfmt-ignore
test.each([
  ['2024-01-05T12:00:00Z', Date.UTC(2024, 0, 5, 12)],
  ['2024-01-05T12:00:00.5Z', Date.UTC(2024, 0, 5, 12, 0, 0, 500)],
  ['2024-01-05T12:00:00.123456Z', Date.UTC(2024, 0, 5, 12, 0, 0, 123)],
  ['2024-01-05 12:00:00,25+01:00', Date.UTC(2024, 0, 5, 11, 0, 0, 250)],
  ['2024-01-05t12:00z', Date.UTC(2024, 0, 5, 12)],
  ['2024-01-05T12:00:00-0530', Date.UTC(2024, 0, 5, 17, 30)],
  ['2024-01-05T12:00:00+02', Date.UTC(2024, 0, 5, 10)],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ['1704456000000', 1_704_456_000_000],
  ['0', 0],
  ['-1', -1],
])('the time %s is read', (text, expected) => expect(instant(text)).toBe(expected))

test.each([
  '',
  'yesterday',
  '2024-01-05',
  '2024-01-05T12:00:00',
  '2023-02-29T00:00:00Z',
  '2024-13-01T00:00:00Z',
  '2024-01-05T24:00:00Z',
  '2024-01-05T12:60:00Z',
  '2024-01-05T12:00:60Z',
  '2024-01-05T12:00:00.Z',
  '2024-01-05T12:00:00ZZ',
  '2024-01-05X12:00:00Z',
  '2024-01-05T12:00:00+25:00',
  '2024-01-05T12:00:00+1',
  '1704456000000.5',
  '1e12',
  '1234567890123456',
  '-',
  ' 1704456000000',
])('the time %j is not guessed', (text) => expect(instant(text)).toBeNaN())

const full = 'T1,2024-01-05T12:00:00Z,A-1,bank-a,B-1,bank-b,12.30,EUR,shop,DE,refund,P1,mine'
const fullHeader = `${header},merchant,country,kind,originalTransactionId,producer`
const at = Date.UTC(2024, 0, 5, 12)

describe('our own columns', () => {
  it('become a transaction, keyed by the payer account, accepted at "not after"', async () => {
    const { seen, result } = await imported({ 'a.csv': `${fullHeader}\n${full}\n` })
    expect(seen[0]).toEqual({
      partition: 0,
      type: 'transaction',
      key: 'A-1',
      timestamp: now,
      value: {
        producer: 'mine',
        payerAccount: 'A-1',
        transactionId: 'T1',
        kind: 'REFUND',
        occurredAt: at,
        payerBank: 'bank-a',
        payeeAccount: 'B-1',
        payeeBank: 'bank-b',
        merchant: 'shop',
        amountMinor: 1230,
        currency: 'EUR',
        country: 'DE',
        originalTransactionId: 'P1',
        timePrecision: 'MILLISECOND',
      },
    })
    expect(result.record).toMatchObject({ rows: 1, transactions: 1, mapping: 'files', minTime: at, maxTime: at })
  })

  it.each([
    ['semicolons', `${fullHeader}\n${full}\n`.replaceAll(',', ';'), 'a.csv'],
    ['tabs', `${fullHeader}\n${full}\n`.replaceAll(',', '\t'), 'a.tsv'],
    ['a byte order mark', `\ufeff${fullHeader}\n${full}\n`, 'a.csv'],
    ['quotes everywhere', `${fullHeader}\n${full}`.replaceAll(/[^,\n]+/g, '"$&"'), 'a.csv'],
    ['blank lines in front', `\n\r\n${fullHeader}\n${full}\n`, 'a.csv'],
    ['NDJSON', ndjson(), 'a.ndjson'],
    ['NDJSON that nobody named so', ndjson(), 'a.txt'],
    [
      'NDJSON with numbers, blanks, escapes and more',
      `{ "x": [1, {"y": null}], ${ndjson()
        .slice(1)
        .replace('"12.30"', '12.30')
        .replace('"A-1"', '"\\u0041-1"')
        .replace(/"2024[^"]*"/, String(at))}`,
      'a.ndjson',
    ],
  ])('read the same with %s', async (_what, text, name) => {
    const plain = await imported({ 'a.csv': `${fullHeader}\n${full}\n` })
    const { seen } = await imported({ [name]: text })
    expect(seen).toEqual(plain.seen)
  })

  it('may be fewer and in any order; optional ones may be empty; others are said', async () => {
    const said: string[] = []
    const text = `note,currency,amount,payeeBank,payeeAccount,payerBank,payerAccount,occurredAt,transactionId,kind,country\nx,JPY,500,b,B,a,Ž-1,${at},T1,,\n`
    const { seen } = await imported({ 'a.csv': text }, { say: (what) => said.push(what) })
    expect(seen[0].value).toMatchObject({
      producer: 'files',
      kind: 'PAYMENT',
      amountMinor: 500,
      payerAccount: 'Ž-1',
      country: null,
      merchant: null,
    })
    expect(said).toEqual(['a.csv has columns that are not read: note.'])
  })

  it.each([
    ['a missing column', 'transactionId,occurredAt\n1,2\n', /lacks payerAccount, payeeAccount, .*--mapping/],
    ['a column twice', `${header},currency\n`, /two columns 'currency'/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8), /compressed with gzip/],
    ['UTF-16', Uint8Array.of(0xff, 0xfe, 65, 0), /UTF-16/],
  ])('with %s are refused as a whole', async (_what, text, message) => {
    await expect(imported({ 'a.csv': text })).rejects.toThrow(message)
  })
})

function ndjson(): string {
  const names = fullHeader.split(',')
  return JSON.stringify(Object.fromEntries(full.split(',').map((value, index) => [names[index], value])))
}

/** One field of a good row changed; the first reason by the list. */
// oxfmt-ignore
const faults: [field: string, value: string, reason: string][] = [
  ['occurredAt', '05.01.1993', 'unreadable-time'], ['occurredAt', '', 'unreadable-time'], ['occurredAt', '1970-01-01T00:00:00Z', 'time-too-early'],
  ['occurredAt', '2100-01-01T00:00:00Z', 'time-too-late'], ['occurredAt', '1989-12-31T23:59:59.999Z', 'time-too-early'],
  ['occurredAt', new Date(now + 30_001).toISOString(), 'time-too-late'],
  ['amount', '', 'unreadable-amount'], ['amount', '12,30', 'unreadable-amount'], ['amount', '1e2', 'unreadable-amount'], ['amount', '.5', 'unreadable-amount'], ['amount', '5.', 'unreadable-amount'],
  ['amount', '-1.00', 'invalid-amount'], ['amount', '+1.00', 'invalid-amount'], ['amount', '0', 'invalid-amount'], ['amount', '0.00', 'invalid-amount'],
  ['amount', '90071992547409.93', 'invalid-amount'], ['amount', '9'.repeat(50), 'invalid-amount'], ['amount', '1.234', 'amount-precision'], ['amount', '1.000', 'amount-precision'],
  ['kind', 'transfer', 'unreadable-kind'], ['currency', 'EURO', 'invalid-currency'], ['currency', 'eur', 'invalid-currency'], ['currency', '', 'invalid-currency'],
  ['transactionId', '', 'invalid-transaction-id'], ['transactionId', 'x'.repeat(65), 'invalid-transaction-id'], ['payerAccount', '', 'invalid-payer-account'],
  ['payeeAccount', '', 'invalid-payee-account'], ['payerBank', '', 'invalid-payer-bank'], ['payeeBank', 'ž'.repeat(65), 'invalid-payee-bank'],
  ['merchant', 'x'.repeat(65), 'invalid-merchant'], ['country', 'DEU', 'invalid-country'], ['country', 'de', 'invalid-country'],
  ['producer', 'x'.repeat(65), 'invalid-producer'], ['originalTransactionId', '', 'invalid-original'], ['merchant', 'x'.repeat(70_000), 'record-too-large'],
]

describe('a row that is wrong', () => {
  it.each(faults)('%s = %j is %s', async (field, value, reason) => {
    const names = fullHeader.split(',')
    const values = full.split(',').map((old, index) => (names[index] === field ? value : old))
    const row = values.map((text) => `"${text}"`).join(',')
    const { seen, result } = await imported({ 'a.csv': `${fullHeader}\n${full}\n${row}\n` })
    expect(seen.map(({ type }) => type)).toEqual(['transaction', 'unreadable', 'tick'])
    const { value: unreadable } = seen[1]
    expect(unreadable).toMatchObject({ reason, file: 'a.csv', line: 3 })
    expect(String(unreadable.message)).toContain(deadLetterReasons[reason as keyof typeof deadLetterReasons])
    expect(Buffer.from(unreadable.raw as Uint8Array).toString()).toBe(row.slice(0, 4096))
    expect(result.record.unreadable).toEqual([{ reason, count: 1 }])
  })

  it.each([
    ['a.csv', `${fullHeader}\n${full.replace('shop', '\xff')}\n`, 'text-encoding', 'latin1'],
    ['a.ndjson', `${ndjson().replace('shop', '\xff')}\n`, 'text-encoding', 'latin1'],
    ['a.ndjson', `${ndjson()}x\n`, 'json-syntax', 'utf8'],
    ['a.ndjson', `${ndjson()}\n[1]\n`, 'json-syntax', 'utf8'],
    ['a.ndjson', `${ndjson()}\n${ndjson().slice(0, -5)}`, 'row-cut', 'utf8'],
    ['a.ndjson', `${ndjson()}\n${'['.repeat(500_000)}\n`, 'json-syntax', 'utf8'],
    ['a.ndjson', `${ndjson()}\n{"transactionId":{"a":1}}\n`, 'unreadable-time', 'utf8'],
  ] as const)('%s %#', async (name, text, reason, encoding) => {
    const { result } = await imported({ [name]: Buffer.from(text, encoding) })
    expect(result.record.unreadable).toEqual([{ reason, count: 1 }])
  })
})

/** Fields of which some are right and some are not. */
const someText = fc.oneof(
  fc.string({ maxLength: 80, unit: 'grapheme' }),
  fc.constantFrom('', 'A-1', 'x'.repeat(64), 'x'.repeat(65), 'ž'.repeat(64)),
)
const someFields = fc.record({
  producer: someText,
  transactionId: someText,
  payerAccount: someText,
  payeeAccount: someText,
  payerBank: someText,
  payeeBank: someText,
  merchant: someText,
  country: fc.oneof(someText, fc.constantFrom('', 'DE', 'CZ')),
  currency: fc.constantFrom('EUR', 'JPY', 'BHD', 'CLF', 'XXX', ''),
  amount: fc.oneof(
    someText,
    fc.tuple(fc.nat({ max: 2 ** 31 }), fc.nat(99_999)).map(([a, b]) => `${a}.${b}`),
    fc.bigInt({ min: 0n, max: 10n ** 17n }).map(String),
    fc.constantFrom('1.00', '0.0', '1.', '.1', '007.10', '90071992547409.92', '90071992547409.93'),
  ),
  originalTransactionId: someText,
  kind: fc.constantFrom('', 'payment', 'Refund', 'CHARGEBACK', 'reversal', 'sale'),
  occurredAt: fc.integer({ min: 0, max: now * 2 }),
})

describe('the judgement over bytes', () => {
  it('is that of schemas/money.ts and schemas/validate.ts', () => {
    const encoder = new TransactionEncoder(bounds, 'files')
    const met = new Set<string | null>()
    fc.assert(
      fc.property(someFields, (fields) => {
        const starts = new Int32Array(slots)
        const ends = new Int32Array(slots)
        let bytes = Buffer.alloc(0)
        for (const name of ownColumns) {
          starts[slot[name]] = bytes.length
          bytes = Buffer.concat([bytes, Buffer.from(String(fields[name]))])
          ends[slot[name]] = bytes.length
        }
        const kind = (fields.kind === '' ? 'payment' : fields.kind).toUpperCase()
        const amount = amountMinorOf(fields.amount, fields.currency)
        const expected = ((): string | null => {
          if (amount === 'unreadable-amount') return amount
          if (kind === 'SALE') return 'unreadable-kind'
          const optional = (text: string): string | null => (text === '' ? null : text)
          const plain = {
            ...fields,
            producer: fields.producer === '' ? 'files' : fields.producer,
            kind: kind as 'PAYMENT',
            merchant: optional(fields.merchant),
            country: optional(fields.country),
            originalTransactionId: optional(fields.originalTransactionId),
            amountMinor: typeof amount === 'number' ? amount : 0,
          }
          const fault = faultOf(plain)
          if (fault === 'invalid-amount' && typeof amount === 'string') return amount
          return fault ?? timeFault(fields.occurredAt, now, bounds.earliest, bounds.maxAheadMs)
        })()
        met.add(expected)
        expect(encoder.fault({ bytes, starts, ends }, fields.occurredAt)).toBe(expected)
        const out = new RecordBatchWriter()
        out.begin(now)
        if (expected === null) encoder.write({ bytes, starts, ends }, fields.occurredAt, 0, [out])
        expect(out.count).toBe(expected === null ? 1 : 0)
      }),
      { numRuns: 20_000, seed: 7 },
    )
    expect(met).toContain(null)
    expect(met.size).toBeGreaterThan(15)
  })
})
