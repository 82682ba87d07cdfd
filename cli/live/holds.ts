/** Held transactions: which are open, and what became of a release or a rejection. */

import type { HoldOutcome, Holds, Identity, OpenHold, OpenHolds } from '../../intake/http/ports.ts'
import type { HoldEventRecord, Kind, TransactionRecord } from '../../schemas/generated.ts'
import { records, topics } from '../../schemas/topics.ts'
import { HeldStore, type Held } from '../../streams/index.ts'
import type { LineView } from '../line-view.ts'
import { store } from '../sheet.ts'
import { codecOf, endsOf, Tail } from './tail.ts'
import type { Passing } from './troubles.ts'

/** Outcomes that are remembered for callers that ask again; beyond it the oldest are forgotten (the tables know them). */
const REMEMBERED = 10_000

/** A held transaction as it is listed. */
export interface ListedHold extends OpenHold {
  readonly kind: Kind
}

export interface LiveHoldsOptions {
  readonly engine: LineView
  /** Asks the tables for an earlier outcome; null when they do not know one. */
  readonly recorded: (resolutionId: string, identity: Identity) => Promise<HoldOutcome | null>
  readonly failed: (error: Error) => void
  readonly interrupted?: Passing
}

export class LiveHolds implements Holds {
  /** Changes with every event in the life of a held transaction. */
  version = 0
  private readonly options: LiveHoldsOptions
  private readonly outcomes = new Map<string, HoldOutcome>()
  private readonly waiting = new Map<string, Set<() => void>>()
  private tail: Tail<HoldEventRecord> | null = null

  constructor(options: LiveHoldsOptions) {
    this.options = options
  }

  /** Follows hold-events from now on. */
  async start(): Promise<void> {
    const { log } = this.options.engine.line.backend
    this.tail = new Tail<HoldEventRecord>({
      log,
      topic: topics.holdEvents.name,
      type: records.holdEvent,
      schemas: this.options.engine.line.schemas,
      from: await endsOf(log, topics.holdEvents.name),
      failed: this.options.failed,
      interrupted: this.options.interrupted,
      deliver: (event) => this.heard(event),
    })
  }

  async close(): Promise<void> {
    this.tail?.stop()
    await this.tail?.done
  }

  open(limit: number): Promise<OpenHolds> {
    return this.oldest(limit)
  }

  /** The oldest held transactions of all partitions, and how many there are. */
  async oldest(limit: number): Promise<{ readonly holds: readonly ListedHold[]; readonly total: number }> {
    const { tasks, line } = this.options.engine
    const stores = tasks.slice(0, -1).map((task) => ({ task, held: store(task, 'held', HeldStore) }))
    const total = stores.reduce((sum, { held }) => sum + held.size, 0)
    const ofTasks = stores.map(({ task, held }) =>
      held.oldest(limit, async (kind, keys) => (await line.backend.state.peek(task.name, kind, keys)).entries),
    )
    const held = (await Promise.all(ofTasks)).flat()
    const oldest = held.sort((a, b) => a.heldAt - b.heldAt).slice(0, limit)
    return { holds: oldest.map(listedOf), total }
  }

  async outcomeOf(resolutionId: string, identity: Identity, waitMs: number): Promise<HoldOutcome | null> {
    const key = keyOf(resolutionId, identity)
    if (!this.outcomes.has(key)) await this.heardOf(key, Math.min(waitMs, EARLIER_MS))
    // An id that was carried out before this start gives no event any more: the tables know it.
    const known = this.outcomes.get(key) ?? (await this.options.recorded(resolutionId, identity))
    if (known !== null) return known
    if (waitMs > EARLIER_MS) await this.heardOf(key, waitMs - EARLIER_MS)
    return this.outcomes.get(key) ?? null
  }

  private heardOf(key: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.waiting.get(key) ?? new Set()
      this.waiting.set(key, waiting)
      const done = (): void => {
        clearTimeout(timer)
        waiting.delete(done)
        if (waiting.size === 0) this.waiting.delete(key)
        resolve()
      }
      const timer = setTimeout(done, waitMs)
      waiting.add(done)
    })
  }

  private heard(event: HoldEventRecord): void {
    this.version++
    if (event.event === 'HELD') return
    const key = keyOf(event.resolutionId, event)
    this.outcomes.set(key, { event: event.event, cycleStart: event.cycleStart, why: event.why })
    if (this.outcomes.size > REMEMBERED) this.outcomes.delete(this.outcomes.keys().next().value as string)
    for (const done of this.waiting.get(key) ?? []) done()
  }
}

const codec = codecOf<TransactionRecord>(records.transaction)

function listedOf({ event, reasons, heldAt }: Held): ListedHold {
  const { producer, payerAccount, transactionId, kind, payerBank, payeeBank, amountMinor, currency, occurredAt } =
    codec.decode(event)
  return {
    producer,
    payerAccount,
    transactionId,
    kind,
    payerBank,
    payeeBank,
    amountMinor: String(amountMinor),
    currency,
    reasons,
    occurredAt,
    heldAt,
  }
}

/** A resolution takes effect within milliseconds; what has not come by then may be a repeated one. */
const EARLIER_MS = 500

const keyOf = (resolutionId: string, { producer, payerAccount, transactionId }: Identity): string =>
  JSON.stringify([resolutionId, producer, payerAccount, transactionId])
