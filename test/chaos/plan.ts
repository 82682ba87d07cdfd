/** How much is done in a run, and what it must have done to count: the long form of PROTOCOL's table, and a short one. */
import type { Random } from '../../intake/random.ts'
import { points, type WorkerOrder } from './line.ts'
import type { Point } from './fleet.ts'
import { brokerFaults, redisFaults, type BrokerFault, type RedisFault } from './stores.ts'
import { tableFaults, type TableFault } from './tables.ts'

export interface Plan {
  readonly rounds: number
  /** Payments of a round; copies, returns, conflicts and bad records come on top. */
  readonly payments: number
  readonly workers: number
  /** Faults of one round. */
  readonly killsAnywhere: number
  readonly killsPerPoint: number
  readonly zombies: number
  /** A worker's clock steps by a day, ahead or back. */
  readonly clocks: number
  readonly redis: Readonly<Record<RedisFault, number>>
  readonly brokers: Readonly<Record<BrokerFault, number>>
  readonly tables: Readonly<Record<TableFault, number>>
  /** Network windows, and how long one lasts. */
  readonly windows: number
  readonly windowMs: readonly [least: number, most: number]
  readonly order: Pick<WorkerOrder, 'batchRows' | 'deltaEntries'>
  /** Without which the run proves too little. */
  readonly least: Readonly<
    Record<'kills' | 'perPoint' | 'zombies' | 'clocks' | 'redis' | 'brokers' | 'tables' | 'windows' | 'events', number>
  >
}

const order = { batchRows: 500, deltaEntries: 4_000 }

export const short: Plan = {
  rounds: 1,
  payments: 20_000,
  workers: 2,
  killsAnywhere: 2,
  killsPerPoint: 1,
  zombies: 2,
  clocks: 1,
  redis: { kill: 1, truncate: 1, empty: 1, restore: 1, silent: 1, full: 1, split: 1 },
  brokers: { kill: 1, full: 0 },
  tables: { server: 1, part: 1, sink: 1, twice: 1 },
  windows: 5,
  windowMs: [500, 4_000],
  order,
  least: { kills: 11, perPoint: 0, zombies: 2, clocks: 1, redis: 7, brokers: 1, tables: 4, windows: 5, events: 20_000 },
}

export const long: Plan = {
  rounds: 10,
  payments: 100_000,
  workers: 3,
  killsAnywhere: 12,
  killsPerPoint: 2,
  zombies: 5,
  clocks: 1,
  redis: { kill: 3, truncate: 3, empty: 1, restore: 1, silent: 2, full: 1, split: 1 },
  brokers: { kill: 2, full: 1 },
  tables: { server: 2, part: 1, sink: 2, twice: 1 },
  windows: 10,
  windowMs: [1_000, 10_000],
  order,
  least: {
    kills: 300,
    perPoint: 20,
    zombies: 50,
    clocks: 10,
    redis: 120,
    brokers: 30,
    tables: 60,
    windows: 100,
    events: 1_000_000,
  },
}

/** Tries in the last round beyond what is still missing. */
const SPARE = 3

/** The negative control beside either: a few kills, nothing else. */
export const control: Plan = {
  ...short,
  payments: 4_000,
  windows: 0,
}

export type WorkerFault =
  | { readonly what: 'anywhere' | 'zombie' | 'clock' }
  | { readonly what: 'point'; readonly point: Point | 'between' }
export type ServiceFault = { readonly redis: RedisFault } | { readonly broker: number; readonly fault: BrokerFault }

/**
 * The faults of one round in an order of their own, drawn from the seed. A worker is not always caught at its point:
 * `killsAt` says how often each was, and what is behind the plan is made up for in the rounds that are left.
 */
export function schedule(
  plan: Plan,
  random: Random,
  round: number,
  killsAt: ReadonlyMap<string, number>,
): { workers: WorkerFault[]; services: ServiceFault[]; tables: TableFault[] } {
  const atPoint = (point: Point): number => {
    const [behind, left] = [plan.least.perPoint - (killsAt.get(point) ?? 0), plan.rounds - round]
    // Nothing can be made up for after the last round.
    const more = left === 1 && behind > 0 ? SPARE : 0
    return Math.max(plan.killsPerPoint, Math.ceil(behind / left)) + more
  }
  const workers: WorkerFault[] = [
    ...times(plan.killsAnywhere, () => ({ what: 'anywhere' as const })),
    ...times(plan.zombies, () => ({ what: 'zombie' as const })),
    ...times(plan.clocks, () => ({ what: 'clock' as const })),
    ...points.flatMap((point) => times(atPoint(point), () => ({ what: 'point' as const, point }))),
  ]
  const services: ServiceFault[] = [
    ...redisFaults.flatMap((redis) => times(plan.redis[redis], () => ({ redis }))),
    ...brokerFaults.flatMap((fault, kind) =>
      times(plan.brokers[fault], (index) => ({ broker: (round * plan.brokers[fault] + index + kind) % 3, fault })),
    ),
  ]
  const tables = tableFaults.flatMap((fault) => times(plan.tables[fault], () => fault))
  return {
    workers: shuffled(workers, random),
    services: shuffled(services, random),
    tables: shuffled(tables, random),
  }
}

const times = <T>(count: number, each: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => each(index))

function shuffled<T>(list: T[], random: Random): T[] {
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    ;[list[at], list[other]] = [list[other], list[at]]
  }
  return list
}
