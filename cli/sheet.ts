/** The balance sheet: what came in, what became of it, and whether it balances. */

import type { AsOf, BalanceView } from '../dashboard/snapshot.ts'
import { readImports, readPosition } from '../intake/files/imports.ts'
import { importWriter } from '../intake/files/import.ts'
import { currencyCodes } from '../schemas/currencies.ts'
import { runDigest, CycleMerger, HeldStore, type TallyGroup, TallyStore, TotalsStore } from '../streams/index.ts'
import type { LineView, TaskView } from './line-view.ts'

export type Payments = BalanceView['payments']

export interface Sheet {
  /** Which point it is of, where that is not this instant: of a line whose tasks run in workers. */
  readonly asOf: AsOf | null
  readonly payments: Payments
  readonly currencies: Readonly<Record<string, { grossMinor: string; netMinor: string; instructions: number }>>
  readonly balanced: boolean
  readonly digest: string
  readonly eventsPerSecond: number
  /** Value of what is held, minor units, and stream time when the oldest was held. */
  readonly heldMinor: Readonly<Record<string, string>>
  readonly oldestHeldAt: number | null
  /** What does not balance, in words; empty when it does. */
  readonly faults: readonly string[]
}

const FRESH = 0
const DUPLICATE = 1
const CONFLICTING = 2
const HELD = 1
const DECLINED = 2

/** Reads the counters of all tasks. Exact when they have caught up. */
export async function sheetOf(engine: LineView, seconds: number): Promise<Sheet> {
  const sources = engine.tasks.slice(0, -1)
  const settlementTask = engine.tasks[engine.tasks.length - 1]
  const settled = store(settlementTask, 'settled', TotalsStore)
  const merge = store(settlementTask, 'merge', CycleMerger)
  const faults: string[] = []
  const heldMinor: Record<string, bigint> = {}
  const sums = {
    received: 0,
    fresh: 0,
    duplicate: 0,
    conflicting: 0,
    late: 0,
    held: 0,
    declined: 0,
    dead: 0,
    settled: 0,
    pending: 0,
  }
  let oldestHeldAt: number | null = null
  for (const task of sources) {
    const { partition } = task.options.at
    const received = store(task, 'received', TallyStore).groups()
    const decided = store(task, 'decided', TallyStore).groups()
    const released = store(task, 'released', TallyStore).groups()
    const rejected = store(task, 'rejected', TallyStore).groups()
    const open = openOf(task, merge, partition)
    const dead = written(task, 'dead-letters')
    const onTheWay = written(task, 'cycle-partials') > merge.merged(partition)
    const outcomes = count(received, () => true)
    if (task.processor.received !== outcomes + dead) {
      faults.push(
        `partition ${partition}: received ${task.processor.received}, but ${outcomes} transactions and ${dead} dead letters`,
      )
    }
    sums.received += task.processor.received
    sums.dead += dead
    sums.late += count(store(task, 'late', TallyStore).groups(), ([late]) => late === 1)
    const settledOf = (currency: string): number => Number(settled.sum(`${partition} ${currency}`, 'count'))
    // Settled without having been received would be the worst of all.
    const known = currencyCodes.flatMap((currency, code) => (settledOf(currency) > 0 ? [code] : []))
    for (const code of new Set([...received.map(({ codes }) => codes[1]), ...known])) {
      const currency = currencyCodes[code]
      const of = (groups: readonly TallyGroup[], first: number): number =>
        count(groups, (c) => c[0] === first && c[1] === code)
      const gone = (groups: readonly TallyGroup[]): number => count(groups, (c) => c[0] === code)
      const accepted = of(received, FRESH)
      const held = of(decided, HELD) - gone(released) - gone(rejected)
      const declined = of(decided, DECLINED) + gone(rejected)
      const settledHere = settledOf(currency)
      const settledOrOpen = settledHere + (open.get(currency) ?? 0)
      // A partial between two tasks is in neither: then, and only then, what is missing is pending.
      const pending =
        (open.get(currency) ?? 0) + (onTheWay ? Math.max(0, accepted - held - declined - settledOrOpen) : 0)
      if (accepted !== settledHere + pending + held + declined) {
        faults.push(
          `partition ${partition}, ${currency}: accepted ${accepted}, but settled ${settledHere} + pending ${pending} + held ${held} + declined ${declined}`,
        )
      }
      sums.fresh += accepted
      sums.duplicate += of(received, DUPLICATE)
      sums.conflicting += of(received, CONFLICTING)
      sums.held += held
      sums.declined += declined
      sums.settled += settledHere
      sums.pending += pending
      const value =
        amount(decided, (c) => c[0] === HELD && c[1] === code) - goneSum(released, code) - goneSum(rejected, code)
      if (held > 0) heldMinor[currency] = (heldMinor[currency] ?? 0n) + value
    }
    for (const { heldAt } of store(task, 'held', HeldStore).longest(1))
      oldestHeldAt = Math.min(oldestHeldAt ?? heldAt, heldAt)
  }
  // Before anything is waited for: a mirror may show another picture afterwards.
  const [asOf, digest] = [engine.asOf, digestOf(engine.tasks)]
  const skipped = await skippedOf(engine)
  const currencies = currenciesOf(settled, faults)
  const received = sums.received + skipped
  if (received !== sums.fresh + sums.duplicate + sums.conflicting + sums.dead + skipped) {
    faults.push(`received ${received} is not accepted + duplicate + conflicting + dead letters + skipped`)
  }
  return {
    asOf,
    payments: {
      received,
      accepted: sums.fresh,
      duplicate: sums.duplicate,
      conflicting: sums.conflicting,
      late: sums.late,
      held: sums.held,
      declined: sums.declined,
      deadLetters: sums.dead,
      skipped,
      settled: sums.settled,
      pending: sums.pending,
    },
    currencies,
    balanced: faults.length === 0,
    digest,
    eventsPerSecond: seconds > 0 ? Math.round(received / seconds) : 0,
    heldMinor: Object.fromEntries(Object.entries(heldMinor).map(([currency, value]) => [currency, value.toString()])),
    oldestHeldAt,
    faults,
  }
}

export const digestOf = (tasks: readonly TaskView[]): string =>
  runDigest(
    tasks.flatMap((task) =>
      task.processor.graph.outputs.map(({ destination, digest }) => ({
        task: destination.task,
        topic: destination.topic,
        digest: digest.toString(),
      })),
    ),
  )

function currenciesOf(settled: TotalsStore, faults: string[]): Sheet['currencies'] {
  const currencies: Record<string, { grossMinor: string; netMinor: string; instructions: number }> = {}
  for (const currency of settled.keys().filter((key) => !key.includes(' '))) {
    const sum = (field: string): bigint => settled.sum(currency, field)
    if (sum('pay') !== sum('receive'))
      faults.push(`${currency}: members pay ${sum('pay')} and receive ${sum('receive')}`)
    currencies[currency] = {
      grossMinor: sum('gross').toString(),
      netMinor: sum('net').toString(),
      instructions: Number(sum('instructions')),
    }
  }
  return currencies
}

/** Transactions of a partition in cycles that are not settled, by currency: accumulating, or waiting for other sources. */
function openOf(task: TaskView, merge: CycleMerger, partition: number): Map<string, number> {
  const open = new Map<string, number>()
  const add = (currency: string, some: number): unknown => open.set(currency, (open.get(currency) ?? 0) + some)
  for (const { obligations } of accumulating(task))
    for (const { currency, count: some } of obligations) add(currency, some)
  for (const source of merge.waiting()) if (source.task === partition) add(source.currency, Number(source.count))
  return open
}

/** Records that a task has written into a topic. */
const written = (task: TaskView, topic: string): number =>
  task.processor.graph.outputs.find(({ destination }) => destination.topic === topic)?.seq ?? 0

/** Open cycles of a source task. */
export const accumulating = (task: TaskView): ReturnType<Accumulating['open']> =>
  (task.processor.stores.get('cycles') as unknown as Accumulating).open()

interface Accumulating {
  open(): {
    cycleStart: number
    obligations: readonly { payerBank: string; payeeBank: string; currency: string; count: number; amount: bigint }[]
  }[]
}

/** A store of a task by its name in the topology. */
export function store<T>(task: TaskView, name: string, type: abstract new (...args: never[]) => T): T {
  const found = task.processor.stores.get(name)
  if (!(found instanceof type)) throw new Error(`${task.name} keeps no '${name}'`)
  return found
}

const count = (groups: readonly TallyGroup[], which: (codes: readonly number[]) => boolean): number =>
  groups.reduce((sum, group) => (which(group.codes) ? sum + group.count : sum), 0)
const amount = (groups: readonly TallyGroup[], which: (codes: readonly number[]) => boolean): bigint =>
  groups.reduce((sum, group) => (which(group.codes) ? sum + group.sum : sum), 0n)
const goneSum = (groups: readonly TallyGroup[], code: number): bigint => amount(groups, ([c]) => c === code)

/** Rows that mappings left out, of finished imports and of the one under way. */
async function skippedOf({ line }: LineView): Promise<number> {
  const { log } = line.backend
  const imports = await readImports(log)
  const finished = imports.filter(({ state }) => state === 'FINISHED')
  let skipped = finished.reduce((sum, one) => sum + one.skipped.reduce((n, reason) => n + reason.count, 0), 0)
  if (imports.at(-1)?.state === 'BEGUN') {
    const committed = await log.peek(importWriter)
    const position = committed === null || committed.metadata === '' ? null : readPosition(committed.metadata)
    if (position !== null && position.identity === imports.at(-1)?.identity) {
      for (const some of Object.values(position.skipped)) skipped += some
    }
  }
  return skipped
}
