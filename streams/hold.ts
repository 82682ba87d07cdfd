/**
 * hold: keeps records that wait for a person, and carries out resolutions (control records): release, reject. What is
 * released flows on as a batch of its own and joins the oldest open cycle; records that wait for it go the same way.
 */

import { Entries, type Against } from './against.ts'
import type { Batch } from './batch.ts'
import { identityHash } from './deduplicate.ts'
import { type Held, HeldStore, identityText } from './held.ts'
import type { Control, Emit, Item, OperatorSpec, TaskContext } from './operator.ts'
import type { SeenStore } from './seen.ts'

export interface Hold {
  /** Text columns of the identity; the second is the group. */
  readonly identity: readonly [string, string, string]
  /** Why a row is held, by its codes. */
  readonly reasons: (because: number, fired: number, ruleVersion: number, context: TaskContext) => readonly string[]
  /** Reason of a record that waits for the one that it refers to, and of one that cannot be checked for copies. */
  readonly waits: string
  readonly unchecked: string
  /** Names of `because`. */
  readonly becauses: readonly string[]
  readonly control: string
  readonly withinMs: number
  readonly against: Against
}

/** What a resolution says. */
interface Resolution {
  readonly resolutionId: string
  readonly action: 'RELEASE' | 'REJECT'
  readonly producer: string
  readonly payerAccount: string
  readonly transactionId: string
  readonly by: string
  readonly why: string
  readonly notSettledElsewhere: boolean
}

/** An event in the life of a held record; `event` is its canonical Avro bytes, null when refused. */
export interface HoldEvent {
  readonly event: 'HELD' | 'RELEASED' | 'REJECTED' | 'REFUSED'
  readonly resolutionId: string
  readonly by: string
  readonly why: string
  readonly reasons: readonly string[]
  readonly notSettledElsewhere: boolean
  readonly identity: readonly [string, string, string] | null
  readonly originalCycleStart: number | null
  readonly cycleStart: number | null
  readonly record: Uint8Array | null
}

const APPROVED = 0
const DECLINED = 2

/** Ports: out (events, items), released and rejected (batches). */
export function hold(name: string, spec: Hold): OperatorSpec {
  return {
    word: 'hold',
    name,
    needs: [...spec.identity, 'because', 'fired', 'ruleVersion', 'cycleStart', 'event'],
    adds: [],
    stores: [name],
    uses: [spec.against.store],
    ports: ['out', 'released', 'rejected'],
    emits: 'items',
    create(context) {
      const store = new HeldStore(name, spec.withinMs)
      context.stores.set(name, store)
      const holder = new Holder(spec, store, context)
      return {
        process: (input, emit) => emit('out', holder.keep(input as Batch)),
        control(control, emit) {
          if (control.type === spec.control) holder.resolve(control, emit)
        },
      }
    },
  }
}

class Holder {
  private readonly spec: Hold
  private readonly store: HeldStore
  private readonly context: TaskContext

  constructor(spec: Hold, store: HeldStore, context: TaskContext) {
    this.spec = spec
    this.store = store
    this.context = context
  }

  private entries(): Entries {
    return new Entries(this.context.stores.get(this.spec.against.store) as SeenStore)
  }

  keep(batch: Batch): Item<HoldEvent>[] {
    const { spec, store, context } = this
    const { selection, count, frame } = batch
    if (count === 0) return []
    const seen = context.stores.get(spec.against.store) as SeenStore
    const because = batch.code('because')
    const fired = batch.number('fired')
    const version = batch.code('ruleVersion')
    const cycleStart = batch.number('cycleStart')
    const { bytes, starts, ends } = batch.raw('event')
    const items: Item<HoldEvent>[] = []
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      const entry = seen.entryOfRow[row]
      const why = spec.becauses[because[row]]
      const reasons = spec.reasons(because[row], fired[row], version[row], context)
      const event = bytes.slice(starts[row], ends[row])
      store.add({
        group: textAt(batch, spec.identity[1], row),
        identity: seen.identityOf(entry),
        refersTo: why === spec.waits ? seen.identityOf(seen.originalOfRow[row]) : '',
        content0: seen.contentOf(entry, 0),
        content1: seen.contentOf(entry, 1),
        heldAt: frame.streamTime[row],
        reasons,
        unchecked: why === spec.unchecked,
        originalCycleStart: cycleStart[row],
        event,
      })
      items.push({ row, value: said('HELD', event, cycleStart[row], reasons) })
    }
    return items
  }

  resolve(control: Control, emit: Emit): void {
    const resolution = control.value as unknown as Resolution
    const { store, context } = this
    const now = context.streamTime()
    if (store.repeated(resolution.resolutionId, now)) return
    const { producer, payerAccount, transactionId, action } = resolution
    const identity = identityHash([producer, payerAccount, transactionId], context.hashKey)
    const held = store.find(payerAccount, identityText(identity))
    const refused = (why: string): void =>
      emit('out', [
        {
          row: control.row,
          value: {
            ...said('REFUSED', null, null, held?.reasons ?? []),
            ...saidBy(resolution),
            why,
            identity: [producer, payerAccount, transactionId],
          },
        },
      ])
    if (held === null) return refused('Nothing is held under this identity.')
    if (action === 'RELEASE' && held.unchecked && !resolution.notSettledElsewhere) {
      return refused('It came too late to be checked for copies: say that it was not settled elsewhere.')
    }
    const gone: Held[] = []
    const stayed: Item<HoldEvent>[] = []
    this.finish(held, resolution, gone)
    for (const waiting of store.waitingFor(held.group, held.identity)) {
      if (action === 'REJECT') this.finish(waiting, resolution, gone)
      else this.follow(waiting, resolution, gone, stayed, control.row)
    }
    this.emitGone(gone, resolution, control.row, emit, stayed)
  }

  /** Takes a record out of the hold, and says so in its entry. */
  private finish(held: Held, { action }: Resolution, gone: Held[]): void {
    const entries = this.entries()
    this.store.remove(held)
    gone.push(held)
    entries.setOutcome(
      entries.store.findText(held.identity, this.context.streamTime()),
      action === 'RELEASE' ? APPROVED : DECLINED,
    )
    if (action === 'RELEASE') this.drawOn(held)
  }

  /** A released return counts in what was returned of its original. */
  private drawOn(held: Held): void {
    const batch = this.context.reenter([held.event])
    const original = this.originalOf(batch)
    if (original >= 0) this.entries().addReturned(original, batch.number('amountMinor')[0])
  }

  private originalOf(batch: Batch): number {
    const { spec, context } = this
    if (batch.code('kind')[0] === 0) return -1
    const [producer, group] = spec.identity
    const texts = [textAt(batch, producer, 0), textAt(batch, group, 0), textAt(batch, 'originalTransactionId', 0)]
    return this.entries().store.find(identityHash(texts, context.hashKey), 0, context.streamTime())
  }

  /** A return whose payment was just released: by the table of returns. */
  private follow(waiting: Held, resolution: Resolution, gone: Held[], stayed: Item<HoldEvent>[], row: number): void {
    const { spec, store, context } = this
    const batch = context.reenter([waiting.event])
    const original = this.entries().referred(this.originalOf(batch))
    const verdict = spec.against.verdict(batch.number('amountMinor')[0], batch.code('currencyCode')[0], original)
    if ((verdict & 3) === APPROVED) return this.finish(waiting, resolution, gone)
    const reasons = [spec.becauses[verdict >> 2]]
    store.put({ ...waiting, refersTo: '', reasons })
    stayed.push({ row, value: said('HELD', waiting.event, waiting.originalCycleStart, reasons) })
  }

  private emitGone(gone: Held[], resolution: Resolution, row: number, emit: Emit, stayed: Item<HoldEvent>[]): void {
    const released = resolution.action === 'RELEASE'
    const batch = this.context.reenter(gone.map((held) => held.event))
    const cycleStart = released ? this.context.closedThrough() : null
    const items = gone.map((held) => ({
      row,
      value: {
        ...said(released ? 'RELEASED' : 'REJECTED', held.event, held.originalCycleStart, held.reasons),
        ...saidBy(resolution),
        cycleStart,
      },
    }))
    emit('out', [...items, ...stayed])
    emit(released ? 'released' : 'rejected', batch)
  }
}

function said(
  event: HoldEvent['event'],
  record: Uint8Array | null,
  originalCycleStart: number | null,
  reasons: readonly string[],
): HoldEvent {
  return {
    event,
    resolutionId: '',
    by: '',
    why: '',
    reasons,
    notSettledElsewhere: false,
    identity: null,
    originalCycleStart,
    cycleStart: null,
    record,
  }
}

const saidBy = ({ resolutionId, by, why, notSettledElsewhere }: Resolution) => ({
  resolutionId,
  by,
  why,
  notSettledElsewhere,
})

/** A text of a row as a string. */
export function textAt(batch: Batch, name: string, row: number): string {
  const { bytes, offsets, lengths } = batch.text(name)
  if (lengths[row] < 0) return ''
  return new TextDecoder().decode(bytes.subarray(offsets[row], offsets[row] + lengths[row]))
}
