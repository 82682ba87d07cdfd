/** A writer on the simulated broker: a commit is several requests, each of which can be late, lost or cut off with its connection. */
import type { Commit, Writer } from '../../streams/backend.ts'
import { placeBatches, splitBatches } from '../../streams/embedded/batches.ts'
import { assertCommit } from '../../streams/embedded/log.ts'
import { CodedError, FencedError } from '../../streams/errors.ts'
import { turn, turns, type Committed, type Ledger, type SimulatedBroker, type Transaction } from './broker.ts'

export class SimulatedWriter implements Writer {
  readonly id: string
  readonly committed: Committed | null
  readonly maxInFlight = 1
  proven: number
  readonly #broker: SimulatedBroker
  readonly #life: number
  readonly #epoch: number
  readonly #connections: number
  #position: number | null
  #broken = false
  #last: Promise<void> = Promise.resolve()

  constructor(broker: SimulatedBroker, id: string, life: number, epoch: number, committed: Committed | null) {
    this.#broker = broker
    this.id = id
    this.#life = life
    this.#epoch = epoch
    this.#connections = broker.connections
    this.committed = committed
    this.#position = committed?.position ?? null
    this.proven = committed?.position ?? 0
  }

  commit(commit: Commit): Promise<void> {
    const done = this.#last.then(() => this.#commit(commit))
    this.#last = done.catch(() => undefined)
    return done
  }

  async #commit(commit: Commit): Promise<void> {
    if (this.#broken) throw new CodedError('SLUICE_WRITER_BROKEN', `writer ${this.id}`)
    try {
      assertCommit(commit, this.#broker.options.rules.readsUnstable ? null : this.#position)
      await this.#send('before-append', commit.position)
      const ledger = this.#broker.ledger(this.id)
      await this.#completed(ledger)
      this.#assertOwner()
      const transaction = this.#produce(commit)
      await this.#send('in-transaction', commit.position)
      this.#sendPosition(transaction, commit)
      await this.#turn()
      await this.#end(commit)
      this.#position = commit.position
      // Senders wait: what is shown is a task that counts too early, not an input that is lost.
      const early = this.#broker.options.rules.provenAtOnce === true && !this.id.startsWith('sender-')
      if (early) this.proven = commit.position
      else await this.#completed(ledger)
    } catch (error) {
      this.#broken = true
      throw error
    }
  }

  /** A message on its way: late, lost, or cut off with its connection. */
  async #send(step: 'before-append' | 'in-transaction' | 'after-append', position: number): Promise<void> {
    const { world, options } = this.#broker
    for (let left = options.delay(); left > 0; left--) await this.#turn()
    await world.at(this.#life, step, this.id, position)
    this.#assertConnected()
  }

  /** CONCURRENT_TRANSACTIONS until the markers of the transaction before are written. */
  async #completed(ledger: Ledger): Promise<void> {
    while (ledger.transaction?.state === 'decided') await this.#turn()
  }

  async #turn(): Promise<void> {
    await turn()
    this.#assertConnected()
  }

  #assertConnected(): void {
    this.#broker.world.assertAlive(this.#life, this.id)
    if (this.#broker.connections === this.#connections) return
    throw new CodedError('SLUICE_BROKER_FAILED', `writer ${this.id}: the connection broke`)
  }

  #assertOwner(): void {
    if (this.#broker.ledger(this.id).epoch !== this.#epoch) throw new FencedError(`writer ${this.id}`)
  }

  #produce(commit: Commit): Transaction {
    const transaction = this.#begun()
    for (const { batches, ...at } of commit.appends) {
      const partition = this.#broker.partition(at)
      const entries = transaction.parts.get(partition) ?? []
      transaction.parts.set(partition, entries)
      for (const { bytes } of splitBatches(batches.slice(), 1)) {
        const { next } = placeBatches(bytes, partition.end, partition.end)
        entries.push({ base: partition.end, next, bytes, state: 'open', writer: this.id })
        partition.entries.push(entries.at(-1)!)
        partition.end = next
      }
    }
    return transaction
  }

  /** The first request of a transaction is accepted when the one before is complete, which proves that one. */
  #begun(): Transaction {
    const ledger = this.#broker.ledger(this.id)
    if (ledger.transaction?.state !== 'ongoing') {
      ledger.transaction = { parts: new Map(), committed: null, state: 'ongoing' }
    }
    this.proven = Math.max(this.proven, this.#position ?? 0)
    return ledger.transaction
  }

  #sendPosition(transaction: Transaction, { position, metadata }: Commit): void {
    this.#assertOwner()
    // A late EndTxn may have ended the transaction meanwhile: the old protocol then begins another, unasked.
    const open = transaction.state === 'ongoing' ? transaction : this.#begun()
    open.committed = { position, metadata }
  }

  async #end(commit: Commit): Promise<void> {
    const { options } = this.#broker
    this.#assertOwner()
    const { transaction } = this.#broker.ledger(this.id)
    try {
      // Decided when it arrives; the answer comes after it.
      void this.#broker.end(this.id)
      await this.#send('after-append', commit.position)
    } catch (error) {
      if (options.rules.endsAgain && error instanceof CodedError && error.code === 'SLUICE_STORE_UNREACHABLE') {
        void this.#lateEnd(transaction, false)
        return
      }
      throw error
    }
    // A copy that the network kept: the newest protocol gives every transaction its epoch, so it meets nothing.
    void this.#lateEnd(transaction, true)
  }

  async #lateEnd(transaction: Transaction | null, ownEpoch: boolean): Promise<void> {
    const ledger = this.#broker.ledger(this.id)
    await turns(1 + this.#broker.options.delay() * 3)
    // At the worst moment: the next transaction has its records, and not its position.
    for (let left = 200; !ownEpoch && left > 0 && ledger.transaction?.state !== 'ongoing'; left--) await turn()
    if (ledger.epoch === this.#epoch && (!ownEpoch || ledger.transaction === transaction)) {
      await this.#broker.end(this.id)
    }
  }

  async close(): Promise<void> {
    this.#broken = true
  }
}
