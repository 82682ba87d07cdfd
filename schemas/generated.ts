/** Generated from the .avsc files by schemas/generate.ts (npm run generate). Do not edit. */

/** Text of a row, still in the arrival buffer: a handle that is reused from row to row. */
export interface Text {
  equals(other: Text | string): boolean
  /** 32-bit hash of the UTF-8 bytes (murmur2, as Kafka partitions). */
  hash(): number
  toString(): string
}

/**
 * PAYMENT moves money from payer to payee; REFUND, REVERSAL and CHARGEBACK return money of an earlier payment and are
 * keyed like it.
 */
export const kindSymbols = ['PAYMENT', 'REFUND', 'REVERSAL', 'CHARGEBACK'] as const
export type Kind = (typeof kindSymbols)[number]

/** How exact occurredAt is; windows shorter than it are absent for this payment. */
export const timePrecisionSymbols = ['MILLISECOND', 'SECOND', 'DAY'] as const
export type TimePrecision = (typeof timePrecisionSymbols)[number]

/** A record that moves or returns money, version 2. Key: payerAccount (UTF-8), partition: murmur2(key) mod N. */
export interface TransactionRecord {
  /** Who sends: the namespace of transaction ids. 1 to 64 characters. */
  readonly producer: string
  /** Account that pays; the record's key. A return names the original's payer account. 1 to 64 characters. */
  readonly payerAccount: string
  /** The producer's own id; unique per producer and payer account. 1 to 64 characters. */
  readonly transactionId: string
  /** What the transaction does. */
  readonly kind: Kind
  /** Event time, milliseconds since 1970-01-01 UTC. */
  readonly occurredAt: number
  /** Bank of the payer account (a return: of the original). 1 to 64 characters. */
  readonly payerBank: string
  /** Account that is paid (a return: of the original). 1 to 64 characters. */
  readonly payeeAccount: string
  /** Bank of the payee account (a return: of the original). 1 to 64 characters. */
  readonly payeeBank: string
  /** Merchant, when there is one; at most 64 characters. */
  readonly merchant: string | null
  /** Amount in minor units of the currency, 1 to 2^53. */
  readonly amountMinor: number
  /** ISO 4217 code, three capital letters. */
  readonly currency: string
  /** ISO 3166-1 alpha-2 code of where the payment was made, when known. */
  readonly country: string | null
  /** The transactionId of the payment that a return returns; absent for payments. */
  readonly originalTransactionId: string | null
  /** Since version 2; what an older writer did not say is MILLISECOND. */
  readonly timePrecision: TimePrecision
}

export const tickClockSymbols = ['FILES', 'WALL', 'SIMULATED'] as const
export type TickClock = (typeof tickClockSymbols)[number]

/**
 * Time as a record: written into every partition of a source; moves the partition's stream time to at - allowed delay.
 * Key: none.
 */
export interface TickRecord {
  /** The instant. */
  readonly at: number
  /**
   * Who writes: FILES = an import (a function of row count and event time), WALL = the ticker, SIMULATED = the demo.
   * With WALL and SIMULATED a transaction moves stream time at most to the last tick.
   */
  readonly clock: TickClock
  /**
   * Only in the last tick of an import: every cycle that ends at or before this is closed by this record, whatever
   * grace and delay.
   */
  readonly closeThrough: number | null
}

/** A bank that may take part. */
export interface MemberRecord {
  /** Bank code as in payerBank and payeeBank. */
  readonly bank: string
  /** ISO 4217 codes it may settle. */
  readonly currencies: readonly string[]
  /** Account that its instructions pay from or receive on. */
  readonly settlementAccount: string
}

/**
 * Control record: who may take part from here on in this partition. Replaces the list before; written into every
 * partition. Key: none.
 */
export interface MemberListRecord {
  /** Name of this list. */
  readonly version: string
  /** True: every bank is a member (the list may be empty; settlement account = bank code). */
  readonly anyBank: boolean
  /** Sorted by bank. */
  readonly members: readonly MemberRecord[]
}

export const holdActionSymbols = ['RELEASE', 'REJECT'] as const
export type HoldAction = (typeof holdActionSymbols)[number]

/**
 * Control record: release or reject a held transaction. Written into the payer's partition; idempotent by
 * resolutionId. Key: payerAccount.
 */
export interface HoldResolutionRecord {
  /** Id of this resolution, chosen by who asks; a repeated one changes nothing. */
  readonly resolutionId: string
  /** What to do. */
  readonly action: HoldAction
  /** Identity of the held transaction. */
  readonly producer: string
  /** Identity of the held transaction. */
  readonly payerAccount: string
  /** Identity of the held transaction. */
  readonly transactionId: string
  /** Who decided. */
  readonly by: string
  /** Why. */
  readonly why: string
  /** Said by who releases a transaction that came too late to be checked for copies; required for those. */
  readonly notSettledElsewhere: boolean
}

/** Control record: the rules in force from effectiveFrom on. Written into every partition. Key: none. */
export interface RuleSetRecord {
  /** Rule version, named in receipts. */
  readonly version: string
  /** The whole rule set as canonical JSON (see processors/rules.ts). */
  readonly rules: string
  /** SHA-256 of rules, hex. */
  readonly sha256: string
  /** A cycle start; a payment is decided by the rules in force at its event time. */
  readonly effectiveFrom: number
  /** Who promoted it. */
  readonly by: string
}

/** A row of a file that could not be read, as an input record of its own. Partition: row ordinal mod N. Key: none. */
export interface UnreadableRecord {
  /** Code from schemas/reasons.ts. */
  readonly reason: string
  /** In plain words, what was wrong and what to do. */
  readonly message: string
  /** The first 4 KiB of the row. */
  readonly raw: Uint8Array
  /** Base name of the file (diagnostic). */
  readonly file: string
  /** Line on which the row starts, from 1 (diagnostic). */
  readonly line: number
}

export const importStateSymbols = ['BEGUN', 'FINISHED'] as const
export type ImportState = (typeof importStateSymbols)[number]

/** One file. */
export interface ImportedFileRecord {
  /** Base name. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Of its bytes, in hex. */
  readonly sha256: string
  /** Rows. */
  readonly rows: number
  /** It was out of order by more than grace, and sorted by time. */
  readonly sorted: boolean
}

/** Rows per reason. */
export interface ReasonCountRecord {
  /** Code from schemas/reasons.ts, or a mapping's reason for skipping. */
  readonly reason: string
  /** Rows. */
  readonly count: number
}

/**
 * One import of files: written when it begins and again when it is finished. Topic imports, key: none. It is kept as
 * long as the log: it tells what was imported already.
 */
export interface ImportRecord {
  /** BEGUN before its first record, FINISHED with its last. */
  readonly state: ImportState
  /** SHA-256 over the mapping's hash and each file's size and SHA-256, in hex. */
  readonly identity: string
  /** Name of the mapping; of our own columns the default producer. */
  readonly mapping: string
  /** SHA-256 of the mapping's content, in hex. */
  readonly mappingHash: string
  /** The clock, read once: acceptance time of all its records. */
  readonly notAfter: number
  /** The log's clock when it began: rows before it are late. */
  readonly closedThrough: number
  /** In the order in which they were given. */
  readonly files: readonly ImportedFileRecord[]
  /** Rows of all files. */
  readonly rows: number
  /** Rows whose time is before closedThrough. */
  readonly lateRows: number
  /** Smallest readable time. */
  readonly minTime: number | null
  /** Largest readable time. */
  readonly maxTime: number | null
  /** What its last tick closes; the next import begins at or after it. */
  readonly closeThrough: number | null
  /** Rows that became transactions; 0 in BEGUN. */
  readonly transactions: number
  /** Rows that became dead letters. */
  readonly unreadable: readonly ReasonCountRecord[]
  /** Rows that the mapping left out. */
  readonly skipped: readonly ReasonCountRecord[]
}

/**
 * What a schema id that is not this log's own was found to mean, once and for ever: an input of its task, kept with
 * the outputs that depend on it. Partition: the task's. Key: none.
 */
export interface WriterSchemaRecord {
  /** The id in the wire prefix. */
  readonly schemaId: number
  /**
   * The first record that this is said of: its number, from 0, among the records of the partition under ids that are
   * not this log's own.
   */
  readonly from: number
  /** The record before which it ends; null: it does not end. */
  readonly to: number | null
  /** The Avro schema with which the writer wrote; null: its records are dead letters. */
  readonly schema: string | null
  /** Of dead letters: why, in plain words, and what to do. Else empty. */
  readonly words: string
}

export const noveltySymbols = ['ACCEPTED', 'DUPLICATE', 'CONFLICTING'] as const
export type Novelty = (typeof noveltySymbols)[number]

/**
 * What became of a transaction that could be read and is valid: one record each, the transaction kept whole. Topic
 * transaction-outcomes, key payerAccount.
 */
export interface TransactionOutcomeRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** ACCEPTED = first seen; DUPLICATE = identity and content known; CONFLICTING = identity known, content other. */
  readonly outcome: Novelty
  /** Of a DUPLICATE or CONFLICTING one: when the first was seen: the later of its event time and stream time. */
  readonly firstSeenAt: number | null
  /** The transaction, whole. */
  readonly transaction: TransactionRecord
}

export const decidedSymbols = ['APPROVE', 'HOLD', 'DECLINE'] as const
export type Decided = (typeof decidedSymbols)[number]

/** Points of one rule. */
export interface ContributionRecord {
  /** Name of the rule. */
  readonly rule: string
  /** Points, not 0. */
  readonly points: number
}

/** Integers seen by the rules; null = absent. */
export interface FeaturesRecord {
  /** Payments of the payer account in the last minute, this one included; absent when the time precision is coarser. */
  readonly payments1m: number | null
  /** Payments of the payer account in the last hour, this one included; absent when the time precision is coarser. */
  readonly payments1h: number | null
  /** Payments of the payer account in the last day, this one included; absent when the time precision is coarser. */
  readonly payments1d: number | null
  /** Payments of the payer account in the last 7 days, this one included; absent when the time precision is coarser. */
  readonly payments7d: number | null
  /**
   * Sum of amountMinor of the payer account in this currency in the last minute, this one included; absent when the
   * time precision is coarser.
   */
  readonly amount1m: number | null
  /**
   * Sum of amountMinor of the payer account in this currency in the last hour, this one included; absent when the time
   * precision is coarser.
   */
  readonly amount1h: number | null
  /**
   * Sum of amountMinor of the payer account in this currency in the last day, this one included; absent when the time
   * precision is coarser.
   */
  readonly amount1d: number | null
  /**
   * Sum of amountMinor of the payer account in this currency in the last 7 days, this one included; absent when the
   * time precision is coarser.
   */
  readonly amount7d: number | null
  /**
   * Distinct payee accounts of the payer account (64 = 64 or more) in the last minute, this one included; absent when
   * the time precision is coarser.
   */
  readonly counterparties1m: number | null
  /**
   * Distinct payee accounts of the payer account (64 = 64 or more) in the last hour, this one included; absent when
   * the time precision is coarser.
   */
  readonly counterparties1h: number | null
  /**
   * Distinct payee accounts of the payer account (64 = 64 or more) in the last day, this one included; absent when the
   * time precision is coarser.
   */
  readonly counterparties1d: number | null
  /**
   * Distinct payee accounts of the payer account (64 = 64 or more) in the last 7 days, this one included; absent when
   * the time precision is coarser.
   */
  readonly counterparties7d: number | null
  /**
   * Distinct merchants of the payer account (64 = 64 or more) in the last minute, this one included; absent when the
   * time precision is coarser.
   */
  readonly merchants1m: number | null
  /**
   * Distinct merchants of the payer account (64 = 64 or more) in the last hour, this one included; absent when the
   * time precision is coarser.
   */
  readonly merchants1h: number | null
  /**
   * Distinct merchants of the payer account (64 = 64 or more) in the last day, this one included; absent when the time
   * precision is coarser.
   */
  readonly merchants1d: number | null
  /**
   * Distinct merchants of the payer account (64 = 64 or more) in the last 7 days, this one included; absent when the
   * time precision is coarser.
   */
  readonly merchants7d: number | null
  /** True: a sum above passed 2^53 and stopped there. */
  readonly amountSaturated: boolean
  /**
   * 16ths of the usual deviation that this amount lies above (or below) the account's usual amount in this currency;
   * absent for the first payment.
   */
  readonly amountDeviation: number | null
  /**
   * Speed from the country of the account's last located payment to this one's; absent without two known countries or
   * with day precision.
   */
  readonly kilometersPerHour: number | null
}

/** The decision on an accepted transaction with its receipt. Topic decisions, key payerAccount. */
export interface DecisionRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** Identity. */
  readonly producer: string
  /** Identity. */
  readonly payerAccount: string
  /** Identity. */
  readonly transactionId: string
  /** Kind. */
  readonly kind: Kind
  /** Event time. */
  readonly occurredAt: number
  /** Payer bank. */
  readonly payerBank: string
  /** Payee bank. */
  readonly payeeBank: string
  /** Minor units. */
  readonly amountMinor: number
  /** ISO 4217. */
  readonly currency: string
  /** The decision. */
  readonly outcome: Decided
  /** Why, most important first; empty for a plain approval. */
  readonly reasons: readonly string[]
  /** Start of the cycle that it joins when approved; of a held one the cycle it would have joined. */
  readonly cycleStart: number
  /** True: the cycle of occurredAt was closed already; it joins the oldest open one. */
  readonly late: boolean
  /** Sum of the contributions; 0 for returns. */
  readonly score: number
  /** Rules in force at its event time; empty for returns. */
  readonly ruleVersion: string
  /** Receipt: what the rules added, in rule order. */
  readonly contributions: readonly ContributionRecord[]
  /** Receipt: what the rules saw; null for returns, which are not scored. */
  readonly features: FeaturesRecord | null
}

export const alertKindSymbols = ['HELD', 'DECLINED', 'CONFLICT'] as const
export type AlertKind = (typeof alertKindSymbols)[number]

/** Something a person should look at. Topic alerts, key payerAccount. */
export interface AlertRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** HELD and DECLINED by the rules; CONFLICT = same identity, other content. */
  readonly alert: AlertKind
  /** Identity. */
  readonly producer: string
  /** Identity. */
  readonly payerAccount: string
  /** Identity. */
  readonly transactionId: string
  /** Event time. */
  readonly occurredAt: number
  /** Minor units. */
  readonly amountMinor: number
  /** ISO 4217. */
  readonly currency: string
  /** Score; 0 for a conflict. */
  readonly score: number
  /** Names of the rules that added points, or what else. */
  readonly reasons: readonly string[]
}

export const holdEventKindSymbols = ['HELD', 'RELEASED', 'REJECTED', 'REFUSED'] as const
export type HoldEventKind = (typeof holdEventKindSymbols)[number]

/** The life of a held transaction, as events. Topic hold-events, key payerAccount. */
export interface HoldEventRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** REFUSED = a resolution that could not be carried out; see why. */
  readonly event: HoldEventKind
  /** The resolution that caused it; empty for HELD. */
  readonly resolutionId: string
  /** Who; empty for HELD. */
  readonly by: string
  /** Why released or rejected, or why the resolution was refused. */
  readonly why: string
  /** Why it was held. */
  readonly reasons: readonly string[]
  /** As said by the resolution. */
  readonly notSettledElsewhere: boolean
  /** Identity. */
  readonly producer: string
  /** Identity. */
  readonly payerAccount: string
  /** Identity. */
  readonly transactionId: string
  /** Cycle it would have joined; null when REFUSED. */
  readonly originalCycleStart: number | null
  /** RELEASED: the cycle that it joins. */
  readonly cycleStart: number | null
  /** The held transaction, whole; null when REFUSED. */
  readonly transaction: TransactionRecord | null
}

/**
 * An input record that could not be processed. Topic dead-letters, key = the raw key. Fields from topic on are
 * diagnostics, outside digest and equality.
 */
export interface DeadLetterRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** Code from schemas/reasons.ts. */
  readonly reason: string
  /** In plain words, what was wrong and what to do. */
  readonly message: string
  /** Key as it came. */
  readonly rawKey: Uint8Array | null
  /** Value as it came, or the first 4 KiB of an unreadable row. */
  readonly rawValue: Uint8Array | null
  /** Diagnostic. */
  readonly topic: string
  /** Diagnostic. */
  readonly partition: number
  /** Diagnostic. */
  readonly offset: number
  /** Diagnostic: base name of the file; empty when it did not come from a file. */
  readonly file: string
  /** Diagnostic: line; 0 when it did not come from a file. */
  readonly line: number
}

/** What one bank owes another before netting. */
export interface ObligationRecord {
  /** Owes. */
  readonly payerBank: string
  /** Is owed; equal to payerBank when on us. */
  readonly payeeBank: string
  /** ISO 4217. */
  readonly currency: string
  /** Transactions. */
  readonly count: number
  /** Sum in minor units. */
  readonly amount: bigint
}

/**
 * The obligations of one cycle from one source task; sorted by currency, payerBank, payeeBank. Topic cycle-partials.
 * Several partials of one task and cycle add up.
 */
export interface CyclePartialRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** Start of the cycle. */
  readonly cycleStart: number
  /** This chunk, from 0. */
  readonly chunk: number
  /** Chunks of this partial. */
  readonly chunks: number
  /** At most 1,000 a chunk. */
  readonly obligations: readonly ObligationRecord[]
}

/**
 * This source task has closed every cycle that ends at or before closedThrough; no partial for one of them follows.
 * Topic cycle-partials.
 */
export interface ClosedThroughRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** End of the latest closed cycle. */
  readonly closedThrough: number
  /**
   * True when a ticker runs or an import ends here: the settlement task forwards a mark after the cycles that this
   * closes, so that sinks have them at once. Imports in the middle are cut more rarely.
   */
  readonly cut: boolean
}

/** The member list that a source task saw, forwarded to the settlement task. Topic cycle-partials. */
export interface MembersInForceRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** Name of the list. */
  readonly version: string
  /** As in MemberList. */
  readonly anyBank: boolean
  /** As in MemberList. */
  readonly members: readonly MemberRecord[]
}

/** Net between two banks. */
export interface BilateralNetRecord {
  /** Owes after bilateral netting (of a zero net: the first by name). */
  readonly debtor: string
  /** Is owed. */
  readonly creditor: string
  /** Not negative. */
  readonly amount: bigint
}

/** A member's multilateral position. */
export interface PositionRecord {
  /** Bank. */
  readonly member: string
  /** What it owed, gross, without on-us. */
  readonly debit: bigint
  /** What it was owed, gross, without on-us. */
  readonly credit: bigint
  /** credit - debit. */
  readonly net: bigint
}

/** One currency of one settled cycle. Topic settlements. */
export interface SettlementRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** Start of the cycle. */
  readonly cycleStart: number
  /** Length of the cycle. */
  readonly cycleLengthMs: number
  /** ISO 4217. */
  readonly currency: string
  /** Settled transactions, on-us ones included. */
  readonly count: number
  /** Sum of settled amounts, on-us ones included. */
  readonly gross: bigint
  /** On-us transactions. */
  readonly onUsCount: number
  /** Sum of on-us amounts. */
  readonly onUs: bigint
  /** Sum of what the paying members pay. */
  readonly net: bigint
  /** Sorted by debtor, creditor. */
  readonly bilateral: readonly BilateralNetRecord[]
  /** Every member, zeros included, sorted by member. */
  readonly positions: readonly PositionRecord[]
}

export const directionSymbols = ['PAY', 'RECEIVE'] as const
export type Direction = (typeof directionSymbols)[number]

/** A member pays or receives its net position. Topic instructions. */
export interface InstructionRecord {
  /** Source task: number of the input partition. */
  readonly task: number
  /** Number of this record among those of this task in this topic, from 0, without gaps. */
  readonly seq: number
  /** Stream time of the row that caused this record; of a settlement output the cycle's end. */
  readonly logicalTime: number
  /** 32 hex digits: hash of (scheme, cycle id, member, currency). */
  readonly instructionId: string
  /** Scheme name, fixed when the log was created. */
  readonly scheme: string
  /** Start of the cycle. */
  readonly cycleStart: number
  /** Length of the cycle. */
  readonly cycleLengthMs: number
  /** Bank. */
  readonly member: string
  /** ISO 4217. */
  readonly currency: string
  /** PAY when the net position is negative. */
  readonly direction: Direction
  /** Minor units, positive. */
  readonly amount: bigint
  /** Account from the member list, or the bank code when every bank is a member. */
  readonly settlementAccount: string
}

/** A cut for sinks; takes no seq. Stands in every output topic of the task. */
export interface MarkRecord {
  /** Source task. */
  readonly task: number
  /** Seq of the next record of this task in this topic. */
  readonly nextSeq: number
  /** Logical time. */
  readonly logicalTime: number
}

/** Columns of Transaction: its fields, those of nested records behind a dot. */
export const transactionColumns = [
  'producer',
  'payerAccount',
  'transactionId',
  'kind',
  'occurredAt',
  'payerBank',
  'payeeAccount',
  'payeeBank',
  'merchant',
  'amountMinor',
  'currency',
  'country',
  'originalTransactionId',
  'timePrecision',
] as const

/** Columns of Tick: its fields, those of nested records behind a dot. */
export const tickColumns = ['at', 'clock', 'closeThrough'] as const

/** Columns of MemberList: its fields, those of nested records behind a dot. */
export const memberListColumns = ['version', 'anyBank', 'members'] as const

/** Columns of HoldResolution: its fields, those of nested records behind a dot. */
export const holdResolutionColumns = [
  'resolutionId',
  'action',
  'producer',
  'payerAccount',
  'transactionId',
  'by',
  'why',
  'notSettledElsewhere',
] as const

/** Columns of RuleSet: its fields, those of nested records behind a dot. */
export const ruleSetColumns = ['version', 'rules', 'sha256', 'effectiveFrom', 'by'] as const

/** Columns of Unreadable: its fields, those of nested records behind a dot. */
export const unreadableColumns = ['reason', 'message', 'raw', 'file', 'line'] as const

/** Columns of Import: its fields, those of nested records behind a dot. */
export const importColumns = [
  'state',
  'identity',
  'mapping',
  'mappingHash',
  'notAfter',
  'closedThrough',
  'files',
  'rows',
  'lateRows',
  'minTime',
  'maxTime',
  'closeThrough',
  'transactions',
  'unreadable',
  'skipped',
] as const

/** Columns of WriterSchema: its fields, those of nested records behind a dot. */
export const writerSchemaColumns = ['schemaId', 'from', 'to', 'schema', 'words'] as const

/** Columns of TransactionOutcome: its fields, those of nested records behind a dot. */
export const transactionOutcomeColumns = [
  'task',
  'seq',
  'logicalTime',
  'outcome',
  'firstSeenAt',
  'transaction.producer',
  'transaction.payerAccount',
  'transaction.transactionId',
  'transaction.kind',
  'transaction.occurredAt',
  'transaction.payerBank',
  'transaction.payeeAccount',
  'transaction.payeeBank',
  'transaction.merchant',
  'transaction.amountMinor',
  'transaction.currency',
  'transaction.country',
  'transaction.originalTransactionId',
  'transaction.timePrecision',
] as const

/** Columns of Decision: its fields, those of nested records behind a dot. */
export const decisionColumns = [
  'task',
  'seq',
  'logicalTime',
  'producer',
  'payerAccount',
  'transactionId',
  'kind',
  'occurredAt',
  'payerBank',
  'payeeBank',
  'amountMinor',
  'currency',
  'outcome',
  'reasons',
  'cycleStart',
  'late',
  'score',
  'ruleVersion',
  'contributions',
  'features.payments1m',
  'features.payments1h',
  'features.payments1d',
  'features.payments7d',
  'features.amount1m',
  'features.amount1h',
  'features.amount1d',
  'features.amount7d',
  'features.counterparties1m',
  'features.counterparties1h',
  'features.counterparties1d',
  'features.counterparties7d',
  'features.merchants1m',
  'features.merchants1h',
  'features.merchants1d',
  'features.merchants7d',
  'features.amountSaturated',
  'features.amountDeviation',
  'features.kilometersPerHour',
] as const

/** Columns of Alert: its fields, those of nested records behind a dot. */
export const alertColumns = [
  'task',
  'seq',
  'logicalTime',
  'alert',
  'producer',
  'payerAccount',
  'transactionId',
  'occurredAt',
  'amountMinor',
  'currency',
  'score',
  'reasons',
] as const

/** Columns of HoldEvent: its fields, those of nested records behind a dot. */
export const holdEventColumns = [
  'task',
  'seq',
  'logicalTime',
  'event',
  'resolutionId',
  'by',
  'why',
  'reasons',
  'notSettledElsewhere',
  'producer',
  'payerAccount',
  'transactionId',
  'originalCycleStart',
  'cycleStart',
  'transaction.producer',
  'transaction.payerAccount',
  'transaction.transactionId',
  'transaction.kind',
  'transaction.occurredAt',
  'transaction.payerBank',
  'transaction.payeeAccount',
  'transaction.payeeBank',
  'transaction.merchant',
  'transaction.amountMinor',
  'transaction.currency',
  'transaction.country',
  'transaction.originalTransactionId',
  'transaction.timePrecision',
] as const

/** Columns of DeadLetter: its fields, those of nested records behind a dot. */
export const deadLetterColumns = [
  'task',
  'seq',
  'logicalTime',
  'reason',
  'message',
  'rawKey',
  'rawValue',
  'topic',
  'partition',
  'offset',
  'file',
  'line',
] as const

/** Columns of CyclePartial: its fields, those of nested records behind a dot. */
export const cyclePartialColumns = [
  'task',
  'seq',
  'logicalTime',
  'cycleStart',
  'chunk',
  'chunks',
  'obligations',
] as const

/** Columns of ClosedThrough: its fields, those of nested records behind a dot. */
export const closedThroughColumns = ['task', 'seq', 'logicalTime', 'closedThrough', 'cut'] as const

/** Columns of MembersInForce: its fields, those of nested records behind a dot. */
export const membersInForceColumns = ['task', 'seq', 'logicalTime', 'version', 'anyBank', 'members'] as const

/** Columns of Settlement: its fields, those of nested records behind a dot. */
export const settlementColumns = [
  'task',
  'seq',
  'logicalTime',
  'cycleStart',
  'cycleLengthMs',
  'currency',
  'count',
  'gross',
  'onUsCount',
  'onUs',
  'net',
  'bilateral',
  'positions',
] as const

/** Columns of Instruction: its fields, those of nested records behind a dot. */
export const instructionColumns = [
  'task',
  'seq',
  'logicalTime',
  'instructionId',
  'scheme',
  'cycleStart',
  'cycleLengthMs',
  'member',
  'currency',
  'direction',
  'amount',
  'settlementAccount',
] as const

/** Columns of Mark: its fields, those of nested records behind a dot. */
export const markColumns = ['task', 'nextSeq', 'logicalTime'] as const

/** A row of a batch as processors see it: a cursor that is moved from row to row; keep values, never the view. */
export interface Transaction {
  /** Who sends: the namespace of transaction ids. 1 to 64 characters. */
  readonly producer: Text
  /** Account that pays; the record's key. A return names the original's payer account. 1 to 64 characters. */
  readonly payerAccount: Text
  /** The producer's own id; unique per producer and payer account. 1 to 64 characters. */
  readonly transactionId: Text
  /** What the transaction does. */
  readonly kind: Kind
  /** Event time, milliseconds since 1970-01-01 UTC. */
  readonly occurredAt: number
  /** Bank of the payer account (a return: of the original). 1 to 64 characters. */
  readonly payerBank: Text
  /** Account that is paid (a return: of the original). 1 to 64 characters. */
  readonly payeeAccount: Text
  /** Bank of the payee account (a return: of the original). 1 to 64 characters. */
  readonly payeeBank: Text
  /** Merchant, when there is one; at most 64 characters. */
  readonly merchant: Text | null
  /** Amount in minor units of the currency, 1 to 2^53. */
  readonly amountMinor: number
  /** ISO 4217 code, three capital letters. */
  readonly currency: Text
  /** ISO 3166-1 alpha-2 code of where the payment was made, when known. */
  readonly country: Text | null
  /** The transactionId of the payment that a return returns; absent for payments. */
  readonly originalTransactionId: Text | null
  /** Since version 2; what an older writer did not say is MILLISECOND. */
  readonly timePrecision: TimePrecision
}
