/**
 * pay-1 as two topologies, built from nothing but streams/: what a stream-processing framework is measured with here.
 * Deduplicate within an hour, velocity of the payer over a minute and an hour, an integer score, a decision for every
 * payment, and per pair of banks and currency what was approved in each minute of event time.
 */

import { readFileSync } from 'node:fs'
import { records } from '../../schemas/topics.ts'
import {
  accumulate,
  complete,
  compute,
  decide,
  deduplicate,
  each,
  noveltyCodes,
  sourceColumns,
  topology,
  windows,
  type ColumnSink,
  type CompleteCycle,
  type EventSource,
  type ObjectSink,
  type Topology,
} from '../../streams/index.ts'
import { TRANSACTION_ID } from './generator.ts'

const schema = (name: string): string => readFileSync(new URL(`schemas/${name}.avsc`, import.meta.url), 'utf8')
const transaction = { name: 'transaction', id: TRANSACTION_ID, schema: schema('transaction') }
export const decisionRecord = { name: 'decision', id: 2, schema: schema('decision') }
export const settlementRecord = { name: 'settlement', id: 3, schema: schema('settlement') }

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** A partition's records are at most 5 s out of order. */
const VELOCITY_GRACE_MS = 10_000

/** Topics of one run: the input is shared by all, what is written has the run's name. */
export const pay1Topics = (input: string, run: string) =>
  ({
    transactions: { name: input, partitions: 'input' },
    decisions: { name: `${run}-decisions`, partitions: 'input' },
    partials: { name: `${run}-partials`, partitions: 'one' },
    settlements: { name: `${run}-settlements`, partitions: 'one' },
    deadLetters: { name: `${run}-dead-letters`, partitions: 'input' },
  }) as const

export type Pay1Topics = ReturnType<typeof pay1Topics>

const text = { min: 1, max: 64 } as const

const transactions = (graceMs: number): EventSource => ({
  objects: false,
  columns: [
    'id',
    'ts',
    'payer',
    'payee',
    'payerBank',
    'payeeBank',
    'merchant',
    'amountMinor',
    'currency',
    'country',
    ...sourceColumns,
  ],
  events: [transaction],
  tick: records.tick,
  controls: [],
  unreadable: records.unreadable,
  foreign: [],
  acceptsControl: () => false,
  time: 'ts',
  key: 'payer',
  codes: [],
  checks: [
    { reason: 'invalid-id', text: 'id', ...text },
    { reason: 'invalid-amount', number: 'amountMinor', min: 1, max: 2 ** 53 },
  ],
  clock: { allowedDelayMs: 0, graceMs, cycleMs: MINUTE, earliestEventTime: 0, maxAheadMs: HOUR },
  markEvery: { files: 1, ticker: 1 },
  stepSpanMs: HOUR / 24,
  words: {},
})

const APPROVED = 0
const DECLINED = 1
const outcomeNames = ['APPROVED', 'DECLINED'] as const

const verdict = (count1m: number, sum1h: number): number => (count1m > 10 || sum1h > 1_000_000 ? DECLINED : APPROVED)

const scoreOf = (count1m: number, sum1h: number, amount: number): number =>
  Math.min(1000, 20 * count1m + Math.floor(sum1h / 10_000) + Math.floor(amount / 5_000))

const decision: ColumnSink = {
  objects: false,
  needs: ['id', 'payer', 'outcome', 'score'],
  record: decisionRecord,
  key: 'payer',
  from: {},
  constants: {},
  raw: [],
  optional: [],
  written: { outcome: { of: ['outcome'], write: (arena, _context, outcome) => arena.text(outcomeNames[outcome]) } },
}

const deadLetter: ObjectSink = { objects: true, needs: [], records: [records.deadLetter], key: 'rawKey' }
const partial: ObjectSink = {
  objects: true,
  needs: [],
  records: [records.cyclePartial, records.closedThrough],
  key: null,
}

export function pay1Payments(topics: Pay1Topics, graceMs: number): Topology {
  return topology('pay1-payments', (flow) => {
    const { events, deadLetters } = flow.from(topics.transactions, transactions(graceMs))
    deadLetters.to(topics.deadLetters, deadLetter)
    const { fresh, duplicate, conflicting } = events
      .pipe(
        deduplicate('seen', {
          identity: ['id'],
          time: 'ts',
          withinMs: HOUR,
          remember: { numbers: [], codes: [] },
          later: { numbers: [], codes: [] },
        }),
      )
      .split({ column: 'novelty', branches: noveltyCodes })
    duplicate.leave('a copy is no second payment')
    conflicting.leave('so is another payment under the same id')

    const decided = fresh.pipe(
      windows('velocity', {
        key: 'payer',
        time: 'ts',
        windows: [
          { name: 'count1m', sizeMs: MINUTE, advanceMs: MINUTE, graceMs: VELOCITY_GRACE_MS },
          { name: 'sum1h', sizeMs: HOUR, advanceMs: 5 * MINUTE, graceMs: VELOCITY_GRACE_MS, sum: 'amountMinor' },
        ],
      }),
      compute('score', { gives: 'score', needs: ['count1m', 'sum1h', 'amountMinor'], of: scoreOf }),
      decide('rule', { needs: ['count1m', 'sum1h'], verdict }),
    )
    decided.to(topics.decisions, decision)
    const { approved, declined } = decided.split({ column: 'outcome', branches: ['approved', 'declined'] })
    declined.leave('it settles nothing')
    approved
      .pipe(
        accumulate('minute', {
          debtor: 'payerBank',
          creditor: 'payeeBank',
          unit: 'currency',
          amount: 'amountMinor',
          cycle: 'cycleStart',
          chunk: 1000,
          cycleMs: MINUTE,
        }),
      )
      .to(topics.partials, partial)
  })
}

const settled = ({ cycleStart, cycleEnd, obligations }: CompleteCycle): object[] =>
  obligations.map(({ payerBank, payeeBank, currency, count, amount }) => ({
    key: `${payerBank}|${payeeBank}|${currency}`,
    payerBank,
    payeeBank,
    currency,
    windowStart: cycleStart,
    sumMinor: Number(amount),
    count: Number(count),
    logicalTime: cycleEnd,
  }))

export function pay1Settlement(topics: Pay1Topics): Topology {
  return topology('pay1-settlement', (flow) => {
    const { events, deadLetters } = flow.from(topics.partials, {
      objects: true,
      columns: [],
      records: [records.cyclePartial, records.closedThrough],
    })
    deadLetters.leave('this topic is our own: what cannot be read there halts the task')
    events
      .pipe(
        complete('merge', {
          partial: records.cyclePartial.name,
          closed: records.closedThrough.name,
          said: '',
          cycleMs: MINUTE,
        }),
        each('settlements', settled),
      )
      .to(topics.settlements, { objects: true, needs: [], records: [settlementRecord], key: 'key' })
  })
}
