/** The safeguards of the commit protocol as switches: each can be left out, to see what it is there for. */

export interface Rules {
  /** 1 Fence first: InitProducerId before K and R are read. */
  readonly fenceFirst: boolean
  /** 2 A delta is applied only where the store stands at its first position. */
  readonly compareAndSet: boolean
  /** 1b The store has an owner epoch too, raised at takeover. Not needed for safety: it stops zombies early. */
  readonly ownerEpoch: boolean
  /** 3 Values are used only with a header that says base <= R <= sent. */
  readonly validatedReads: boolean
  /** 4 K is read when the transactions before are complete, which the fence waits for. */
  readonly stableRead: boolean
  /** 5 After an indefinite error the producer is thrown away; EndTxn is never sent again. */
  readonly indefiniteErrors: boolean
  /** 5b A connection that broke counts as an indefinite error, also between two transactions. */
  readonly lostConnections: boolean
  /** 6 A fenced owner stops, and joins again when nobody else is there. */
  readonly fencedStops: boolean
  /** 6b An owner with nothing to do looks at the header. */
  readonly idleProbe: boolean
  /** 6c Who finds R > K halts only if the fence is still its own; otherwise it is fenced, and stops. */
  readonly haltsAsOwnerOnly: boolean
  /** 7 A delta is serialised at its commit, before the next step touches the state. */
  readonly serialisedAtCommit: boolean
  /** 7b When a delta is acknowledged, entries that were changed again since stay. */
  readonly keepsChangedAgain: boolean
  /** 8 The delta of a commit is sent when the commit is proven: by an accepted request behind it, or by a fence. */
  readonly proofFirst: boolean
}

export const fullProtocol: Rules = {
  fenceFirst: true,
  compareAndSet: true,
  ownerEpoch: true,
  validatedReads: true,
  stableRead: true,
  indefiniteErrors: true,
  lostConnections: true,
  fencedStops: true,
  idleProbe: true,
  haltsAsOwnerOnly: true,
  serialisedAtCommit: true,
  keepsChangedAgain: true,
  proofFirst: true,
}

/** How far is looked. `events`: input events, N in the tables; `faults`: at most so many on one road. */
export type Bound = { readonly events: number; readonly faults: number }

/** What a step may do: the rules, the bound, and where the steps found are put. */
export interface World {
  readonly rules: Rules
  readonly bound: Bound
}

/** Key of an event: two keys by turns, so that values are read cold, and changed again while a delta is under way. */
export const keyIndex = (event: number): 0 | 1 => (event % 2 === 0 ? 0 : 1)

/** State of a key after the events [0, position): how many of them touched it. f of the log, by definition. */
export const valueAt = (key: 0 | 1, position: number): number =>
  key === 0 ? Math.ceil(position / 2) : Math.floor(position / 2)
