/** Money that was accepted is in exactly one settlement, pending, held or declined; each case was lost once. */
import { describe, expect, it } from 'vitest'
import { defaultSettings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { objectCodec, wire } from '../../streams/avro/object.ts'
import type { HeldStore } from '../../streams/held.ts'
import { settle } from '../model/settle.ts'
import type { LogRecord, Resolution, Transaction } from '../model/types.ts'
import { monday, timeOf } from '../model/worked-records.ts'
import { audit, disagreements } from '../simulation/agree.ts'
import { openLine, runLine } from '../simulation/line.ts'
import { simulatedRules } from '../simulation/random-log.ts'

const settings = { ...defaultSettings, partitions: 1 }
const rules = {
  ...simulatedRules,
  rules: [{ ...simulatedRules.rules[0], when: [{ feature: 'amountMinor', atLeast: 500 }] }],
}
const day = 86_400_000

const payment = (id: string, at: number, more: Partial<Transaction> = {}): LogRecord & { type: 'transaction' } => {
  const transaction: Transaction = {
    producer: 'shop',
    payerAccount: 'acc-7',
    transactionId: id,
    kind: 'PAYMENT',
    occurredAt: at,
    payerBank: 'bank-a',
    payeeAccount: 'acc-1',
    payeeBank: 'bank-b',
    merchant: null,
    amountMinor: 100,
    currency: 'EUR',
    country: null,
    originalTransactionId: null,
    timePrecision: 'MILLISECOND',
    ...more,
  }
  return { type: 'transaction', key: transaction.payerAccount, acceptedAt: at, transaction }
}
const back = (id: string, of: string, at: number, amountMinor: number): LogRecord =>
  payment(id, at, { kind: 'REFUND', originalTransactionId: of, amountMinor })
const release = (transactionId: string, resolutionId = transactionId, more: Partial<Resolution> = {}): LogRecord => ({
  type: 'holdResolution',
  resolutionId,
  action: 'RELEASE',
  producer: 'shop',
  payerAccount: 'acc-7',
  transactionId,
  by: 'anna',
  why: 'seen',
  notSettledElsewhere: false,
  ...more,
})
const close = (at: number): LogRecord => ({ type: 'tick', at: at + 400_000, clock: 'FILES', closeThrough: null })

async function both(log: LogRecord[], task: object = {}): ReturnType<typeof runLine> {
  const ran = await runLine([log], { settings, rules, task })
  expect(disagreements(ran.result, settle([log], settings, rules))).toEqual([])
  expect(audit(ran.result, [log])).toEqual([])
  return ran
}

describe('a second payment held under the same identity', () => {
  const log = [
    payment('P1', monday, { amountMinor: 700 }),
    payment('P1', monday + 2 * day, { amountMinor: 900 }),
    release('P1', 'one'),
    release('P1', 'two'),
    close(monday + 2 * day),
  ]

  it('does not replace the first', async () => {
    const { line } = await both(log.slice(0, 2))
    const held = line.tasks('payments')[0].processor.stores.get('held') as HeldStore
    expect(held.longest(9).map(({ heldAt }) => heldAt)).toEqual([monday, monday + 2 * day])
    await line.run()
    expect((line.tasks('payments')[0].processor.stores.get('held') as HeldStore).size).toBe(2)
  })

  it('is released after it', async () => {
    const { result } = await both(log)
    expect(result.settlements.map(({ gross }) => gross)).toEqual([1600n])
  })

  it('keeps returns of its own from being drawn on the first', async () => {
    const again = [...log.slice(0, 3), back('R1', 'P1', monday + 2 * day + 1, 900), close(monday + 2 * day)]
    const { result } = await both(again)
    expect(result.decisions.at(-1)).toMatchObject({ outcome: 'HOLD', reasons: ['originalHeld'] })
  })
})

it('a return is released with its payment after the horizon, with what was drawn before', async () => {
  const log = [
    payment('P1', monday, { amountMinor: 1000 }),
    back('R1', 'P1', monday + 1, 600),
    back('R2', 'P1', monday + 2, 400),
    back('R3', 'P1', monday + 3, 1),
    release('R1'),
    close(monday + 5 * day),
    release('P1'),
    close(monday + 5 * day + 1_000_000),
  ]
  for (const task of [{}, { batchRows: 1, deltaEntries: 1 }]) {
    const { result } = await both(log, task)
    const events = result.holdEvents
      .slice(4)
      .map(({ event, transactionId, reasons }) => [event, transactionId, reasons[0]])
    expect(events).toEqual([
      ['RELEASED', 'R1', 'originalHeld'],
      ['RELEASED', 'P1', 'brisk'],
      ['RELEASED', 'R2', 'originalHeld'],
      ['HELD', 'R3', 'overReturn'],
    ])
  }
})

it('no more is returned than was paid, up to the largest amount', async () => {
  const most = 2 ** 53
  const log = [
    payment('P1', monday, { amountMinor: most }),
    release('P1'),
    back('R1', 'P1', monday + 1, most),
    back('R2', 'P1', monday + 2, 1),
    back('R3', 'P1', monday + 3, most),
    release('R3'),
    back('R4', 'P1', monday + 4, 1),
    close(monday),
  ]
  const { result } = await both(log)
  expect(result.decisions.slice(1).map(({ outcome, reasons }) => [outcome, ...reasons])).toEqual([
    ['APPROVE'],
    ['HOLD', 'overReturn'],
    ['HOLD', 'overReturn'],
    ['HOLD', 'overReturn'],
  ])
})

it('a return finds its original as it was, when the identity comes back later in the same batch', async () => {
  const log = [
    payment('P1', monday, { amountMinor: 300 }),
    close(monday),
    // Known for 10 more minutes; then gone, and seen anew with less.
    payment('X', monday + day - 600_000),
    back('R1', 'P1', monday + day - 600_000, 300),
    payment('P1', monday + day + 600_000, { amountMinor: 10 }),
    back('R2', 'P1', monday + day + 600_001, 10),
    close(monday + day + 600_000),
  ]
  for (const batchRows of [1, 100]) {
    const { result } = await both(log, { batchRows })
    expect(result.decisions.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'APPROVE'))
  }
})

it('what is in force is the rule set with the latest beginning, in whatever order they were written', async () => {
  const set = (version: string, holdAt: number, from: string): LogRecord => ({
    type: 'ruleSet',
    version,
    rules: JSON.stringify({
      ...rules,
      version,
      holdAt,
    }),
    effectiveFrom: timeOf(from),
  })
  const log = [
    set('later', 0, '12:00'),
    set('earlier', 99, '11:00'),
    payment('P1', timeOf('12:01')),
    payment('P2', timeOf('11:59')),
  ]
  const { result } = await both(log)
  expect(result.decisions.map(({ outcome, ruleVersion }) => [outcome, ruleVersion])).toEqual([
    ['HOLD', 'later'],
    ['APPROVE', 'earlier'],
  ])
})

describe('a record that nobody can use does not stop the line', () => {
  const poison: [string, LogRecord][] = [
    ['a currency of a thousand letters', payment('P9', monday, { currency: 'E'.repeat(1000) })],
    ['a resolution without an id', release('P9', '')],
    ['a resolution with an id of a thousand letters', release('P9', 'r'.repeat(1000))],
    ['a resolution for an account of a thousand letters', release('P9', 'r', { payerAccount: 'a'.repeat(1000) })],
    [
      'a member list with a bank of a thousand letters',
      {
        type: 'memberList',
        version: '1',
        anyBank: false,
        members: [
          {
            bank: 'b'.repeat(1e3),
            currencies: ['EUR'],
            settlementAccount: '',
          },
        ],
      },
    ],
  ]
  it.each(poison)('%s', async (_, record) => {
    const line = await openLine({ settings, rules, task: { deltaEntries: 1 } })
    await line.append(0, [payment('P1', monday)])
    await line.run()
    // After a restart state is loaded on demand.
    await line.append(0, [record])
    await line.run()
    await line.append(0, [payment('P2', monday + 1)])
    line.backend.crash()
    await line.run()
    expect((await line.read()).decisions.length).toBe(2)
  })
})

it('a log that begins without a time drops no bucket of the years before', async () => {
  let dropped = 0
  const line = await openLine({ settings, rules, task: { deltaEntries: 1, batchRows: 1 } })
  const acquire = line.backend.state.acquire.bind(line.backend.state)
  line.backend.state.acquire = async (task) => {
    const state = await acquire(task)
    return new Proxy(state, {
      get(target, name) {
        if (name !== 'apply') {
          const value = Reflect.get(target, name) as unknown
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value
        }
        return (delta: Parameters<typeof target.apply>[0]) => {
          dropped += delta.dropKinds.length
          return target.apply(delta)
        }
      },
    })
  }
  await line.append(0, [
    { type: 'memberList', version: '1', anyBank: true, members: [] },
    payment('P1', monday),
    close(monday + 3 * day),
  ])
  await line.append(0, [payment('P2', monday + 3 * day)])
  await line.run()
  expect(dropped).toBe(1)
})

it('an identity is the same in whatever encoding it comes', async () => {
  const line = await openLine({ settings, rules })
  const { transaction, key, acceptedAt } = payment('P1', monday)
  const canonical = objectCodec<Transaction>(records.transaction.schema).encode(transaction)
  const at = 1 + transaction.producer.length
  // The length of payerAccount in two bytes where one is enough.
  const wide = [canonical.subarray(0, at), Uint8Array.of(canonical[at] | 128, 0), canonical.subarray(at + 1)]
  for (const value of [canonical, Buffer.concat(wide), canonical]) {
    const record = {
      key: Buffer.from(key!),
      type: records.transaction,
      value: wire(records.transaction.id, value),
      timestamp: acceptedAt,
    }
    await line.driver.send(topics.transactions.name, 0, [record])
  }
  await line.run()
  const { outcomes, deadLetters } = await line.read()
  expect(deadLetters).toEqual([])
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['ACCEPTED', 'DUPLICATE', 'DUPLICATE'])
})
