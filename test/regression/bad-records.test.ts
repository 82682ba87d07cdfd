/** No bad record stops the line: at least 1,000 spoiled records for every reason, each a dead letter of that reason. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../../intake/random.ts'
import { transactionValue, type Transaction } from '../../intake/wire.ts'
import { deadLetterReasons, type DeadLetterReason } from '../../schemas/reasons.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { objectCodec, wire } from '../../streams/avro/object.ts'
import { partitionOf } from '../../streams/hash.ts'
import { TestDriver } from '../../streams/testing.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'

const PARTITIONS = 3
const ACCEPTED_AT = Date.UTC(2026, 0, 5, 12)
const settings = { ...defaultSettings, partitions: PARTITIONS }
const codec = objectCodec<object>(records.transaction.schema)

interface Sent {
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  readonly partition?: number
}
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const home = (key: Uint8Array): number => partitionOf(key, 0, key.length, PARTITIONS)

/** How a record is spoiled so that it becomes a dead letter of a reason; `n` makes every one different. */
type Spoil = (good: Transaction, n: number, pick: (below: number) => number) => Sent
const changed =
  (change: (good: Transaction, n: number) => Record<string, unknown>): Spoil =>
  (good, n) => {
    const record = { ...good, ...change(good, n) }
    return { key: utf8(record.payerAccount), value: wire(records.transaction.id, codec.encode(record)) }
  }
const long = 'x'.repeat(65)
const accents = 'é'.repeat(65)
const spoils: Partial<Record<DeadLetterReason, Spoil>> = {
  undecodable: (good, n, pick) => {
    const whole = transactionValue(good)
    const cut = whole.slice(0, 5 + pick(whole.length - 6))
    const trailing = Uint8Array.from([...whole, n & 127])
    return { key: utf8(good.payerAccount), value: n % 3 === 0 ? trailing : n % 3 === 1 ? cut : whole.slice(0, n % 5) }
  },
  'unknown-schema': (good, n) => {
    const value = transactionValue(good)
    new DataView(value.buffer).setInt32(1, 1000 + n)
    return { key: utf8(good.payerAccount), value }
  },
  'unexpected-record': (good, n) => {
    const value = transactionValue(good)
    new DataView(value.buffer).setInt32(1, n % 2 === 0 ? records.decision.id : records.mark.id)
    return { key: utf8(good.payerAccount), value }
  },
  'invalid-control': (_, n) => {
    const texts = [
      '',
      'null',
      '{}',
      '{"holdAt":1,"declineAt":2,"rules":[{"name":"x","points":1,"absent":"fires","when":[{"feature":"constructor","atLeast":1}]}]}',
    ]
    const value = { version: `${n}`, rules: texts[n % 4], sha256: '', effectiveFrom: 0, by: 'x' }
    return {
      key: null,
      value: wire(records.ruleSet.id, objectCodec<object>(records.ruleSet.schema).encode(value)),
      partition: n % PARTITIONS,
    }
  },
  'record-too-large': changed((_, n) => ({ merchant: 'm'.repeat(66_000 + (n % 100)) })),
  'invalid-producer': changed((_, n) => ({ producer: n % 2 === 0 ? '' : long })),
  'invalid-transaction-id': changed((_, n) => ({ transactionId: n % 2 === 0 ? '' : accents })),
  'invalid-payer-account': changed((_, n) => ({ payerAccount: n % 2 === 0 ? '' : long + n })),
  'invalid-payee-account': changed((_, n) => ({ payeeAccount: n % 2 === 0 ? '' : long })),
  'invalid-payer-bank': changed((_, n) => ({ payerBank: n % 2 === 0 ? '' : accents })),
  'invalid-payee-bank': changed((_, n) => ({ payeeBank: n % 2 === 0 ? '' : long })),
  'invalid-merchant': changed(() => ({ merchant: long })),
  'invalid-country': changed((_, n) => ({ country: ['de', 'D', 'DEU', 'D1'][n % 4] })),
  'invalid-currency': changed((_, n) => ({ currency: ['EUX', 'eur', '', 'EURO', 'ZZZ'][n % 5] })),
  'invalid-amount': (good, n) => {
    // 2^53 + 1 and 2^62 cannot be said as a number: the varint is written by hand in place of the 1.
    const amounts = [0, -1, -(2 ** 53)]
    if (n % 4 < 3) return changed(() => ({ amountMinor: amounts[n % 4] }))(good, n, () => 0)
    const prefix = transactionValue({ ...good, amountMinor: 1 })
    const at = prefix.findIndex((byte, i) => byte === 2 && prefix[i + 1] === 6 && prefix[i + 2] === 69)
    const huge = [130, 128, 128, 128, 128, 128, 128, 32]
    return {
      key: utf8(good.payerAccount),
      value: Uint8Array.from([...prefix.slice(0, at), ...huge, ...prefix.slice(at + 1)]),
    }
  },
  'invalid-original': changed((_, n) => ({ kind: 'REFUND', originalTransactionId: [null, '', long][n % 3] })),
  'time-too-early': changed((_, n) => ({ occurredAt: [0, -1, Date.UTC(1989, 11, 31)][n % 3] })),
  'time-too-late': changed((_, n) => ({ occurredAt: [ACCEPTED_AT + 30_001, Date.UTC(2100, 0, 1), 2 ** 52][n % 3] })),
  'misrouted-key': (good, n) => {
    const key = n % 2 === 0 ? null : utf8(`${good.payerAccount}?`)
    return { key, value: transactionValue(good), partition: home(utf8(good.payerAccount)) }
  },
  'misrouted-partition': (good, n) => {
    const key = utf8(good.payerAccount)
    return { key, value: transactionValue(good), partition: (home(key) + 1 + (n % (PARTITIONS - 1))) % PARTITIONS }
  },
}
/** Reasons of rows of files are spoiled and counted in the tests of the file intake; what no producer can do, nowhere. */
const ofFiles = new Set<DeadLetterReason>([
  ...([
    'csv-quote',
    'row-too-long',
    'row-cut',
    'column-count',
    'json-syntax',
    'text-encoding',
    'mapping-threw',
  ] as const),
  ...(['mapping-result', 'unreadable-time', 'unreadable-amount', 'unreadable-kind', 'amount-precision'] as const),
])

const goodOne = (n: number): Transaction => ({
  producer: 'bank',
  payerAccount: `acc-${n % 5000}`,
  transactionId: `T${n}`,
  kind: 'PAYMENT',
  occurredAt: ACCEPTED_AT - 60_000 + (n % 60_000),
  payerBank: 'bank-a',
  payeeAccount: 'shop',
  payeeBank: 'bank-b',
  merchant: null,
  amountMinor: 100,
  currency: 'EUR',
  country: null,
  originalTransactionId: null,
  timePrecision: 'MILLISECOND',
})

function driver(): TestDriver {
  return new TestDriver({
    topologies: [payments(settings), settlement(settings)],
    topics: Object.values(topics),
    partitions: PARTITIONS,
    markOf: (topic) => (topic === 'cycle-partials' ? null : records.mark),
  })
}

async function sendAll(line: TestDriver, sent: readonly Sent[]): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const mine = sent.filter(({ key, partition: given }) => (given ?? (key === null ? 0 : home(key))) === partition)
    for (let at = 0; at < mine.length; at += 500) {
      const chunk = mine.slice(at, at + 500)
      const toSend = chunk.map(({ key, value }) => ({ key, value, type: records.transaction, timestamp: ACCEPTED_AT }))
      await line.send(topics.transactions.name, partition, toSend)
    }
  }
}

test('every reason that a record can have is spoiled here', () => {
  const missing = Object.keys(deadLetterReasons).filter(
    (reason) => !(reason in spoils) && !ofFiles.has(reason as DeadLetterReason),
  )
  expect(missing).toEqual([])
})

test('1,200 spoiled records for every reason, among good ones: each is a dead letter of just that reason', async () => {
  const random = seeded(11)
  const pick = (below: number): number => random.below(below)
  const sent: Sent[] = []
  const expected = new Map<string, number>()
  let n = 0
  let good = 0
  for (let round = 0; round < 1200; round++) {
    for (const [reason, spoil] of Object.entries(spoils)) {
      sent.push(spoil(goodOne(n), n, pick))
      expected.set(reason, (expected.get(reason) ?? 0) + 1)
      n++
    }
    const one = goodOne(n++)
    sent.push({ key: utf8(one.payerAccount), value: transactionValue(one) })
    good++
  }
  const line = driver()
  await line.create()
  await sendAll(line, sent)
  await line.run()
  const found = new Map<string, number>()
  const letters = (await line.read(topics.deadLetters.name)).filter(({ type }) => type === records.deadLetter.name)
  for (const { value } of letters) {
    const reason = value.reason as string
    found.set(reason, (found.get(reason) ?? 0) + 1)
    expect((value.message as string).length).toBeGreaterThan(10)
    expect(value).toMatchObject({ topic: 'transactions' })
  }
  expect(found).toEqual(expected)
  const decisions = (await line.read(topics.decisions.name)).filter(({ type }) => type === records.decision.name)
  expect(decisions.length).toBe(good)
})

test('100,000 records with bytes changed anywhere: nothing crashes, every one is accounted for', async () => {
  const random = seeded(12)
  const pick = (below: number): number => random.below(below)
  const sent: Sent[] = []
  for (let n = 0; n < 100_000; n++) {
    const one = goodOne(n)
    const value = transactionValue(one)
    for (let changes = 1 + pick(3); changes > 0; changes--) value[pick(value.length)] = pick(256)
    sent.push({ key: utf8(one.payerAccount), value, partition: home(utf8(one.payerAccount)) })
  }
  const line = driver()
  await line.create()
  await sendAll(line, sent)
  await line.run()
  const count = async (topic: string, type: string): Promise<number> =>
    (await line.read(topic)).filter((written) => written.type === type).length
  const dead = await count(topics.deadLetters.name, records.deadLetter.name)
  const judged = await count(topics.transactionOutcomes.name, records.transactionOutcome.name)
  const received = line.tasks.slice(0, PARTITIONS).reduce((sum, task) => sum + task.processor.received, 0)
  expect(dead + judged).toBe(received)
  // A changed schema id can make it a tick or a control record, which is not received: those are rare.
  expect(received).toBeGreaterThan(99_000)
  const reasons = new Set((await line.read(topics.deadLetters.name)).map(({ value }) => value.reason).filter(Boolean))
  for (const reason of reasons) expect(Object.keys(deadLetterReasons)).toContain(reason)
})

test('any bytes at all as key and value', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.option(fc.uint8Array({ maxLength: 80 })), fc.uint8Array({ maxLength: 300 })), {
        minLength: 1,
        maxLength: 60,
      }),
      async (pairs) => {
        const line = driver()
        await line.create()
        await sendAll(
          line,
          pairs.map(([key, value]) => ({ key, value, partition: 1 })),
        )
        await line.run()
        const dead = (await line.read(topics.deadLetters.name)).filter(({ type }) => type === records.deadLetter.name)
        expect(dead.length).toBe(line.tasks[1].processor.received)
      },
    ),
    { numRuns: 100 },
  )
})
