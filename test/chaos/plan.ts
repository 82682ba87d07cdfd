/** How much is done in a run, and what it must have done to count: the long form of PROTOCOL's table, and a short one. */
import type { Random } from '../../intake/random.ts'
import { points, type WorkerOrder } from './line.ts'
import type { Point } from './fleet.ts'
import { redisFaults, type RedisFault } from './stores.ts'

export interface Plan {
  readonly rounds: number
  /** Payments of a round; copies, returns, conflicts and bad records come on top. */
  readonly payments: number
  readonly workers: number
  /** Faults of one round. */
  readonly killsAnywhere: number
  readonly killsPerPoint: number
  readonly zombies: number
  readonly redis: Readonly<Record<RedisFault, number>>
  readonly brokers: number
  /** Network windows, and how long one lasts. */
  readonly windows: number
  readonly windowMs: readonly [least: number, most: number]
  readonly order: Pick<WorkerOrder, 'batchRows' | 'deltaEntries'>
  /** Without which the run proves too little. */
  readonly least: Readonly<
    Record<'kills' | 'perPoint' | 'zombies' | 'redis' | 'brokers' | 'windows' | 'events', number>
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
  redis: { kill: 1, truncate: 1, empty: 1, restore: 1 },
  brokers: 1,
  windows: 5,
  windowMs: [500, 4_000],
  order,
  least: { kills: 11, perPoint: 0, zombies: 2, redis: 4, brokers: 1, windows: 5, events: 20_000 },
}

export const long: Plan = {
  rounds: 10,
  payments: 100_000,
  workers: 3,
  killsAnywhere: 12,
  killsPerPoint: 2,
  zombies: 5,
  redis: { kill: 3, truncate: 3, empty: 1, restore: 1 },
  brokers: 2,
  windows: 10,
  windowMs: [1_000, 10_000],
  order,
  least: { kills: 300, perPoint: 20, zombies: 50, redis: 80, brokers: 20, windows: 100, events: 1_000_000 },
}

/** The negative control beside either: a few kills, nothing else. */
export const control: Plan = {
  ...short,
  payments: 4_000,
  redis: { kill: 0, truncate: 0, empty: 0, restore: 0 },
  brokers: 0,
  windows: 0,
}

export type WorkerFault =
  | { readonly what: 'anywhere' | 'zombie' }
  | { readonly what: 'point'; readonly point: Point | 'between' }
export type ServiceFault = { readonly redis: RedisFault } | { readonly broker: number }

/** The faults of one round in an order of their own, drawn from the seed. */
export function schedule(
  plan: Plan,
  random: Random,
  round: number,
): { workers: WorkerFault[]; services: ServiceFault[] } {
  const workers: WorkerFault[] = [
    ...Array.from({ length: plan.killsAnywhere }, () => ({ what: 'anywhere' as const })),
    ...Array.from({ length: plan.zombies }, () => ({ what: 'zombie' as const })),
    ...points.flatMap((point) => Array.from({ length: plan.killsPerPoint }, () => ({ what: 'point' as const, point }))),
  ]
  const services: ServiceFault[] = [
    ...redisFaults.flatMap((redis) => Array.from({ length: plan.redis[redis] }, () => ({ redis }))),
    ...Array.from({ length: plan.brokers }, (_, index) => ({ broker: (round * plan.brokers + index) % 3 })),
  ]
  return { workers: shuffled(workers, random), services: shuffled(services, random) }
}

function shuffled<T>(list: T[], random: Random): T[] {
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    ;[list[at], list[other]] = [list[other], list[at]]
  }
  return list
}
