/** What the independent model takes and gives: a log of plain objects in, plain objects out. */
import type { TransactionRecord } from '../../schemas/generated.ts'

export type Transaction = TransactionRecord

export interface Member {
  readonly bank: string
  readonly currencies: readonly string[]
  readonly settlementAccount: string
}

export interface MemberList {
  readonly version: string
  readonly anyBank: boolean
  readonly members: readonly Member[]
}

export interface Resolution {
  readonly resolutionId: string
  readonly action: 'RELEASE' | 'REJECT'
  readonly producer: string
  readonly payerAccount: string
  readonly transactionId: string
  readonly by: string
  readonly why: string
  readonly notSettledElsewhere: boolean
}

/** One record of one partition of the log. Times in milliseconds. */
export type LogRecord =
  /** `key` null: no key at all. */
  | { type: 'transaction'; key: string | null; acceptedAt: number; transaction: Transaction }
  /** A row or record that could not be read, with the reason that its reader gave. */
  | { type: 'unreadable'; reason: string }
  | { type: 'tick'; at: number; clock: 'FILES' | 'WALL' | 'SIMULATED'; closeThrough: number | null }
  | ({ type: 'memberList' } & MemberList)
  | ({ type: 'holdResolution' } & Resolution)
  /** `rules`: a Rules as JSON. */
  | { type: 'ruleSet'; version: string; rules: string; effectiveFrom: number }

export interface Condition {
  /** A field of Features, or 'amountMinor'. */
  readonly feature: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly above?: number
  /** At most `factor` times another feature. */
  readonly atMostTimes?: { readonly feature: string; readonly factor: number }
}

export interface Rules {
  readonly version: string
  readonly holdAt: number
  readonly declineAt: number
  readonly rules: readonly {
    readonly name: string
    readonly points: number
    /** What a condition on an absent feature counts as. */
    readonly absent: 'fires' | 'does not fire'
    /** All of them must hold. */
    readonly when: readonly Condition[]
  }[]
}

type Windowed = `${'payments' | 'amount' | 'counterparties' | 'merchants'}${'1m' | '1h' | '1d' | '7d'}`
export type Features = { [name in Windowed]: number | null } & {
  amountSaturated: boolean
  amountDeviation: number | null
  kilometersPerHour: number | null
}

export interface Decision {
  task: number
  logicalTime: number
  transaction: Transaction
  outcome: 'APPROVE' | 'HOLD' | 'DECLINE'
  reasons: string[]
  cycleStart: number
  late: boolean
  score: number
  ruleVersion: string
  contributions: { rule: string; points: number }[]
  features: Features | null
}

export interface Outcome {
  task: number
  logicalTime: number
  outcome: 'ACCEPTED' | 'DUPLICATE' | 'CONFLICTING'
  firstSeenAt: number | null
  transaction: Transaction
}

export interface HoldEvent {
  task: number
  logicalTime: number
  event: 'HELD' | 'RELEASED' | 'REJECTED' | 'REFUSED'
  resolutionId: string
  by: string
  why: string
  reasons: string[]
  notSettledElsewhere: boolean
  producer: string
  payerAccount: string
  transactionId: string
  originalCycleStart: number | null
  cycleStart: number | null
  transaction: Transaction | null
}

export interface DeadLetter {
  task: number
  logicalTime: number
  reason: string
  key: string | null
  transaction: Transaction | null
}

export interface Settlement {
  cycleStart: number
  currency: string
  count: number
  gross: bigint
  onUsCount: number
  onUs: bigint
  net: bigint
  bilateral: { debtor: string; creditor: string; amount: bigint }[]
  positions: { member: string; debit: bigint; credit: bigint; net: bigint }[]
}

export interface Instruction {
  instructionId: string
  cycleStart: number
  member: string
  currency: string
  direction: 'PAY' | 'RECEIVE'
  amount: bigint
  settlementAccount: string
}

/** What one bank owes another in one cycle, from one source task. */
export interface Obligation {
  cycleStart: number
  payerBank: string
  payeeBank: string
  currency: string
  amountMinor: number
}
