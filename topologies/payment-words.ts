/** The words of the payments topology: the trade's specifications in the engine's terms. */

import { decideReturn } from '../processors/decide.ts'
import { countryIndex } from '../processors/kilometers.ts'
import { isRuleSet, type RuleSet } from '../processors/rules.ts'
import { becauses, outcomes } from '../processors/verdict.ts'
import { currencyCodes, currencyIndexOfBytes } from '../schemas/currencies.ts'
import { maxAmountMinor } from '../schemas/money.ts'
import { deadLetterReasons } from '../schemas/reasons.ts'
import { serveMarkTicks, type Settings } from '../schemas/settings.ts'
import { records } from '../schemas/topics.ts'
import { kindSymbols, transactionColumns, type TransactionRecord } from '../schemas/generated.ts'
import { objectCodec } from '../streams/avro/object.ts'
import {
  noveltyCodes,
  type Batch,
  type ColumnSink,
  type EventSource,
  type HoldEvent,
  type ObjectSink,
  type RuleStore,
  sourceColumns,
  textAt,
} from '../streams/index.ts'
import type { TaskContext } from '../streams/operator.ts'

const text = { min: 1, max: 64 } as const
const PAYMENT = kindSymbols.indexOf('PAYMENT')

/** The source: what is valid, in the order of the dead-letter reasons. */
export const transactions = (settings: Settings): EventSource => ({
  objects: false,
  columns: [...transactionColumns, 'currencyCode', 'countryIndex', ...sourceColumns],
  events: [records.transaction, records.transactionV1],
  tick: records.tick,
  controls: [records.memberList, records.holdResolution, records.ruleSet],
  unreadable: records.unreadable,
  foreign: Object.values(records),
  acceptsControl: (type, value) => type !== records.ruleSet.name || isRuleSet(value.rules as string, ruleFeatures),
  time: 'occurredAt',
  key: 'payerAccount',
  codes: [
    {
      name: 'currencyCode',
      of: 'currency',
      code: (bytes, at, length) => (length === 3 ? currencyIndexOfBytes(bytes[at], bytes[at + 1], bytes[at + 2]) : 255),
    },
    {
      name: 'countryIndex',
      of: 'country',
      code: (bytes, at, length) => (length === 2 ? countryIndex(bytes[at], bytes[at + 1]) : 255),
    },
  ],
  checks: [
    { reason: 'invalid-producer', text: 'producer', ...text },
    { reason: 'invalid-transaction-id', text: 'transactionId', ...text },
    { reason: 'invalid-payer-account', text: 'payerAccount', ...text },
    { reason: 'invalid-payee-account', text: 'payeeAccount', ...text },
    { reason: 'invalid-payer-bank', text: 'payerBank', ...text },
    { reason: 'invalid-payee-bank', text: 'payeeBank', ...text },
    { reason: 'invalid-merchant', text: 'merchant', min: 0, max: 64, optional: true },
    { reason: 'invalid-country', capitals: 'country', length: 2 },
    { reason: 'invalid-currency', known: 'currencyCode' },
    { reason: 'invalid-amount', number: 'amountMinor', min: 1, max: maxAmountMinor },
    { reason: 'invalid-original', text: 'originalTransactionId', ...text, unless: { code: 'kind', is: PAYMENT } },
  ],
  clock: settings,
  markEvery: { files: settings.runMarkTicks, ticker: serveMarkTicks(settings) },
  stepSpanMs: settings.dedupHorizonMs / 24,
  words: deadLetterReasons,
})

const identityFields = ['producer', 'payerAccount', 'transactionId'] as const

export const identity = (settings: Settings) => ({
  identity: identityFields,
  refersTo: { columns: ['producer', 'payerAccount', 'originalTransactionId'], when: 'kind' },
  time: 'occurredAt',
  withinMs: settings.dedupHorizonMs,
  remember: { numbers: ['amountMinor'], codes: ['currencyCode', 'kind'] },
  later: { numbers: ['returned'], codes: ['outcome'] },
  held: 'held',
})

export const byNovelty = { column: 'novelty', branches: noveltyCodes } as const
export const byOutcome = { column: 'outcome', branches: outcomes } as const

export const rules = (first: RuleSet) => ({
  rules: first,
  control: records.ruleSet.name,
  time: 'occurredAt',
  unless: 'kind',
})

export const participants = {
  parties: ['payerBank', 'payeeBank'],
  unit: 'currency',
  control: records.memberList.name,
} as const

export const returns = { store: 'seen', verdict: decideReturn } as const

export const holding = (settings: Settings) => ({
  identity: identityFields,
  reasons: reasonsOf,
  waits: 'originalHeld',
  unchecked: 'tooLate',
  becauses,
  control: records.holdResolution.name,
  time: 'occurredAt',
  withinMs: settings.dedupHorizonMs,
  against: returns,
})

/** Names of the rules that fired, in rule order. */
function firedRules(fired: number, version: number, context: TaskContext): string[] {
  const { rules: set } = (context.stores.get('rules') as RuleStore).versions[version]
  return set.rules.filter((_, i) => (fired & (1 << i)) !== 0).map((rule) => rule.name)
}

/** Why: what keeps it from being judged by the rules; else the rules that fired, of an approval too. */
function reasonsOf(because: number, fired: number, version: number, context: TaskContext): string[] {
  const why = becauses[because]
  return why === '' || why === 'rules' ? firedRules(fired, version, context) : [why]
}

/** What one bank owes another; a return turns it round. */
export const obligation = (settings: Settings) => ({
  debtor: 'payerBank',
  creditor: 'payeeBank',
  unit: 'currency',
  amount: 'amountMinor',
  cycle: 'cycleStart',
  turned: 'kind',
  chunk: 1000,
  cycleMs: settings.cycleMs,
})

export const membersInForce = (list: Readonly<Record<string, unknown>>) => ({
  type: records.membersInForce.name,
  ...list,
})

const columnSink = {
  objects: false,
  key: 'payerAccount',
  from: {},
  constants: {},
  raw: [],
  optional: [],
  written: {},
} as const

export const transactionOutcome: ColumnSink = {
  ...columnSink,
  needs: ['payerAccount', 'novelty', 'firstSeenAt', 'event'],
  record: records.transactionOutcome,
  from: { outcome: 'novelty', transaction: 'event' },
  raw: ['transaction'],
}

const featureFields = [
  ...['payments', 'amount', 'counterparties', 'merchants'].flatMap((name) =>
    ['1m', '1h', '1d', '7d'].map((window) => name + window),
  ),
  'amountSaturated',
  'amountDeviation',
  'kilometersPerHour',
]

/** What a rule may look at. */
const ruleFeatures = new Set([...featureFields.filter((name) => name !== 'amountSaturated'), 'amountMinor'])

export const decision: ColumnSink = {
  ...columnSink,
  needs: [
    'payerAccount',
    'outcome',
    'because',
    'fired',
    'ruleVersion',
    'score',
    'cycleStart',
    'late',
    ...featureFields,
  ],
  record: records.decision,
  from: { features: 'scored', ...Object.fromEntries(featureFields.map((name) => [`features.${name}`, name])) },
  optional: ['features'],
  written: {
    reasons: {
      of: ['because', 'fired', 'ruleVersion'],
      write(arena, context, because, fired, version) {
        const reasons = because === 0 && fired === 0 ? [] : reasonsOf(because, fired, version, context)
        // A threshold at or below 0 holds without a rule: an empty block would end the array, the end would be one byte more.
        if (reasons.length > 0) arena.long(reasons.length)
        for (const reason of reasons) arena.text(reason)
        arena.byte(0)
      },
    },
    ruleVersion: {
      of: ['scored', 'ruleVersion'],
      write(arena, context, scored, version) {
        arena.text(scored === 1 ? (context.stores.get('rules') as RuleStore).versions[version].rules.version : '')
      },
    },
    contributions: {
      of: ['fired', 'ruleVersion'],
      write(arena, context, fired, version) {
        if (fired === 0) return arena.byte(0)
        const { rules: set } = (context.stores.get('rules') as RuleStore).versions[version]
        const some = set.rules.filter((_, i) => (fired & (1 << i)) !== 0)
        arena.long(some.length)
        for (const rule of some) {
          arena.text(rule.name)
          arena.long(rule.points)
        }
        arena.byte(0)
      },
    },
  },
}

const objectSink = { objects: true, needs: [] } as const

export const deadLetter: ObjectSink = {
  ...objectSink,
  records: [records.deadLetter],
  key: 'rawKey',
  blankDiagnostics: { topic: '', partition: 0, offset: 0, file: '', line: 0, message: '' },
}
export const alert: ObjectSink = { ...objectSink, records: [records.alert], key: 'payerAccount' }
export const holdEventRecord: ObjectSink = { ...objectSink, records: [records.holdEvent], key: 'payerAccount' }
export const partial: ObjectSink = {
  ...objectSink,
  records: [records.cyclePartial, records.closedThrough, records.membersInForce],
  key: null,
}

export const alertNeeds = [...identityFields, 'occurredAt', 'amountMinor', 'currency'] as const

const alertOf =
  (kind: 'HELD' | 'DECLINED' | 'CONFLICT') =>
  (batch: Batch, row: number, context: TaskContext): object | null => {
    const conflict = kind === 'CONFLICT'
    if (!conflict && becauses[batch.code('because')[row]] !== 'rules') return null
    return {
      alert: kind,
      producer: textAt(batch, 'producer', row),
      payerAccount: textAt(batch, 'payerAccount', row),
      transactionId: textAt(batch, 'transactionId', row),
      occurredAt: batch.number('occurredAt')[row],
      amountMinor: batch.number('amountMinor')[row],
      currency: currencyCodes[batch.code('currencyCode')[row]],
      score: conflict ? 0 : batch.number('score')[row],
      reasons: conflict
        ? ['same identity, other content']
        : firedRules(batch.number('fired')[row], batch.code('ruleVersion')[row], context),
    }
  }
export const conflictAlert = alertOf('CONFLICT')
export const heldAlert = alertOf('HELD')
export const declinedAlert = alertOf('DECLINED')

const transactionCodec = objectCodec<TransactionRecord>(records.transaction.schema)

/** The event in the life of a held transaction, as it is written. */
export function holdEvent({ identity: given, record, ...event }: HoldEvent): readonly object[] {
  const transaction = record === null ? null : transactionCodec.decode(record)
  const [producer, payerAccount, transactionId] =
    given ?? (transaction === null ? ['', '', ''] : identityFields.map((field) => transaction[field]))
  return [{ ...event, producer, payerAccount, transactionId, transaction }]
}
