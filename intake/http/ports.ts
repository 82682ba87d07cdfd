/**
 * What the HTTP server needs from the rest, as plain JSON shapes: who composes the product plugs it in.
 *
 * Amounts are texts of integers in minor units; times are milliseconds since 1970-01-01 UTC; account numbers are whole:
 * the server masks them where they were not asked for. A port that cannot answer rejects; the server then answers 503.
 */

/** One record for the input topic, partition chosen, value with its wire prefix. */
export interface IntakeRecord {
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  /** Acceptance time. */
  readonly timestamp: number
}

/** The way into the log. */
export interface Intake {
  /**
   * All records or none; durable when it resolves. Errors: QueueFullError (nothing was queued; come back later),
   * any other: it is not known whether the records are in the log, sending them again is safe (copies are duplicates).
   */
  append(records: readonly IntakeRecord[]): Promise<void>
  /** Partitions of the input topic. */
  readonly partitions: number
}

/** Identity of a transaction. */
export interface Identity {
  readonly producer: string
  readonly payerAccount: string
  readonly transactionId: string
}

/** What is known of one transaction. Fields that are not known yet are null. */
export interface TransactionView extends Identity {
  /**
   * queued: in the log, not decided. pending: approved or released, its cycle is open. settled: its cycle is settled.
   * held, declined: as decided. (A rejected one is declined.)
   */
  readonly state: 'queued' | 'pending' | 'settled' | 'held' | 'declined'
  readonly kind: 'PAYMENT' | 'REFUND' | 'REVERSAL' | 'CHARGEBACK'
  readonly occurredAt: number
  readonly payerBank: string
  readonly payeeAccount: string
  readonly payeeBank: string
  readonly merchant: string | null
  readonly country: string | null
  readonly originalTransactionId: string | null
  readonly amountMinor: string
  readonly currency: string
  /** How many copies came, and how many with the same identity and other content. */
  readonly duplicates: number
  readonly conflicts: number
  readonly receipt: Receipt | null
  readonly cycle: { readonly start: number; readonly lengthMs: number; readonly late: boolean } | null
  /** The instructions of its payer's and payee's bank in its currency and cycle; empty until it is settled, or when on us. */
  readonly instructions: readonly InstructionView[]
  /** What operators did, oldest first. */
  readonly holdEvents: readonly HoldEventView[]
}

/** Why it was decided as it was. */
export interface Receipt {
  readonly outcome: 'APPROVE' | 'HOLD' | 'DECLINE'
  readonly reasons: readonly string[]
  readonly score: number
  readonly ruleVersion: string
  readonly contributions: readonly { readonly rule: string; readonly points: number }[]
  /** By name; null = absent. Null as a whole for returns. */
  readonly features: Readonly<Record<string, number | boolean | null>> | null
}

export interface InstructionView {
  readonly instructionId: string
  readonly member: string
  readonly direction: 'PAY' | 'RECEIVE'
  readonly amountMinor: string
  readonly currency: string
  readonly settlementAccount: string
}

export interface HoldEventView {
  readonly event: 'HELD' | 'RELEASED' | 'REJECTED' | 'REFUSED'
  readonly resolutionId: string
  readonly by: string
  readonly why: string
  readonly logicalTime: number
}

/** A held transaction; see dashboard's HoldView, which has the same fields. */
export interface OpenHold extends Identity {
  readonly kind: string
  readonly payerBank: string
  readonly payeeBank: string
  readonly amountMinor: string
  readonly currency: string
  readonly reasons: readonly string[]
  readonly occurredAt: number
  readonly heldAt: number
}

export interface OpenHolds {
  /** Oldest first. */
  readonly holds: readonly OpenHold[]
  /** How many there are in all. */
  readonly total: number
}

/** What became of a resolution. */
export interface HoldOutcome {
  readonly event: 'RELEASED' | 'REJECTED' | 'REFUSED'
  /** The cycle that a released one joins. */
  readonly cycleStart: number | null
  /** REFUSED: why. */
  readonly why: string
}

export interface Holds {
  open(limit: number): Promise<OpenHolds>
  /** Waits up to `waitMs` for the event of this resolution; null when it has not come. */
  outcomeOf(resolutionId: string, identity: Identity, waitMs: number): Promise<HoldOutcome | null>
}

export interface AlertEvent extends Identity {
  /**
   * Position right after this alert in the stream of all alerts: given back as `after`, the stream goes on with the
   * next one. Any text without line breaks; for many tasks a vector of sequence numbers.
   */
  readonly id: string
  readonly alert: 'HELD' | 'DECLINED' | 'CONFLICT'
  readonly occurredAt: number
  readonly amountMinor: string
  readonly currency: string
  readonly score: number
  readonly reasons: readonly string[]
}

export interface Alerts {
  /**
   * Delivers every alert after a position once and in order, those that exist first, then each as it is committed.
   * `after`: an AlertEvent's id; 'start' = from the first one kept; null = only what comes from now on.
   * Rejects with UnknownPositionError when the text is no position of this log. `ended` is told when nothing more will
   * be delivered, although it was not stopped: who comes back with the last id goes on.
   */
  follow(after: string | null, deliver: (alert: AlertEvent) => void, ended?: () => void): Promise<{ stop(): void }>
}

/** Rows of a question or of SQL. */
export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

export interface Question {
  readonly name: string
  /** One sentence: what it answers. */
  readonly about: string
  /** Names of its parameters with what they mean; all are texts. */
  readonly parameters: readonly { readonly name: string; readonly about: string; readonly required: boolean }[]
}

export interface Queries {
  /** Everything known under a producer's id: several when several payers used it; empty when nothing is. */
  lookup(producer: string, transactionId: string, payerAccount?: string): Promise<readonly TransactionView[]>
  /** The balance sheet, as `run --json` prints it; dashboard's BalanceView is its shape. */
  balance(): Promise<object>
  /** The topology's own description: Kafka Streams' text format, mermaid, and dashboard's Graph. */
  topology(): Promise<{ readonly text: string; readonly mermaid: string; readonly graph: object }>
  questions(): Promise<readonly Question[]>
  /** Null when there is no question of that name. Errors: QueryError for a bad or missing parameter. */
  ask(name: string, parameters: Readonly<Record<string, string>>): Promise<Table | null>
  /** Read-only SQL. Errors: QueryError with the server's message for what it refuses. */
  sql(query: string): Promise<Table>
}

/** Snapshots for the page: any JSON value; dashboard/snapshot.ts says which. */
export interface PageEvents {
  /** Null when nothing changed since the last call and nothing has to be sent. */
  snapshot(): object | null
  readonly everyMs: number
}

export interface Health {
  /** ok: all tasks run. degraded: it goes on, something is slow or waits. halted: a task stopped and needs an operator. */
  readonly status: 'ok' | 'degraded' | 'halted'
  /** Version of the product, name of the backend, and what is wrong in plain words with what to do, if anything. */
  readonly version: string
  readonly backend: string
  readonly problems: readonly string[]
}

/** The page's files. */
export interface Page {
  /** Null when there is no such file. `path` starts with '/', '/' is the page itself; the token is built into it. */
  file(path: string, token: string): { readonly type: string; readonly body: Uint8Array } | null
}

/** Who may call. */
export interface ApiKey {
  /** Shown in logs and counters; never the key. */
  readonly name: string
  readonly key: string
  /** When given, the key may send and read under this producer only, and it is the default. */
  readonly producer?: string
}

/** Parts of the door that only count. */
export interface DoorCounters {
  queued: number
  /** Items refused, by reason. */
  refused: Map<string, number>
  /** Requests answered with an error, by code. */
  errors: Map<string, number>
}

/** The queue to the log is full: nothing was queued. */
export class QueueFullError extends Error {
  readonly retryAfterSeconds: number
  constructor(retryAfterSeconds: number) {
    super(`The queue to the log is full; nothing of this request was queued. Send it again in ${retryAfterSeconds} s.`)
    this.name = 'QueueFullError'
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** A question or SQL text that cannot be answered as asked. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
}

/** No position of this stream. */
export class UnknownPositionError extends Error {
  override readonly name = 'UnknownPositionError'
}
