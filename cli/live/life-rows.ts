/** The life of a transaction from the tables: rows with the shape of the records that they were made of. */

import type {
  ContributionRecord,
  DecisionRecord,
  FeaturesRecord,
  HoldEventRecord,
  InstructionRecord,
  TransactionOutcomeRecord,
} from '../../schemas/generated.ts'
import type { ClickHouse, Parameters } from '../../sink/clickhouse.ts'

/** What is asked for; every text goes to the server as a parameter. */
export interface Asked {
  readonly producer: string
  readonly transactionId: string
  readonly payerAccount?: string
}

/** Copies of one id beyond this are not counted one by one: a page shows a number, not a list. */
const MOST_ROWS = 10_000

type Row = Readonly<Record<string, unknown>>

const wholeFeatures = ['payments', 'counterparties', 'merchants', 'amount'].flatMap((name) =>
  ['1m', '1h', '1d', '7d'].map((window) => name + window),
)
const featureColumns = [...wholeFeatures, 'amountSaturated', 'amountDeviation', 'kilometersPerHour']

const where = ({ payerAccount }: Asked): string =>
  `WHERE producer = {producer:String} AND transactionId = {transactionId:String}${
    payerAccount === undefined ? '' : ' AND payerAccount = {payerAccount:String}'
  } ORDER BY _src_task, _src_seq LIMIT ${MOST_ROWS}`

const millis = (column: string): string => `toUnixTimestamp64Milli(${column}) AS ${column}Ms`

async function rows(tables: ClickHouse, query: string, parameters: Parameters): Promise<Row[]> {
  return tables.rows<Row>(query, parameters, { output_format_json_named_tuples_as_objects: 1 })
}

const parametersOf = ({ producer, transactionId, payerAccount }: Asked): Parameters =>
  payerAccount === undefined ? { producer, transactionId } : { producer, transactionId, payerAccount }

const number = (value: unknown): number => Number(value as string)
const numberOrNull = (value: unknown): number | null => (value === null ? null : number(value))
const text = (value: unknown): string => value as string

const head = (row: Row): { task: number; seq: number; logicalTime: number } => ({
  task: number(row._src_task),
  seq: number(row._src_seq),
  logicalTime: number(row.logicalTimeMs),
})
const heads = `_src_task, _src_seq, ${millis('logicalTime')}`

export async function outcomeRows(tables: ClickHouse, asked: Asked): Promise<TransactionOutcomeRecord[]> {
  const query = `SELECT ${heads}, outcome, ${millis('firstSeenAt')}, kind, producer, payerAccount, transactionId,
    ${millis('occurredAt')}, payerBank, payeeAccount, payeeBank, merchant, amountMinor, currency, country,
    originalTransactionId, timePrecision FROM transactions ${where(asked)}`
  return (await rows(tables, query, parametersOf(asked))).map((row) => ({
    ...head(row),
    outcome: row.outcome as TransactionOutcomeRecord['outcome'],
    firstSeenAt: numberOrNull(row.firstSeenAtMs),
    transaction: {
      producer: text(row.producer),
      payerAccount: text(row.payerAccount),
      transactionId: text(row.transactionId),
      kind: row.kind as TransactionOutcomeRecord['transaction']['kind'],
      occurredAt: number(row.occurredAtMs),
      payerBank: text(row.payerBank),
      payeeAccount: text(row.payeeAccount),
      payeeBank: text(row.payeeBank),
      merchant: row.merchant as string | null,
      amountMinor: number(row.amountMinor),
      currency: text(row.currency),
      country: row.country as string | null,
      originalTransactionId: row.originalTransactionId as string | null,
      timePrecision: row.timePrecision as TransactionOutcomeRecord['transaction']['timePrecision'],
    },
  }))
}

export async function decisionRows(tables: ClickHouse, asked: Asked): Promise<DecisionRecord[]> {
  const query = `SELECT ${heads}, producer, payerAccount, transactionId, kind, ${millis('occurredAt')}, payerBank,
    payeeBank, amountMinor, currency, outcome, reasons, ${millis('cycleStart')}, late, score, ruleVersion,
    contributions, ${featureColumns.join(', ')} FROM decisions ${where(asked)}`
  return (await rows(tables, query, parametersOf(asked))).map((row) => ({
    ...head(row),
    producer: text(row.producer),
    payerAccount: text(row.payerAccount),
    transactionId: text(row.transactionId),
    kind: row.kind as DecisionRecord['kind'],
    occurredAt: number(row.occurredAtMs),
    payerBank: text(row.payerBank),
    payeeBank: text(row.payeeBank),
    amountMinor: number(row.amountMinor),
    currency: text(row.currency),
    outcome: row.outcome as DecisionRecord['outcome'],
    reasons: row.reasons as string[],
    cycleStart: number(row.cycleStartMs),
    late: row.late as boolean,
    score: number(row.score),
    ruleVersion: text(row.ruleVersion),
    contributions: row.contributions as ContributionRecord[],
    features: featuresOf(row),
  }))
}

/** Of a payment there is always amountSaturated; a return has no features at all. */
function featuresOf(row: Row): FeaturesRecord | null {
  if (row.amountSaturated === null) return null
  const features = featureColumns.map((name) => [
    name,
    name === 'amountSaturated' ? row[name] : numberOrNull(row[name]),
  ])
  return Object.fromEntries(features) as FeaturesRecord
}

const holdColumns = `${heads}, event, resolutionId, by, why, reasons, notSettledElsewhere, producer, payerAccount,
  transactionId, ${millis('originalCycleStart')}, ${millis('cycleStart')}`

const holdEventOf = (row: Row): HoldEventRecord => ({
  ...head(row),
  event: row.event as HoldEventRecord['event'],
  resolutionId: text(row.resolutionId),
  by: text(row.by),
  why: text(row.why),
  reasons: row.reasons as string[],
  notSettledElsewhere: row.notSettledElsewhere as boolean,
  producer: text(row.producer),
  payerAccount: text(row.payerAccount),
  transactionId: text(row.transactionId),
  originalCycleStart: numberOrNull(row.originalCycleStartMs),
  cycleStart: numberOrNull(row.cycleStartMs),
  // The tables have it; nobody who asks for events does.
  transaction: null,
})

export async function holdEventRows(tables: ClickHouse, asked: Asked): Promise<HoldEventRecord[]> {
  const query = `SELECT ${holdColumns} FROM hold_events ${where(asked)}`
  return (await rows(tables, query, parametersOf(asked))).map(holdEventOf)
}

/** What became of a resolution for one transaction. */
export async function resolutionRows(
  tables: ClickHouse,
  resolutionId: string,
  asked: Required<Asked>,
): Promise<HoldEventRecord[]> {
  const query = `SELECT ${holdColumns} FROM hold_events WHERE resolutionId = {resolutionId:String}
    AND payerAccount = {payerAccount:String} AND transactionId = {transactionId:String}
    AND producer = {producer:String} AND event != 'HELD' ORDER BY _src_seq LIMIT 1`
  return (await rows(tables, query, { ...parametersOf(asked), resolutionId })).map(holdEventOf)
}

/** Whether a currency of a cycle is settled in the tables. */
export async function settlementIsThere(tables: ClickHouse, cycleStart: number, currency: string): Promise<boolean> {
  const query = `SELECT 1 AS one FROM settlements
    WHERE cycleStart = fromUnixTimestamp64Milli({cycleStart:Int64}, 'UTC') AND currency = {currency:String} LIMIT 1`
  return (await rows(tables, query, { cycleStart, currency })).length > 0
}

/** Instructions of some members in one currency of one cycle. */
export async function instructionRows(
  tables: ClickHouse,
  cycleStart: number,
  currency: string,
  members: readonly string[],
): Promise<InstructionRecord[]> {
  const query = `SELECT ${heads}, instructionId, scheme, ${millis('cycleStart')}, cycleLengthMs, member, currency,
    direction, amount, settlementAccount FROM instructions
    WHERE cycleStart = fromUnixTimestamp64Milli({cycleStart:Int64}, 'UTC') AND currency = {currency:String}
      AND member IN {members:Array(String)} ORDER BY member`
  return (await rows(tables, query, { cycleStart, currency, members })).map((row) => ({
    ...head(row),
    instructionId: text(row.instructionId),
    scheme: text(row.scheme),
    cycleStart: number(row.cycleStartMs),
    cycleLengthMs: number(row.cycleLengthMs),
    member: text(row.member),
    currency: text(row.currency),
    direction: row.direction as InstructionRecord['direction'],
    amount: BigInt(text(row.amount)),
    settlementAccount: text(row.settlementAccount),
  }))
}
