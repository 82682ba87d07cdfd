/** Payments and money by what became of them, read from the counters that the tasks keep for the balance sheet. */

import { currencyCodes } from '../../schemas/currencies.ts'
import {
  HeldStore,
  noveltyCodes,
  TallyStore,
  TotalsStore,
  type Processor,
  type TallyGroup,
} from '../../streams/index.ts'
import type { Instruments } from './instruments.ts'

const outcomes = ['approve', 'hold', 'decline'] as const
const HOLD = 1

/** A task as far as it is read here; a Task fits. */
interface CountingTask {
  readonly name: string
  readonly processor: Processor
}

export class Business {
  private readonly instruments: Instruments

  constructor(instruments: Instruments) {
    this.instruments = instruments
  }

  /** Sets the metrics of business from the tasks that run here now. */
  sample(tasks: readonly CountingTask[]): void {
    const { instruments } = this
    const cleared = ['sluice_payments_held', 'sluice_amount_held_minor', 'sluice_held_oldest_seconds'] as const
    const counters = [
      'sluice_payments_received_total',
      'sluice_payments_decided_total',
      'sluice_amount_decided_minor_total',
      'sluice_payments_settled_total',
      'sluice_amount_settled_minor_total',
    ] as const
    for (const name of [...cleared, ...counters]) instruments.clear(name)
    for (const task of tasks) {
      const stores = task.processor.stores
      const received = stores.get('received')
      const decided = stores.get('decided')
      const settled = stores.get('settled')
      if (received instanceof TallyStore) this.received(task.name, received.groups())
      if (decided instanceof TallyStore) this.decided(task, decided.groups())
      if (settled instanceof TotalsStore) this.settled(settled)
    }
  }

  private received(task: string, groups: readonly TallyGroup[]): void {
    const counter = this.instruments.counter('sluice_payments_received_total')
    for (const { codes, count } of groups)
      counter.inc({ task, novelty: noveltyCodes[codes[0]], currency: currencyCodes[codes[1]] }, count)
  }

  private decided({ name: task, processor }: CountingTask, groups: readonly TallyGroup[]): void {
    const { instruments } = this
    for (const { codes, count, sum } of groups) {
      const labels = { task, outcome: outcomes[codes[0]], currency: currencyCodes[codes[1]] }
      instruments.counter('sluice_payments_decided_total').inc(labels, count)
      instruments.counter('sluice_amount_decided_minor_total').inc(labels, Number(sum))
    }
    const resolved = ['released', 'rejected'].flatMap((name) => {
      const store = processor.stores.get(name)
      return store instanceof TallyStore ? store.groups() : []
    })
    for (const { codes, count, sum } of groups.filter((group) => group.codes[0] === HOLD)) {
      const gone = resolved.filter((group) => group.codes[0] === codes[1])
      const labels = { task, currency: currencyCodes[codes[1]] }
      const left = gone.reduce((n, group) => n - group.count, count)
      instruments.gauge('sluice_payments_held').set(labels, left)
      instruments.gauge('sluice_amount_held_minor').set(labels, Number(gone.reduce((n, group) => n - group.sum, sum)))
    }
    const held = processor.stores.get('held')
    const heldAt = held instanceof HeldStore ? (held.longest(1).at(0)?.heldAt ?? null) : null
    const now = processor.clock()?.streamTime ?? 0
    instruments
      .gauge('sluice_held_oldest_seconds')
      .set({ task }, heldAt === null ? 0 : Math.max(0, now - heldAt) / 1000)
  }

  private settled(store: TotalsStore): void {
    const { instruments } = this
    // Keys with a blank are the shares of source tasks.
    for (const currency of store.keys().filter((key) => !key.includes(' '))) {
      const sum = (field: string): number => Number(store.sum(currency, field))
      instruments.counter('sluice_payments_settled_total').inc({ currency }, sum('count'))
      instruments.counter('sluice_amount_settled_minor_total').inc({ currency, what: 'gross' }, sum('gross'))
      instruments.counter('sluice_amount_settled_minor_total').inc({ currency, what: 'net' }, sum('net'))
    }
  }
}
