/** One settled cycle small enough to check by hand: payments, a refund, holds, a release, copies, and what they settle to. */
import type { Log } from '../../streams/backend.ts'
import { fedTopics } from '../../sink/topics.ts'
import { alert, noon, Outputs, transaction, type Value } from './world.ts'

const minute = 60_000
const cycle = 5 * minute
const next = noon + cycle

// oxfmt-ignore
/** id, payer account, kind, from bank, to bank, cents, currency, decision, reasons, cycle, event minute, late */
const decided: [string, string, string, string, string, number, string, string, string[], number, number, boolean][] = [
  ['P1',  'acc-1',  'PAYMENT', 'bank-a', 'bank-b', 10_000, 'EUR', 'APPROVE', [],             noon, 1, false],
  ['P2',  'acc-9',  'PAYMENT', 'bank-b', 'bank-a',  4_000, 'EUR', 'APPROVE', [],             noon, 1, false],
  ['P3',  'acc-3',  'PAYMENT', 'bank-a', 'bank-a',    500, 'EUR', 'APPROVE', [],             noon, 2, false],
  ['R1',  'acc-1',  'REFUND',  'bank-a', 'bank-b',  1_000, 'EUR', 'APPROVE', [],             noon, 3, false],
  ['P4',  'acc-4',  'PAYMENT', 'bank-c', 'bank-a',  7_000, 'EUR', 'HOLD',    ['velocity'],   noon, 3, false],
  ['P5',  'acc-5',  'PAYMENT', 'bank-c', 'bank-b', 99_900, 'EUR', 'HOLD',    ['spend'],      noon, 4, false],
  ['P6',  'acc-6',  'PAYMENT', 'bank-a', 'bank-c', 50_000, 'EUR', 'DECLINE', ['cardTesting'], noon, 4, false],
  ['P7',  'acc-7',  'PAYMENT', 'bank-b', 'bank-c',    300, 'USD', 'APPROVE', [],             next, 1, true],
  ['P2',  'acc-10', 'PAYMENT', 'bank-a', 'bank-b',    100, 'EUR', 'APPROVE', [],             next, 6, false],
]
const points: Record<string, number> = { velocity: 60, spend: 70, cardTesting: 100 }

const windows = ['payments', 'amount', 'counterparties', 'merchants'].flatMap((name) =>
  ['1m', '1h', '1d', '7d'].map((size) => `${name}${size}`),
)
const features = {
  ...Object.fromEntries(windows.map((name) => [name, 1])),
  amountSaturated: false,
  amountDeviation: null,
  kilometersPerHour: null,
}
function held(tx: Value, over: Value): Value {
  const { producer, payerAccount, transactionId } = tx
  return {
    event: 'HELD',
    resolutionId: '',
    by: '',
    why: '',
    reasons: [],
    notSettledElsewhere: false,
    producer,
    payerAccount,
    transactionId,
    originalCycleStart: null,
    cycleStart: null,
    transaction: tx,
    ...over,
  }
}

/** Writes the records of the cycle into a log that has the topics. */
export async function writeCycle(log: Log): Promise<void> {
  const outputs = new Outputs(log)
  for (const [
    id,
    payerAccount,
    kind,
    payerBank,
    payeeBank,
    amountMinor,
    currency,
    outcome,
    reasons,
    cycleStart,
    at,
    late,
  ] of decided) {
    const task = payerAccount === 'acc-9' ? 1 : 0
    const occurredAt = noon + at * minute
    const logicalTime = late ? noon + 7 * minute : occurredAt
    const originalTransactionId = kind === 'REFUND' ? 'P1' : null
    const tx = transaction({
      transactionId: id,
      payerAccount,
      kind,
      payerBank,
      payeeBank,
      amountMinor,
      currency,
      occurredAt,
      originalTransactionId,
    })
    outputs.add('transaction-outcomes', task, { logicalTime, outcome: 'ACCEPTED', firstSeenAt: null, transaction: tx })
    outputs.add('decisions', task, {
      ...tx,
      logicalTime,
      outcome,
      reasons,
      cycleStart,
      late,
      score: points[reasons[0]] ?? 0,
      ruleVersion: kind === 'PAYMENT' ? 'rules-1' : '',
      contributions: reasons.map((rule) => ({ rule, points: points[rule] })),
      features: kind === 'PAYMENT' ? features : null,
    })
    if (outcome !== 'APPROVE') {
      outputs.add(
        'alerts',
        task,
        alert({
          alert: outcome === 'HOLD' ? 'HELD' : 'DECLINED',
          transactionId: id,
          payerAccount,
          occurredAt,
          logicalTime,
          amountMinor,
          score: points[reasons[0]],
          reasons,
        }),
      )
    }
    if (outcome === 'HOLD')
      outputs.add('hold-events', task, held(tx, { logicalTime, reasons, originalCycleStart: cycleStart }))
    if (id === 'P4') {
      const released = { event: 'RELEASED', resolutionId: 'r-1', by: 'kim', why: 'called the payer', cycleStart: noon }
      outputs.add(
        'hold-events',
        task,
        held(tx, { ...released, logicalTime: noon + 4 * minute, reasons, originalCycleStart: noon }),
      )
    }
  }
  const copy = { logicalTime: noon + 2 * minute, firstSeenAt: noon + minute }
  const first = { occurredAt: noon + minute }
  outputs.add('transaction-outcomes', 0, { ...copy, outcome: 'DUPLICATE', transaction: transaction(first) })
  outputs.add('transaction-outcomes', 0, {
    ...copy,
    outcome: 'CONFLICTING',
    transaction: transaction({ ...first, amountMinor: 12_000 }),
  })
  outputs.add(
    'alerts',
    0,
    alert({ alert: 'CONFLICT', amountMinor: 12_000, score: 0, reasons: ['conflict'], logicalTime: copy.logicalTime }),
  )
  outputs.add('dead-letters', 0, {
    reason: 'csv-quote',
    message: 'A quoted field is not closed.',
    rawKey: null,
    rawValue: Buffer.from('P9,"acc'),
    topic: 'transactions',
    partition: 0,
    offset: 17,
    file: 'may.csv',
    line: 18,
    logicalTime: noon,
  })
  outputs.add('settlements', 0, {
    logicalTime: next,
    cycleStart: noon,
    cycleLengthMs: cycle,
    currency: 'EUR',
    count: 5,
    gross: 22_500n,
    onUsCount: 1,
    onUs: 500n,
    net: 7_000n,
    bilateral: [
      { debtor: 'bank-a', creditor: 'bank-b', amount: 5_000n },
      { debtor: 'bank-c', creditor: 'bank-a', amount: 7_000n },
    ],
    positions: [
      { member: 'bank-a', debit: 10_000n, credit: 12_000n, net: 2_000n },
      { member: 'bank-b', debit: 5_000n, credit: 10_000n, net: 5_000n },
      { member: 'bank-c', debit: 7_000n, credit: 0n, net: -7_000n },
    ],
  })
  for (const [member, direction, amount] of [
    ['bank-a', 'RECEIVE', 2_000n],
    ['bank-b', 'RECEIVE', 5_000n],
    ['bank-c', 'PAY', 7_000n],
  ]) {
    outputs.add('instructions', 0, {
      logicalTime: next,
      instructionId: `i-${String(member)}`,
      scheme: 'sluice',
      cycleStart: noon,
      cycleLengthMs: cycle,
      member,
      currency: 'EUR',
      direction,
      amount,
      settlementAccount: member,
    })
  }
  for (const { name } of fedTopics) outputs.mark(name as 'alerts', 0, next)
  for (const name of ['transaction-outcomes', 'decisions'] as const) outputs.mark(name, 1, next)
  await outputs.commit()
}
