/**
 * Ways to spoil a row of a file, each with the dead-letter reason that it must lead to. Seeded; used by the fuzz tests.
 */
import { mapping, type Mapping, skip } from '../../intake/mapping.ts'
import type { Random } from '../../intake/random.ts'
import type { DeadLetterReason } from '../../schemas/reasons.ts'

/** A good row by column. */
export type Good = Record<(typeof columns)[number], string>

export const columns = [
  'transactionId',
  'occurredAt',
  'payerAccount',
  'payerBank',
  'payeeAccount',
  'payeeBank',
  'amount',
  'currency',
  'merchant',
  'country',
  'kind',
  'originalTransactionId',
  'producer',
] as const

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_ .:/áčďéěíňóřšťúůýž€😀'
const alphabet = Array.from(letters)

/** Text of `least` to `most` characters without delimiters and quotes. */
export function words(random: Random, least: number, most: number): string {
  let text = ''
  for (let length = least + random.below(most - least + 1); length > 0; length--)
    text += alphabet[random.below(alphabet.length)]
  return text
}

/** A good row; times ascend with `index`. */
export function goodRow(random: Random, index: number): Good {
  const isReturn = random.chance(0.1)
  return {
    transactionId: `T-${index}`,
    occurredAt: new Date(Date.UTC(2024, 0, 5) + index * 100).toISOString(),
    payerAccount: words(random, 1, 34),
    payerBank: words(random, 1, 11),
    payeeAccount: words(random, 1, 64),
    payeeBank: words(random, 1, 11),
    amount: `${1 + random.below(1_000_000)}.${String(random.below(100)).padStart(2, '0')}`,
    currency: ['EUR', 'CZK', 'USD'][random.below(3)],
    merchant: random.chance(0.5) ? '' : words(random, 1, 64),
    country: random.chance(0.5) ? '' : 'DE',
    kind: isReturn
      ? ['refund', 'reversal', 'chargeback'][random.below(3)]
      : ['', 'payment', 'PAYMENT'][random.below(3)],
    originalTransactionId: isReturn ? words(random, 1, 64) : '',
    producer: random.chance(0.5) ? '' : words(random, 1, 64),
  }
}

export const csvOf = (row: Good): string => columns.map((name) => row[name]).join(',')
export const ndjsonOf = (row: Good): string => JSON.stringify(row)

const long = (random: Random): string => words(random, 65, 200)
const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)]

/** Spoils one field: what the row then is, in every format. */
export const fieldMutators: Partial<Record<DeadLetterReason, (random: Random, row: Good) => Partial<Good>>> = {
  'unreadable-time': (random) => ({
    occurredAt: pick(random, [
      '',
      'now',
      '05.01.1993',
      '2024-01-05',
      '2024-01-05T10:00:00',
      '2024-13-05T10:00:00Z',
      '2024-02-30T10:00:00Z',
      '12e3',
      words(random, 1, 16) + 'x',
      '1'.repeat(16),
    ]),
  }),
  'unreadable-amount': (random) => ({
    amount: pick(random, [
      '',
      'ten',
      '1 000',
      '1e3',
      '.5',
      '5.',
      '0x10',
      '--1',
      'NaN',
      '1.2.3',
      `${random.below(1000)} EUR`,
    ]),
  }),
  'unreadable-kind': (random) => ({
    kind: pick(random, ['fee', 'transfer', 'pay', 'payments', words(random, 1, 8) + '!']),
  }),
  'record-too-large': (random) => ({
    [pick(random, ['merchant', 'payeeAccount', 'originalTransactionId'] as const)]: 'x'.repeat(
      65_536 + random.below(1000),
    ),
  }),
  'invalid-producer': (random) => ({ producer: long(random) }),
  'invalid-transaction-id': (random) => ({ transactionId: random.chance(0.5) ? '' : long(random) }),
  'invalid-payer-account': (random) => ({ payerAccount: random.chance(0.5) ? '' : long(random) }),
  'invalid-payee-account': (random) => ({ payeeAccount: random.chance(0.5) ? '' : long(random) }),
  'invalid-payer-bank': (random) => ({ payerBank: random.chance(0.5) ? '' : long(random) }),
  'invalid-payee-bank': (random) => ({ payeeBank: random.chance(0.5) ? '' : long(random) }),
  'invalid-merchant': (random) => ({ merchant: long(random) }),
  'invalid-country': (random) => ({ country: pick(random, ['de', 'D', 'DEU', '49', 'Č', 'D1']) }),
  'invalid-currency': (random) => ({ currency: pick(random, ['', 'eur', 'EURO', 'XXX', 'XAU', 'EU', '978', '€']) }),
  'invalid-amount': (random) => ({
    amount: pick(random, [
      '0',
      '0.00',
      '-1.00',
      '+1.00',
      `-${random.below(1000)}`,
      '90071992547409.93',
      '9'.repeat(20 + random.below(60)),
    ]),
  }),
  'amount-precision': (random) => ({
    amount: `${1 + random.below(1000)}.${String(random.below(1000)).padStart(3, '0')}`,
  }),
  'invalid-original': (random) => ({
    kind: pick(random, ['refund', 'reversal', 'chargeback']),
    originalTransactionId: random.chance(0.5) ? '' : long(random),
  }),
  'time-too-early': (random) => ({
    occurredAt: pick(random, [
      '0',
      '-1',
      '1970-01-01T00:00:00Z',
      '1989-12-31T23:59:59.999Z',
      String(random.below(631_152_000)),
    ]),
  }),
  'time-too-late': (random) => ({
    occurredAt: pick(random, [
      '2100-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
      String(4_000_000_000_000 + random.below(1000)),
    ]),
  }),
}

/** Spoils the bytes of a CSV line. The rest of the file must stay what it is. */
export const csvMutators: Partial<Record<DeadLetterReason, (random: Random, line: string) => Uint8Array>> = {
  'csv-quote': (random, line) => {
    const fields = line.split(',')
    const at = random.below(fields.length)
    // No quote stands before a delimiter: one that opens and one that closes in two such rows would make a row of RFC 4180.
    fields[at] = pick(random, [`"x${fields[at]}`, `${fields[at]}x"y`, `"${fields[at]}"x`, `x"y${fields[at]}`])
    return Buffer.from(fields.join(','))
  },
  'column-count': (random, line) => {
    const fields = line.split(',')
    if (random.chance(0.5)) fields.splice(random.below(fields.length), 1 + random.below(fields.length - 1))
    else fields.splice(random.below(fields.length), 0, ...Array.from({ length: 1 + random.below(20) }, () => 'x'))
    if (fields.length === 1) fields[0] = 'x'
    return Buffer.from(fields.join(','))
  },
  'text-encoding': (random, line) => broken(random, line),
}

/** Spoils the bytes of an NDJSON line. */
export const ndjsonMutators: Partial<Record<DeadLetterReason, (random: Random, line: string) => Uint8Array>> = {
  'json-syntax': (random, line) => {
    const at = 1 + random.below(line.length - 2)
    return Buffer.from(
      pick(random, [
        line.slice(0, at),
        `${line}}`,
        `${line},`,
        `[${line}]`,
        line.slice(1),
        `{${line}`,
        'null',
        '7',
        '"x"',
        '[]',
        line.replace(':', ''),
        line.replace(':', ':+'),
      ]),
    )
  },
  'text-encoding': (random, line) => broken(random, line),
}

/** Puts bytes that are not UTF-8 into the producer's place at the end of a line, or anywhere in a value. */
function broken(random: Random, line: string): Uint8Array {
  const wrong = pick(random, [
    [0xff],
    [0xc3],
    [0x80],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xc0, 0xaf],
    [0xf5, 0x80, 0x80, 0x80],
  ])
  const at = line.indexOf('T-')
  return Buffer.concat([Buffer.from(line.slice(0, at)), Buffer.from(wrong), Buffer.from(line.slice(at))])
}

/** Changes bytes anywhere: flips, deletes, inserts, copies, cuts. What comes of it is not known. */
export function mutateBytes(random: Random, bytes: Uint8Array, times: number): Uint8Array {
  let out = Buffer.from(bytes)
  const signs = Buffer.from('",;\n\r\t{}[]:\\0-.\xff\0', 'latin1')
  for (; times > 0; times--) {
    const at = random.below(out.length)
    switch (random.below(6)) {
      case 0:
        out[at] = random.below(256)
        break
      case 1:
        out[at] = signs[random.below(signs.length)]
        break
      case 2:
        out = Buffer.concat([
          out.subarray(0, at),
          signs.subarray(random.below(signs.length)).subarray(0, 1),
          out.subarray(at),
        ])
        break
      case 3:
        out = Buffer.concat([out.subarray(0, at), out.subarray(at + 1 + random.below(4))])
        break
      case 4: {
        const from = random.below(out.length)
        out = Buffer.concat([out.subarray(0, at), out.subarray(from, from + random.below(40)), out.subarray(at)])
        break
      }
      default:
        out[at] ^= 1 << random.below(8)
    }
  }
  return out
}

/** A mapping whose results are wrong in the way that the column `note` of the row names; pure. */
export const brokenMapping: Mapping = mapping({
  name: 'broken',
  map(row, tools) {
    const good: Record<string, unknown> = { ...row, occurredAt: tools.instant(row.occurredAt) }
    delete good.note
    const [what, name] = row.note.split(':')
    const results: Record<string, () => unknown> = {
      good: () => good,
      skip: () => skip(`reason ${name}`),
      throw: () => {
        throw new Error(`row ${row.transactionId}`)
      },
      'throw-value': () => {
        throw name
      },
      getter: () =>
        Object.defineProperty(good, 'merchant', {
          enumerable: true,
          get: () => {
            throw new Error('x')
          },
        }),
      proxy: () =>
        new Proxy(good, {
          ownKeys: () => {
            throw new Error('x')
          },
        }),
      nothing: () => undefined,
      text: () => name,
      number: () => Number(name),
      array: () => [good],
      promise: () => Promise.reject(new Error('x')),
      missing: () => ({ ...good, [name]: undefined }),
      'wrong-type': () => ({ ...good, [name]: { toString: () => 'x' } }),
      'wrong-time': () => ({ ...good, occurredAt: row.occurredAt }),
      unknown: () => ({ ...good, [`${name}s`]: 'x' }),
      'bad-skip': () => skip(name.repeat(30)),
    }
    return results[what]() as never
  },
})

const requiredText = ['transactionId', 'payerAccount', 'payerBank', 'payeeAccount', 'payeeBank', 'amount', 'currency']

/** Notes for `brokenMapping`. */
export const mappingNotes: Partial<Record<DeadLetterReason, (random: Random) => string>> = {
  'mapping-threw': (random) => pick(random, ['throw:x', 'throw-value:x', 'getter:x', 'proxy:x']),
  'mapping-result': (random) =>
    pick(random, [
      'nothing:x',
      'text:x',
      'number:7',
      'array:x',
      'promise:x',
      `missing:${pick(random, requiredText)}`,
      'wrong-time:x',
      'bad-skip:xyz',
      `wrong-type:${pick(random, [...requiredText, 'merchant', 'kind', 'country'])}`,
      `unknown:${pick(random, columns)}`,
    ]),
}
