/**
 * The seam to the world: Log, State, Group, Clock. Embedded (LMDB) and distributed (Kafka, Redis) are siblings behind it;
 * no client type crosses it. One conformance suite (test/conformance) binds every implementation.
 *
 * Words: K = committed input position of a task, R = position that its stored state stands for, R <= K always.
 *
 * B1  A writer is fenced by the next writer of the same id; what a fenced writer sends afterwards has no effect.
 * B2  A commit is all or nothing: its records, its position and its metadata become visible together.
 * B3  Readers see committed record batches only, whole, in offset order, the same bytes at every read.
 * B4  `Writer.position` was read after the fence, and is final.
 * B5  State changes only by `apply` with from = R and the owner's epoch; a repeated apply is a no-op that says so.
 * B6  `read` and `list` return values together with the header, as one atomic picture.
 */

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Whole record batches (Kafka v2 bytes, back to back) from one partition. */
export interface Fetched {
  /**
   * Record batches back to back; may start with records before the asked offset; empty when nothing is there (yet).
   * The caller's own: they stay as they are whatever happens afterwards.
   */
  readonly bytes: Uint8Array
  /**
   * Offset to ask for next: after the last record in `bytes`; when `bytes` is empty the asked offset, or a later one
   * when what lies between is nothing for readers (Kafka: markers, records that were given up).
   */
  readonly nextOffset: number
  /** End of what is committed: the offset that the next record will get, or one before it where offsets have gaps. */
  readonly endOffset: number
}

/** Record batch bytes without offsets: v2 batches with any base offset; the log sets it, in its own copy. */
export interface Append extends TopicPartition {
  /** One or more v2 record batches back to back. The same array may be appended to several partitions. */
  readonly batches: Uint8Array
}

/** What a commit carries. */
export interface Commit {
  readonly appends: readonly Append[]
  /** New position K of this writer; never falls. -1 for writers without input (the HTTP intake). */
  readonly position: number
  /** At most 4096 characters; for a task its digest and counters, for an import its progress. */
  readonly metadata: string
}

/** The only one who may commit under its id, until the next writer of that id is made. */
export interface Writer {
  readonly id: string
  /** Committed position and metadata as found after the fence; null when nothing was ever committed. */
  readonly committed: { readonly position: number; readonly metadata: string } | null
  /**
   * Commits. Resolves when the commit is durable and visible. Calls may overlap only as far as `maxInFlight` says; they
   * take effect in call order. Errors: FencedError (stop, do not come back at once); any other error is indefinite:
   * throw the writer away and make a new one. After any error nothing that this writer has sent behind takes effect.
   * The arrays handed over must not change until the promise settles.
   */
  commit(commit: Commit): Promise<void>
  /**
   * Highest position that no crash can take back (safeguard 8): embedded the last durable one, on Kafka the one before.
   * At first what the fence has read, 0 when nothing was ever committed.
   */
  readonly proven: number
  readonly maxInFlight: number
  close(): Promise<void>
}

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
}

export interface Log {
  /** Identity of a topic: another one after it was deleted and made again. */
  topicId(topic: string): Promise<string>
  /** Makes topics that are missing; refuses one that exists with another number of partitions. */
  createTopics(topics: readonly TopicSpec[]): Promise<void>
  partitions(topic: string): Promise<number>
  /** First offset still kept, and the offset after the last committed record. */
  bounds(at: TopicPartition): Promise<{ readonly start: number; readonly end: number }>
  /**
   * Reads committed batches at or after `offset`, up to about `maxBytes` (at least one batch). With nothing there waits
   * up to `maxWaitMs` for a commit. Errors: OffsetGoneError when offset < start or offset > end.
   */
  read(at: TopicPartition, offset: number, maxBytes: number, maxWaitMs: number): Promise<Fetched>
  /** Fences every earlier writer of this id, then reads what it committed. */
  writer(id: string): Promise<Writer>
  /** Reads what a writer id has committed, without fencing it: may be behind, for display only. */
  peek(id: string): Promise<{ readonly position: number; readonly metadata: string } | null>
}

/** Header of a task's stored state. */
export interface StateHeader {
  /** Random id of this incarnation of the store. */
  readonly incarnation: string
  /** Owner epoch: raised by every acquire. */
  readonly epoch: number
  /** R: the state is f(log[0, R)). */
  readonly position: number
  /** Digest and counters at R, as the task wrote them. */
  readonly metadata: string
}

/**
 * One entry: `kind` groups entries (an LMDB key prefix, a Redis hash), 1 to 200 characters without the character 0;
 * `key` is any bytes, 1 to 400.
 */
export interface StateKey {
  readonly kind: string
  readonly key: Uint8Array
}

export interface Put extends StateKey {
  readonly value: Uint8Array
}

/** Puts one by one, an array or another form of them (puts.ts); of one key the last counts. */
export type Puts = Iterable<Put> & { readonly length: number }

/**
 * A change of a task's state from one position to a later one: kinds are dropped first, then entries removed, then put,
 * so what a delta puts is there after it. Its arrays must not change until `apply` settles.
 */
export interface Delta {
  readonly from: number
  readonly to: number
  readonly metadata: string
  readonly puts: Puts
  readonly removes: readonly StateKey[]
  /** Removes every entry of the kind: how buckets of stream time are dropped. */
  readonly dropKinds: readonly string[]
}

/**
 * applied: it took effect. repeated: the state is at `to` already, nothing changed. fenced: somebody has acquired since:
 * stop. moved: the state is at another position, or is gone (header null): recover. Only `applied` changes anything.
 */
export type Applied =
  | { readonly result: 'applied' | 'repeated' }
  | { readonly result: 'fenced' | 'moved'; readonly header: StateHeader | null }

/** The stored state of one task, owned since `acquire`. */
export interface TaskState {
  /** As found by acquire; null when the task has no state yet (it begins at position 0 with the first apply). */
  readonly header: StateHeader | null
  /**
   * Values in the order of the keys, undefined where there is none, and the header, as one atomic picture. The values are
   * the caller's own. With no keys it is the probe of an idle task.
   */
  read(keys: readonly StateKey[]): Promise<{ header: StateHeader | null; values: (Uint8Array | undefined)[] }>
  /** Every entry of a kind, by ascending key bytes. `prefix`: only keys that start with it. */
  list(
    kind: string,
    prefix?: Uint8Array,
  ): Promise<{ header: StateHeader | null; entries: { key: Uint8Array; value: Uint8Array }[] }>
  /** Kinds that have entries. */
  kinds(): Promise<string[]>
  /**
   * Every entry of a kind, in pieces and in no order, some perhaps twice: for a state that stands still meanwhile, which
   * the caller sees to. It stops nobody else for long, however large the kind is.
   */
  scan(kind: string): AsyncIterable<readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]>
  /** Compare-and-set on (epoch, R). May be sent again after a time-out: then it answers 'repeated'. */
  apply(delta: Delta): Promise<Applied>
}

export interface State {
  /** Takes over the task's state: raises the epoch, so that an earlier owner's apply answers 'fenced'. */
  acquire(task: string): Promise<TaskState>
  /** Reads without owning, for display: header and entries of a kind, or those of the keys that are there. */
  peek(
    task: string,
    kind: string,
    keys?: readonly Uint8Array[],
  ): Promise<{ header: StateHeader | null; entries: { key: Uint8Array; value: Uint8Array }[] }>
  /** Forgets a task's state whole: how a rebuild from the log begins. Its owner's next apply answers 'moved'. */
  drop(task: string): Promise<void>
}

/** Who runs which tasks. Safety rests on the fence alone; the group only decides who tries. */
export interface Group {
  /** Joins with the tasks that there are; calls back on every change. Resolves after the first assignment. */
  join(
    tasks: readonly string[],
    on: { assigned(task: string): void; revoked(task: string): Promise<void> },
  ): Promise<Membership>
}

export interface Membership {
  /** Gives up every task and leaves. */
  leave(): Promise<void>
  /**
   * Whether the group says, in an answer later than this call, that the task is this member's. Waits while the group
   * cannot be asked; false once this member has left.
   */
  confirmed(task: string): Promise<boolean>
}

export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. Only tickers and intakes ask. */
  now(): number
}

export interface Backend {
  readonly name: string
  readonly log: Log
  readonly state: State
  readonly group: Group
  readonly clock: Clock
  /** How many changed entries make a delta worth its while in this store; a task's own figure when absent. */
  readonly deltaEntries?: number
  close(): Promise<void>
}
