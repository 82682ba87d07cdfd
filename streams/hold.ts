/**
 * hold: keeps records that wait for a person, and carries out resolutions (control records): release, reject. What is
 * released flows on as a batch of its own and joins the oldest open cycle; records that wait for it go the same way.
 */

import { drawn, Entries, type Against, type Referred } from './against.ts'
import { Batch, type Frame } from './batch.ts'
import { copyOf } from './bytes.ts'
import { identityHash } from './deduplicate.ts'
import { type Held, HeldStore, identityText } from './held.ts'
import type { Control, Emit, Item, OperatorSpec, TaskContext } from './operator.ts'
import type { SeenStore } from './seen.ts'
import type { Missing } from './store.ts'

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
  /** Rows whose time is further back than `withinMs` are compared with what is held. */
  readonly time: string
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

/** A released record with what its returns have drawn on it so far. */
type Released = Omit<Referred, 'returned'> & { returned: number }

/** Row types from here on are no events. */
const NO_EVENT = 200
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
      store.needs = (frame, from, to) => holder.missing(frame, from, to)
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

  /** What a resolution is about, or what rows that may have come too late are compared with. */
  missing(frame: Frame, from: number, to: number): Missing | null {
    const { spec, store, context } = this
    if (store.size === 0) return null
    const { control } = context.step()
    if (control?.type === spec.control) return this.neededBy(control.value as unknown as Resolution)
    const batch = new Batch(frame, new Int32Array(0), 0)
    const time = batch.number(spec.time)
    const { streamTime, recordTypes } = frame
    const ordinals: number[] = []
    for (let row = from; row < to; row++) {
      if (time[row] >= streamTime[row] - spec.withinMs || recordTypes[row] >= NO_EVENT) continue
      const texts = spec.identity.map((name) => textAt(batch, name, row))
      ordinals.push(...store.ordinalsOf(identityText(identityHash(texts, context.hashKey))))
    }
    return store.ask(ordinals)
  }

  /** The record, what waits for it, and, when it is a return itself, its original. */
  private neededBy({ producer, payerAccount, transactionId }: Resolution): Missing | null {
    const { store, context } = this
    const identity = identityText(identityHash([producer, payerAccount, transactionId], context.hashKey))
    return store.ask([...store.ordinalsOf(identity), ...store.ordinalsFor(identity)], () => {
      const held = store.find(identity)
      const original = held === null ? null : this.originalOf(context.reenter([held.event]))
      return original === null ? null : store.ask(store.ordinalsOf(identityText(original)))
    })
  }

  /** The identity that a held return refers to; null for a payment. */
  private originalOf(batch: Batch): Int32Array | null {
    const [producer, group] = this.spec.identity
    if (batch.code('kind')[0] === 0) return null
    const texts = [textAt(batch, producer, 0), textAt(batch, group, 0), textAt(batch, 'originalTransactionId', 0)]
    return identityHash(texts, this.context.hashKey)
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
      const event = copyOf(bytes, starts[row], ends[row])
      store.add({
        group: textAt(batch, spec.identity[1], row),
        identity: seen.identityOf(entry),
        refersTo: why === spec.waits ? seen.identityOf(seen.originalOfRow[row]) : '',
        content0: seen.contentOf(entry, 0),
        content1: seen.contentOf(entry, 1),
        heldAt: frame.streamTime[row],
        firstSeenAt: seen.firstSeenAt(entry),
        reasons,
        unchecked: why === spec.unchecked,
        originalCycleStart: cycleStart[row],
        drawn: 0,
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
    const held = store.find(identityText(identity))
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
    const told: HoldEvent[] = []
    this.finish(held, resolution, gone, told)
    if (action === 'RELEASE') this.drawOn(held)
    const waiting = store.waitingFor(held.identity)
    const original = waiting.length === 0 ? null : this.released(held)
    for (const one of waiting) {
      if (action === 'REJECT' || original === null) this.finish(one, resolution, gone, told)
      else this.follow(one, original, held, resolution, gone, told)
    }
    emit(
      'out',
      told.map((value) => ({ row: control.row, value })),
    )
    emit(action === 'RELEASE' ? 'released' : 'rejected', context.reenter(gone.map(({ event }) => event)))
  }

  /** Takes a record out of the hold, and says so in its entry. */
  private finish(held: Held, resolution: Resolution, gone: Held[], told: HoldEvent[]): void {
    const released = resolution.action === 'RELEASE'
    this.store.remove(held)
    gone.push(held)
    this.entries().setOutcome(this.entryOf(held), released ? APPROVED : DECLINED)
    told.push({
      ...said(released ? 'RELEASED' : 'REJECTED', held.event, held.originalCycleStart, held.reasons),
      ...saidBy(resolution),
      cycleStart: released ? this.context.closedThrough() : null,
    })
  }

  /** The entry of a held record while it is known; -1 afterwards, also when its identity was seen anew since. */
  private entryOf(held: Held): number {
    const seen = this.entries().store
    const entry = seen.findText(held.identity, this.context.streamTime())
    return entry >= 0 && seen.firstSeenAt(entry) === held.firstSeenAt ? entry : -1
  }

  /** A return that an operator releases counts in what was drawn on its original, while that is known. */
  private drawOn(back: Held): void {
    const { context, store } = this
    const batch = context.reenter([back.event])
    const identity = this.originalOf(batch)
    if (identity === null) return
    const entries = this.entries()
    const entry = entries.store.find(identity, 0, context.streamTime())
    if (entry < 0) return
    const amountMinor = batch.number('amountMinor')[0]
    entries.addReturned(entry, amountMinor)
    const original = store.find(identityText(identity))
    if (original?.firstSeenAt !== entries.store.firstSeenAt(entry)) return
    store.put({ ...original, drawn: drawn(original.drawn, amountMinor) })
  }

  /** A record that was just released, as its returns see it; its entry may be long forgotten. */
  private released(held: Held): Released {
    const batch = this.context.reenter([held.event])
    return {
      kind: batch.code('kind')[0],
      currencyCode: batch.code('currencyCode')[0],
      amountMinor: batch.number('amountMinor')[0],
      returned: held.drawn,
      outcome: APPROVED,
    }
  }

  /** A return whose payment was just released: by the table of returns. */
  private follow(
    waiting: Held,
    original: Released,
    held: Held,
    resolution: Resolution,
    gone: Held[],
    told: HoldEvent[],
  ): void {
    const { spec, store, context } = this
    const batch = context.reenter([waiting.event])
    const amountMinor = batch.number('amountMinor')[0]
    const verdict = spec.against.verdict(amountMinor, batch.code('currencyCode')[0], original)
    if ((verdict & 3) === APPROVED) {
      original.returned = drawn(original.returned, amountMinor)
      this.entries().addReturned(this.entryOf(held), amountMinor)
      return this.finish(waiting, resolution, gone, told)
    }
    const reasons = [spec.becauses[verdict >> 2]]
    store.put({ ...waiting, refersTo: '', reasons })
    told.push(said('HELD', waiting.event, waiting.originalCycleStart, reasons))
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
