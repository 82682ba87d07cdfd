/** What a mapping can read, and what becomes of a mapping that is wrong. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { debitOrCredit, plainAmount, unsigned } from '../../intake/files/amounts.ts'
import { DatePattern, Zone } from '../../intake/files/dates.ts'
import { checkMapping, loadMapping } from '../../intake/files/load-mapping.ts'
import { daysOf } from '../../intake/files/time.ts'
import { type Mapping, mapping, skip } from '../../intake/mapping.ts'
import { directory, header, imported, line, write } from './files-harness.ts'

const iso = (instant: number): string => (Number.isNaN(instant) ? 'unreadable' : new Date(instant).toISOString())

// oxfmt-ignore
test.each([
  ['930105', 'YYMMDD', 'UTC', '1993-01-05T00:00:00.000Z'],
  ['690105', 'YYMMDD', 'UTC', '2069-01-05T00:00:00.000Z'],
  ['700105', 'YYMMDD', 'UTC', '1970-01-05T00:00:00.000Z'],
  ['05.01.1993', 'DD.MM.YYYY', 'UTC', '1993-01-05T00:00:00.000Z'],
  ['5.1.1993', 'D.M.YYYY', 'UTC', '1993-01-05T00:00:00.000Z'],
  ['15.11.1993 7:05', 'D.M.YYYY H:mm', 'UTC', '1993-11-15T07:05:00.000Z'],
  ['2024-02-29 23:59:59.123', 'YYYY-MM-DD HH:mm:ss.SSS', 'UTC', '2024-02-29T23:59:59.123Z'],
  ['20240105T070809', 'YYYYMMDDTHHmmss', 'UTC', '2024-01-05T07:08:09.000Z'],
  ['01/05/2024', 'MM/DD/YYYY', 'America/New_York', '2024-01-05T05:00:00.000Z'],
  ['930105', 'YYMMDD', 'Europe/Prague', '1993-01-04T23:00:00.000Z'],
  ['2024-07-01 12:00', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-07-01T10:00:00.000Z'],
  // 2024-03-31, 02:00 to 03:00 does not exist in Prague: the later offset, +02:00.
  ['2024-03-31 01:59', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-03-31T00:59:00.000Z'],
  ['2024-03-31 02:30', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-03-31T00:30:00.000Z'],
  ['2024-03-31 03:00', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-03-31T01:00:00.000Z'],
  // 2024-10-27, 02:00 to 03:00 happens twice: the earlier offset, +02:00.
  ['2024-10-27 01:59', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-10-26T23:59:00.000Z'],
  ['2024-10-27 02:30', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-10-27T00:30:00.000Z'],
  ['2024-10-27 03:00', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-10-27T02:00:00.000Z'],
  ['2024-10-28 00:00', 'YYYY-MM-DD HH:mm', 'Europe/Prague', '2024-10-27T23:00:00.000Z'],
  // A zone whose midnight is skipped, and one with an offset of quarters of an hour.
  ['2023-09-03', 'YYYY-MM-DD', 'America/Santiago', '2023-09-03T03:00:00.000Z'],
  ['2024-01-05', 'YYYY-MM-DD', 'Asia/Kathmandu', '2024-01-04T18:15:00.000Z'],
  ['931305', 'YYMMDD', 'UTC', 'unreadable'], ['930229', 'YYMMDD', 'UTC', 'unreadable'], ['93010', 'YYMMDD', 'UTC', 'unreadable'], ['9301055', 'YYMMDD', 'UTC', 'unreadable'],
  ['05-01-1993', 'DD.MM.YYYY', 'UTC', 'unreadable'], ['', 'YYMMDD', 'UTC', 'unreadable'], ['2024-01-05 24:00', 'YYYY-MM-DD HH:mm', 'UTC', 'unreadable'],
])('%s as %s in %s is %s', (text, pattern, zone, expected) => {
  const local = new DatePattern(pattern, 70).local(text)
  expect(iso(new Zone(zone).instantOf(local))).toBe(expected)
})

test('days are counted as Date counts them', () => {
  for (let days = -200_000; days < 200_000; days += 97) {
    const date = new Date(days * 86_400_000)
    expect(daysOf(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate())).toBe(days)
  }
})

test.each([
  ['YYMMDD', null, /declare twoDigitYearPivot/],
  ['DD.MM', 70, /needs a year/],
  ['DD.MM.YYYY QQ', 70, /'Q' means nothing/],
] as const)('the pattern %s with pivot %s is refused', (pattern, pivot, message) => {
  expect(() => new DatePattern(pattern, pivot)).toThrow(message)
})

// oxfmt-ignore
test.each([
  ['1234.50', false, '1234.50'], ['1,234.50', false, '1234.50'], ['1 234 567.5', false, '1234567.5'], ["1'234.50", false, '1234.50'], ['-12', false, '-12'], ['12-', false, '-12'],
  ['(12.00)', false, '-12.00'], ['+12.00', false, '12.00'], [' 700.0 ', false, '700.0'], ['0012.50', false, '0012.50'],
  ['1.234,50', true, '1234.50'], ['1234,5', true, '1234.5'], ['1\u00a0234,50', true, '1234.50'], ['-1.234.567,00', true, '-1234567.00'], ['\u22125,00', true, '-5.00'],
])('%s (decimal comma: %s) is %s', (text, comma, expected) => expect(plainAmount(text, comma)).toBe(expected))

test.each([
  ['1,5', false],
  ['1,23,456', false],
  ['1.5', true],
  ['1.23', true],
  ['1234.567,00', true],
  ['', false],
  ['12.', false],
  ['.5', false],
  ['1e3', false],
  ['12 EUR', false],
  ['--1', false],
  ['1 2', false],
])('%j (decimal comma: %s) is no amount, and is not guessed', (text, comma) => {
  expect(plainAmount(text, comma)).toMatch(/^unreadable/)
  expect(unsigned(plainAmount(text, comma))).toMatch(/^unreadable/)
})

test.each([
  ['100,00', '', { side: 'debit', amount: '100.00' }],
  ['', '5,00', { side: 'credit', amount: '5.00' }],
  ['0,00', '5,00', { side: 'credit', amount: '5.00' }],
  ['-7,00', '0', { side: 'debit', amount: '7.00' }],
  ['', '', { side: 'none', amount: '0' }],
])('debit %j and credit %j', (debit, credit, expected) => expect(debitOrCredit(debit, credit, true)).toEqual(expected))

const good = {
  transactionId: 'T1',
  occurredAt: Date.UTC(2024, 0, 5),
  payerAccount: 'A',
  payerBank: 'a',
  payeeAccount: 'B',
  payeeBank: 'b',
  amount: '1.00',
  currency: 'EUR',
}
const declare = (map: (...row: never[]) => unknown, more: Partial<Mapping> = {}): Mapping => ({
  name: 'bank-of-test',
  ...more,
  map: map as Mapping['map'],
})

describe('a mapping', () => {
  it('gives transactions with its name as producer, its precision, and what it declares', async () => {
    const text = 'čas;částka;od;komu\n5.1.2024;1.234,50;Žďár "A";B\n'
    const bytes = Buffer.from(text, 'latin1')
    // windows-1250: č = e8, á = e1, Ž = 8e, ď = ef
    const encoded = Buffer.from(
      Array.from(text, (character) => ({ č: 0xe8, á: 0xe1, Ž: 0x8e, ď: 0xef })[character] ?? character.charCodeAt(0)),
    )
    expect(encoded.length).toBe(bytes.length)
    const { seen, result } = await imported(
      { 'a.csv': encoded },
      {
        declare: {
          name: 'bank',
          encoding: 'windows-1250',
          delimiter: ';',
          quote: '',
          decimalComma: true,
          zone: 'Europe/Prague',
          timePrecision: 'day',
          map: (row, tools) => ({
            transactionId: 'T1',
            occurredAt: tools.date(row.čas, 'D.M.YYYY'),
            payerAccount: row.od,
            payerBank: 'a',
            payeeAccount: row.komu,
            payeeBank: 'b',
            amount: tools.amount(row.částka),
            currency: 'CZK',
          }),
        },
      },
    )
    expect(seen[0].value).toMatchObject({
      producer: 'bank',
      payerAccount: 'Žďár "A"',
      amountMinor: 123_450,
      occurredAt: Date.UTC(2024, 0, 4, 23),
      timePrecision: 'DAY',
      kind: 'PAYMENT',
      merchant: null,
    })
    expect(result.record).toMatchObject({ mapping: 'bank', mappingHash: 'hash-of-the-mapping' })
  })

  it('sees numbers of NDJSON as they were written, and nested values', async () => {
    const { seen } = await imported(
      { 'a.ndjson': '{"id":900719925474099312,"money":{"value":100.10,"currency":"EUR"},"on":true}\n' },
      {
        declare: declare((row: { id: string; on: boolean; money: { value: string; currency: string } }) => {
          return { ...good, transactionId: row.id, amount: row.money.value, currency: row.on ? row.money.currency : '' }
        }),
      },
    )
    expect(seen[0].value).toMatchObject({
      transactionId: '900719925474099312',
      amountMinor: 10_010,
      currency: 'EUR',
      timePrecision: 'SECOND',
    })
  })

  it('reads a file without a header', async () => {
    const { seen } = await imported(
      { 'a.csv': 'T7|x\nT8|"y|z"\n' },
      {
        declare: declare((row: Record<string, string>) => ({ ...good, transactionId: row.id, merchant: row.note }), {
          columns: ['id', 'note'],
          delimiter: '|',
        }),
      },
    )
    expect(seen.slice(0, 2).map(({ value }) => [value.transactionId, value.merchant])).toEqual([
      ['T7', 'x'],
      ['T8', 'y|z'],
    ])
  })

  it('leaves rows out for reasons that are counted', async () => {
    const text = `${header}\n${['a', 'b', 'c'].map((id) => line(id, '0')).join('\n')}\n`
    const { seen, result } = await imported(
      { 'a.csv': text },
      {
        declare: declare((row: Record<string, string>) =>
          row.transactionId === 'b' ? good : skip(row.transactionId === 'a' ? 'cash' : 'fee'),
        ),
      },
    )
    expect(seen.map(({ type }) => type)).toEqual(['transaction', 'tick'])
    expect(result.record).toMatchObject({
      rows: 3,
      transactions: 1,
      skipped: [
        { reason: 'cash', count: 1 },
        { reason: 'fee', count: 1 },
      ],
    })
  })

  // oxfmt-ignore
  it.each<[what: string, map: () => unknown, reason: string, message: RegExp]>([
    ['throws', () => { throw new Error('no such bank') }, 'mapping-threw', /no such bank.*Correct the mapping/],
    ['throws no error', () => { throw null }, 'mapping-threw', /null/],
    ['throws what cannot be shown', () => { throw { toString() { throw new Error('x') } } }, 'mapping-threw', /no Error/],
    ['gives a getter that throws', () => ({ ...good, get merchant(): string { throw new Error('late') } }), 'mapping-threw', /late/],
    ['gives nothing', () => undefined, 'mapping-result', /gave undefined/],
    ['gives null', () => null, 'mapping-result', /gave null/],
    ['is asynchronous', async () => good, 'mapping-result', /gave a promise/],
    ['is asynchronous and fails', async () => { throw new Error('later') }, 'mapping-result', /gave a promise/],
    ['gives an array', () => [], 'mapping-result', /occurredAt is undefined/],
    ['forgets a field', () => ({ ...good, currency: undefined }), 'mapping-result', /currency is undefined/],
    ['misspells a field', () => ({ ...good, merchnt: 'x' }), 'mapping-result', /'merchnt', which is not known/],
    ['gives a number for text', () => ({ ...good, amount: 1.5 }), 'mapping-result', /amount is number/],
    ['gives text for a time', () => ({ ...good, occurredAt: '2024' }), 'mapping-result', /occurredAt is string/],
    ['skips without a reason', () => skip(''), 'mapping-result', /1 to 64/],
    ['skips with an endless reason', () => skip('x'.repeat(65)), 'mapping-result', /1 to 64/],
    ['gives a time that it could not read', () => ({ ...good, occurredAt: Number.NaN }), 'unreadable-time', /cannot be read/],
    ['gives a fraction of a millisecond', () => ({ ...good, occurredAt: 1.5 }), 'unreadable-time', /cannot be read/],
    ['gives an amount that it could not read', () => ({ ...good, amount: plainAmount('1,5', false) }), 'unreadable-amount', /not a decimal/],
    ['gives a signed amount', () => ({ ...good, amount: '-1.00' }), 'invalid-amount', /without a sign/],
    ['gives an unknown kind', () => ({ ...good, kind: 'fee' }), 'unreadable-kind', /none of payment/],
    ['gives an empty id', () => ({ ...good, transactionId: '' }), 'invalid-transaction-id', /1 to 64/],
    ['gives an unknown currency', () => ({ ...good, currency: 'KČ' }), 'invalid-currency', /'KČ'/],
  ])('that %s makes a dead letter of the row, and the rest goes on', async (_what, map, reason, message) => {
    const text = `${header}\n${line('a', '0')}\n${line('b', '0')}\n`
    const { seen, result } = await imported({ 'a.csv': text }, { declare: declare((row: Record<string, string>) => (row.transactionId === 'a' ? map() : good)) })
    expect(result.record).toMatchObject({ transactions: 1, unreadable: [{ reason, count: 1 }] })
    expect(seen[0].value).toMatchObject({ reason, line: 2, message: expect.stringMatching(message) })
  })
})

describe('a mapping module', () => {
  const source = (body: string): string =>
    `import { bank } from './banks.ts'\nexport default { name: 'm', map: (row, tools) => tools.skip(bank) }\n${body}`

  it('is identified by its content and that of what it imports', async () => {
    const hashes = new Set<string>()
    for (const [body, bank] of [
      ['', 'a'],
      ['// x', 'a'],
      ['', 'b'],
    ]) {
      const [path] = write({ 'm.ts': source(body), 'banks.ts': `export const bank: string = '${bank}'\n` })
      const loaded = await loadMapping(path)
      expect(loaded.declaration.name).toBe('m')
      hashes.add(loaded.hash)
      const [other] = write({ 'renamed.ts': source(body), 'banks.ts': `export const bank: string = '${bank}'\n` })
      expect((await loadMapping(other)).hash).toBe(loaded.hash)
    }
    expect(hashes.size).toBe(3)
  })

  it.each([
    ['export default 1', /no mapping/],
    ['export const x = 1', /no mapping/],
    ['export default {', /cannot be loaded/],
    ["import './nowhere.ts'\nexport default {}", /nowhere\.ts cannot be read/],
    [
      "export default { name: '', zone: 'Mars/Base', delimiter: ';;', encoding: 'utf-16le', twoDigitYearPivot: 1970, timePrecision: 'hour', format: 'xml' }",
      /name: .*map: .*format: .*delimiter: .*timePrecision: .*twoDigitYearPivot: .*encoding: .*zone: 'Mars\/Base'/,
    ],
  ])('with a fault is refused, with every fault at once: %s', async (text, message) => {
    const path = join(directory(), 'm.ts')
    writeFileSync(path, text)
    await expect(loadMapping(path)).rejects.toMatchObject({
      code: 'SLUICE_IMPORT_MAPPING',
      message: expect.stringMatching(message),
    })
  })

  it('is a plain value', () => {
    const declaration = mapping({ name: 'm', map: () => skip('x') })
    expect(checkMapping(declaration, 'h', 'here').declaration).toBe(declaration)
  })
})
