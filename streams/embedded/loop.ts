/**
 * The one commit loop of the embedded store: everything that is ready becomes one LMDB transaction, at once when idle,
 * else when the last one is durable.
 *
 * L1  One transaction at a time. An operation is staged against the staged picture of all before it: staging in this
 *     loop is the critical section of every compare-and-set and of every fence.
 * L2  Each operation is in a transaction whole or not at all: it may throw before its first write only.
 * L3  Nobody is answered before the transaction is durable: the environment runs without overlapping sync, so that the
 *     promise of a batch resolves after LMDB has synced data and meta page (read in lmdb's src/writer.cpp and mdb.c).
 * L4  All writes of a transaction are queued in one synchronous batch, and no synchronous transaction ever runs beside
 *     (it would make lmdb's write thread commit in the middle of a batch).
 * L5  Room on disk is made before a transaction (room.ts); without it the transaction's operations are refused.
 * L6  After a failed transaction nothing is written any more: every operation is refused until the store is opened again.
 */
import type { Database, RootDatabase } from 'lmdb'
import { CodedError, codedStoreError } from '../errors.ts'
import type { ResidentMap } from './resident.ts'
import type { Room } from './room.ts'

/** A prefix, and bytes from .. to - 1 of an array: a key that need not be concatenated just to be written. */
export type PrefixedKey = [prefix: Uint8Array, bytes: Uint8Array, from: number, to: number]
/** Key of an entry. */
export type StoreKey = Uint8Array | PrefixedKey
export type Root = RootDatabase<Uint8Array, StoreKey>
export type Store = Database<Uint8Array, StoreKey>

/** What an operation writes with. Values must stay unchanged until the operation is answered. */
export interface Writes {
  put(store: Store, key: StoreKey, value: Uint8Array): void
  remove(store: Store, key: StoreKey): void
}

export interface Operation<T> {
  /** Two operations of one group never share a transaction: the later one reads what the earlier one wrote. */
  readonly group?: string
  /** About how many bytes it writes: bounds what shares a transaction. */
  readonly bytes: number
  /** Pages for its new entries (pagesFor), 0 for a few small ones; entries that it touches, Infinity when not known. */
  readonly pages?: number
  readonly touched?: number
  /** Validates, then writes. Throws only before its first write. Returns what to do when all of it is durable. */
  stage(writes: Writes): () => T
  /** Called when it is refused before it was written, before anything behind it is staged. */
  refused?(): void
}

interface Queued {
  readonly operation: Operation<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Bytes of one transaction: a transaction that one operation fills is allowed, but others then wait for the next, so that
 * a small commit is not held up by hundreds of megabytes of others' records, and LMDB's dirty list (512 MB) is never full.
 */
const TRANSACTION_BYTES = 64 << 20

/** Of LMDB. */
const PAGE = 4096

export class CommitLoop {
  readonly #root: Root
  readonly #file: string
  readonly #room: Room
  readonly #resident: ResidentMap
  #queue: Queued[] = []
  #running: Promise<void> | null = null
  #failure: CodedError | null = null
  #closed = false
  #transactions = 0

  /** @param file the environment's data file, for messages. */
  constructor(root: Root, file: string, room: Room, resident: ResidentMap) {
    this.#resident = resident
    this.#root = root
    this.#file = file
    this.#room = room
  }

  /** Tells how many bytes a reader has read through the map. */
  readBytes(bytes: number): void {
    this.#resident.touched(bytes)
  }

  /** Durable transactions so far. */
  get transactions(): number {
    return this.#transactions
  }

  get failure(): CodedError | null {
    return this.#failure
  }

  submit<T>(operation: Operation<T>): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (this.#closed) return Promise.reject(new CodedError('SLUICE_CLOSED', this.#file))
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#queue.push({ operation, resolve, reject })
    })
    this.#running ??= this.#run()
    return answer as Promise<T>
  }

  /** Writes what was submitted, then refuses everything. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    // Everything that is submitted in the same turn goes into the same transaction.
    await Promise.resolve()
    while (this.#queue.length > 0) await this.#transact()
    this.#running = null
  }

  async #transact(): Promise<void> {
    const chosen = this.#choose()
    if (!(await this.#reserve(chosen))) return
    const staged: { queued: Queued; done: () => unknown }[] = []
    let writes = 0
    const tools: Writes = {
      put: (store, key, value) => {
        writes++
        void store.put(key, value)
      },
      remove: (store, key) => {
        writes++
        void store.remove(key)
      },
    }
    try {
      await this.#root.batch(() => {
        for (const queued of chosen) {
          const before = writes
          try {
            staged.push({ queued, done: queued.operation.stage(tools) })
          } catch (error) {
            queued.operation.refused?.()
            queued.reject(error)
            if (writes !== before) this.#fail(new CodedError('SLUICE_STORE_FAILED', 'half staged', { cause: error }))
          }
        }
      })
      this.#transactions++
      this.#resident.touched(
        chosen.reduce((sum, { operation }) => sum + operation.bytes + (operation.touched ?? 1) * PAGE, 0),
      )
    } catch (error) {
      this.#fail(codedStoreError(await causeOf(error), this.#file))
    }
    for (const { queued, done } of staged) {
      if (this.#failure !== null) queued.reject(this.#failure)
      else {
        try {
          queued.resolve(done())
        } catch (error) {
          queued.reject(error)
        }
      }
    }
    if (this.#failure !== null) for (const queued of this.#queue.splice(0)) queued.reject(this.#failure)
  }

  #choose(): Queued[] {
    const chosen: Queued[] = []
    const left: Queued[] = []
    const groups = new Set<string>()
    let bytes = 0
    let full = false
    for (const queued of this.#queue) {
      const { group } = queued.operation
      // What does not fit closes the transaction for everything behind it: a writer's commits keep their order.
      full ||= bytes > 0 && bytes + queued.operation.bytes > TRANSACTION_BYTES
      if (full || (group !== undefined && groups.has(group))) left.push(queued)
      else {
        chosen.push(queued)
        bytes += queued.operation.bytes
      }
      if (group !== undefined) groups.add(group)
    }
    this.#queue = left
    return chosen
  }

  /** Makes room for the operations, or refuses them all. */
  async #reserve(chosen: readonly Queued[]): Promise<boolean> {
    try {
      const pages = chosen.reduce((sum, { operation }) => sum + (operation.pages ?? 0), 0)
      const touched = chosen.reduce((sum, { operation }) => sum + (operation.touched ?? 0), chosen.length)
      await this.#room.reserve(pages, touched)
      return true
    } catch (error) {
      for (const { operation, reject } of chosen) {
        operation.refused?.()
        reject(error)
      }
      return false
    }
  }

  #fail(error: CodedError): void {
    this.#failure ??= error
  }
}

/** lmdb rejects with an error whose `commitError` is a promise that rejects with the cause. */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> }
  if (commitError === undefined) return error
  try {
    await commitError
    return error
  } catch (cause) {
    return cause
  }
}
