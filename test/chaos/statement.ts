/** The last line of a run: every figure counted in it; the minima, checked apart; and what decides the exit code. */
import { points } from './line.ts'
import type { Plan } from './plan.ts'
import type { Tally } from './fleet.ts'

/** Sums over all rounds. */
export interface Counts {
  runs: number
  redisLosses: number
  brokerRestarts: number
  tableFaults: number
  windows: number
  events: number
  lost: number
  duplicated: number
  wrong: number
  disorder: number
  gaps: number
  readonly digests: string[]
  digestsEqual: boolean
  rows: number
  unique: number
  expected: number
  rowsEqual: boolean
}

export const newCounts = (): Counts => ({
  runs: 0,
  redisLosses: 0,
  brokerRestarts: 0,
  tableFaults: 0,
  windows: 0,
  events: 0,
  lost: 0,
  duplicated: 0,
  wrong: 0,
  disorder: 0,
  gaps: 0,
  digests: [],
  digestsEqual: true,
  rows: 0,
  unique: 0,
  expected: 0,
  rowsEqual: true,
})

const quantile = (values: readonly number[], q: number): string => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted.length === 0 ? 'none' : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))].toFixed(1)
}

const yes = (is: boolean): string => (is ? 'yes' : 'NO')

/** The statement in PROTOCOL's form. */
export function statement(counts: Counts, tally: Tally, digest: string): string {
  const { takeovers } = tally
  return [
    `runs=${counts.runs} kills=${tally.kills} zombies=${tally.zombies} redis_losses=${counts.redisLosses}`,
    `broker_restarts=${counts.brokerRestarts} partitions=${counts.windows}`,
    `events=${counts.events.toLocaleString('en-US')} lost=${counts.lost} duplicated=${counts.duplicated}`,
    `wrong=${counts.wrong} order_violations=${counts.disorder} seq_gaps=${counts.gaps}`,
    `digest=${digest} == reference ${yes(counts.digestsEqual)};`,
    `clickhouse rows=uniq=expected ${yes(counts.rowsEqual)};`,
    `max recovery p50/p99 ${quantile(takeovers, 0.5)}/${quantile(takeovers, 0.99)} s;`,
    `halts=${tally.halts.length} unexpected`,
  ].join(' ')
}

/** What was wrong; empty when all is well. */
export function wrongs(counts: Counts, tally: Tally): string[] {
  const found: string[] = []
  for (const name of ['lost', 'duplicated', 'wrong', 'disorder', 'gaps'] as const) {
    if (counts[name] > 0) found.push(`${name}: ${counts[name]}`)
  }
  if (!counts.digestsEqual) found.push('the digest is not that of the embedded run')
  if (!counts.rowsEqual)
    found.push(`ClickHouse: ${counts.rows} rows, ${counts.unique} different, ${counts.expected} expected`)
  if (tally.halts.length > 0) found.push(`${tally.halts.length} unexpected halts`)
  return found
}

/** Where the run did less than its plan asks for. */
export function shortfalls({ least }: Plan, counts: Counts, tally: Tally): string[] {
  const done = {
    kills: tally.kills,
    perPoint: Math.min(...points.map((point) => tally.killsAt.get(point) ?? 0)),
    zombies: tally.zombies,
    clocks: tally.clocks,
    redis: counts.redisLosses,
    brokers: counts.brokerRestarts,
    tables: counts.tableFaults,
    windows: counts.windows,
    events: counts.events,
  }
  return Object.entries(least).flatMap(([name, wanted]) => {
    const has = done[name as keyof typeof done]
    return has < wanted ? [`${name}: ${has}, at least ${wanted}`] : []
  })
}
