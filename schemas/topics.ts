/** What travels where: every topic with its record types, their pinned wire ids, its key and its number of partitions. */
import { readFileSync } from 'node:fs'

/** A record type: one .avsc file. `id` is the pinned id in the Confluent wire format (0x00, int32 BE id, Avro) of the embedded log. */
export interface RecordType {
  readonly name: string
  readonly id: number
  /** The Avro schema, as JSON text. */
  readonly schema: string
}

const recordType = (id: number, name: string): RecordType => ({
  name,
  id,
  schema: readFileSync(new URL(`${name}.avsc`, import.meta.url), 'utf8'),
})

/** Every record type; ids are never reused. */
export const records = {
  transactionV1: recordType(1, 'transaction.v1'),
  transaction: recordType(2, 'transaction.v2'),
  tick: recordType(10, 'tick.v1'),
  memberList: recordType(11, 'member-list.v1'),
  holdResolution: recordType(12, 'hold-resolution.v1'),
  ruleSet: recordType(13, 'rule-set.v1'),
  unreadable: recordType(14, 'unreadable.v1'),
  import: recordType(15, 'import.v1'),
  writerSchema: recordType(16, 'writer-schema.v1'),
  transactionOutcome: recordType(20, 'transaction-outcome.v1'),
  decision: recordType(21, 'decision.v1'),
  alert: recordType(22, 'alert.v1'),
  holdEvent: recordType(23, 'hold-event.v1'),
  deadLetter: recordType(24, 'dead-letter.v1'),
  cyclePartial: recordType(30, 'cycle-partial.v1'),
  closedThrough: recordType(31, 'closed-through.v1'),
  membersInForce: recordType(32, 'members-in-force.v1'),
  settlement: recordType(40, 'settlement.v1'),
  instruction: recordType(41, 'instruction.v1'),
  mark: recordType(50, 'mark.v1'),
} as const

/** A topic. `partitions`: 'input' = as many as the input topic has, 'one' = a single one. `table`: the table of the sink that it feeds. */
export interface Topic {
  readonly name: string
  readonly partitions: 'input' | 'one'
  readonly records: readonly RecordType[]
  readonly key: string | null
  readonly table: string | null
}

const { mark } = records

/** Every topic of the payments line. */
export const topics = {
  /** What was imported from files; kept for ever, read by `run` alone. */
  imports: { name: 'imports', partitions: 'one', records: [records.import], key: null, table: null },
  transactions: {
    name: 'transactions',
    partitions: 'input',
    records: [
      records.transaction,
      records.transactionV1,
      records.tick,
      records.memberList,
      records.holdResolution,
      records.ruleSet,
      records.unreadable,
    ],
    key: 'payerAccount',
    table: null,
  },
  /** What schema ids of other writers were found to mean; kept for ever, written and read by the source tasks. */
  writerSchemas: {
    name: 'writer-schemas',
    partitions: 'input',
    records: [records.writerSchema],
    key: null,
    table: null,
  },
  transactionOutcomes: {
    name: 'transaction-outcomes',
    partitions: 'input',
    records: [records.transactionOutcome, mark],
    key: 'payerAccount',
    table: 'transactions',
  },
  decisions: {
    name: 'decisions',
    partitions: 'input',
    records: [records.decision, mark],
    key: 'payerAccount',
    table: 'decisions',
  },
  alerts: { name: 'alerts', partitions: 'input', records: [records.alert, mark], key: 'payerAccount', table: 'alerts' },
  holdEvents: {
    name: 'hold-events',
    partitions: 'input',
    records: [records.holdEvent, mark],
    key: 'payerAccount',
    table: 'hold_events',
  },
  deadLetters: {
    name: 'dead-letters',
    partitions: 'input',
    records: [records.deadLetter, mark],
    key: 'raw key',
    table: 'dead_letters',
  },
  cyclePartials: {
    name: 'cycle-partials',
    partitions: 'one',
    records: [records.cyclePartial, records.closedThrough, records.membersInForce],
    key: null,
    table: null,
  },
  settlements: {
    name: 'settlements',
    partitions: 'one',
    records: [records.settlement, mark],
    key: 'currency',
    table: 'settlements',
  },
  instructions: {
    name: 'instructions',
    partitions: 'one',
    records: [records.instruction, mark],
    key: 'instructionId',
    table: 'instructions',
  },
} as const satisfies Record<string, Topic>
