/**
 * What the page shows, as one JSON value that is sent whole about twice a second.
 *
 * Amounts are texts of integers in minor units, rates are records per second, times are milliseconds since 1970-01-01 UTC.
 * Account numbers are given whole: the server masks them on their way out and adds a `ref` by which the page may ask.
 */

/** A node of the drawing. `id` is its name in the description; two topologies share a topic by naming it the same. */
export interface GraphNode {
  readonly id: string
  /** What is written in its box, when not the id. */
  readonly label?: string
  readonly kind: 'topic' | 'source' | 'operator' | 'split' | 'sink'
  /** Name of the topology that it belongs to; absent for a topic between two. */
  readonly topology?: string
  /** One sentence, shown on hover and focus. */
  readonly about?: string
  /** Named stores of an operator. */
  readonly stores?: readonly string[]
}

export interface GraphEdge {
  readonly from: string
  readonly to: string
  /** The branch of a split, such as ACCEPTED. */
  readonly label?: string
}

/** The topologies as one directed graph without circles. */
export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}

/** What flowed along one edge. */
export interface EdgeFlow {
  readonly from: string
  readonly to: string
  readonly perSecond: number
  readonly total: number
}

/** One payment that was decided since the last snapshot: it is drawn as an amount that moves through the graph. */
export interface Moving {
  readonly amountMinor: string
  readonly currency: string
  /** Ids of the nodes that it passed, in order. */
  readonly path: readonly string[]
}

export interface SnapshotTime {
  /** WALL = `serve`; SIMULATED = the demo; FILES = an import. */
  readonly clock: 'WALL' | 'SIMULATED' | 'FILES'
  /** Smallest stream time of the source tasks; null before the first tick. */
  readonly streamTime: number | null
  /** The clock now (simulated time in the demo). */
  readonly now: number
  /** Records that are in the log and not yet committed by their task. */
  readonly lagRecords: number
  /** now - streamTime, milliseconds; the allowed delay is part of it. */
  readonly lagMs: number
  /** Simulated seconds per second; 1 for the wall clock. */
  readonly speed: number
}

export interface CycleCurrency {
  readonly currency: string
  readonly count: number
  readonly grossMinor: string
  /** What the paying members pay; null until it is settled. */
  readonly netMinor: string | null
}

export interface CycleView {
  readonly start: number
  readonly lengthMs: number
  /**
   * filling: its end has not come. closing: its end has come, not every source task has closed it.
   * settled: netted, its instructions are in the log.
   */
  readonly state: 'filling' | 'closing' | 'settled'
  /** How many of the source tasks have closed it, of how many. */
  readonly closedBy: number
  readonly sources: number
  readonly currencies: readonly CycleCurrency[]
}

/** Net position of a bank over the cycle that was settled last (or the one said in `positionsOf`). */
export interface PositionView {
  readonly member: string
  readonly currency: string
  /** credit - debit: negative pays, positive receives. */
  readonly netMinor: string
}

export interface AlertView {
  /** Position in the stream of alerts: later alerts compare as given by their order. */
  readonly id: string
  readonly alert: 'HELD' | 'DECLINED' | 'CONFLICT'
  readonly producer: string
  readonly payerAccount: string
  readonly transactionId: string
  readonly occurredAt: number
  readonly amountMinor: string
  readonly currency: string
  readonly score: number
  readonly reasons: readonly string[]
}

export interface HoldView {
  readonly producer: string
  readonly payerAccount: string
  readonly transactionId: string
  readonly kind: 'PAYMENT' | 'REFUND' | 'REVERSAL' | 'CHARGEBACK'
  readonly payerBank: string
  readonly payeeBank: string
  readonly amountMinor: string
  readonly currency: string
  readonly reasons: readonly string[]
  readonly occurredAt: number
  /** Stream time when it was held; its age is the stream time now minus this. */
  readonly heldAt: number
}

export interface CurrencyBalance {
  readonly grossMinor: string
  readonly netMinor: string
  readonly instructions: number
}

/**
 * Which point a picture is of, when the tasks run in workers elsewhere: their state as they have stored it, which trails
 * what they have done.
 */
export interface AsOf {
  /** Everything up to this stream time is in it; null before the first tick. */
  readonly streamTime: number | null
  /** By task: the records of its input before this offset are in it. */
  readonly positions: Readonly<Record<string, number>>
}

/** The balance sheet: numbers of transactions, then money per currency. */
export interface BalanceView {
  /** Null: of this instant. */
  readonly asOf: AsOf | null
  readonly payments: {
    readonly received: number
    readonly accepted: number
    readonly duplicate: number
    readonly conflicting: number
    readonly late: number
    readonly held: number
    readonly declined: number
    readonly deadLetters: number
    readonly skipped: number
    readonly settled: number
    readonly pending: number
  }
  readonly currencies: Readonly<Record<string, CurrencyBalance>>
  /** Value of what is held, per currency, minor units. */
  readonly heldMinor: Readonly<Record<string, string>>
  /** Both identities hold and what is paid equals what is received, per currency and cycle. */
  readonly balanced: boolean
}

export interface Snapshot {
  readonly title: string
  readonly graph: Graph
  readonly flows: readonly EdgeFlow[]
  readonly moving: readonly Moving[]
  readonly time: SnapshotTime
  /** Transactions decided per second, over the last few seconds. */
  readonly perSecond: number
  /** Newest first, at most 12. */
  readonly cycles: readonly CycleView[]
  /** Start of the cycle that the positions are of; null before the first settlement. */
  readonly positionsOf: number | null
  readonly positions: readonly PositionView[]
  /** Newest first, at most 20. */
  readonly alerts: readonly AlertView[]
  /** Oldest first, at most 50; `heldCount` counts them all. */
  readonly holds: readonly HoldView[]
  readonly heldCount: number
  readonly balance: BalanceView
}
