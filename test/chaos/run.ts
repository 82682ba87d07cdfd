/**
 * The fault run: `npm run chaos` (the long form), `npm run chaos -- --short`; beside it the kill loop of a broker
 * (`-- --brokers`) and what takeovers (`-- --takeover`) and rebalances (`-- --rebalance`) cost in time. Real Kafka, Redis, ClickHouse and workers,
 * killed and cut off by a schedule drawn from a seed (printed; `--seed N` repeats it); bounded in rounds, not in luck.
 * The last line says what was counted; exit code 1 when anything was wrong or less was done than the plan asks for.
 */
import { parseArgs } from 'node:util'
import { createHash } from 'node:crypto'
import { brokers } from './broker-kill.ts'
import { seeded } from '../../intake/random.ts'
import { newTally } from './fleet.ts'
import { control, long, short, type Plan } from './plan.ts'
import { Round } from './round.ts'
import { newCounts, shortfalls, statement, wrongs } from './statement.ts'
import { rebalance } from './rebalance.ts'
import { takeover } from './takeover.ts'
import { startServices, type Services } from './world.ts'

const { values } = parseArgs({
  options: {
    short: { type: 'boolean' },
    seed: { type: 'string' },
    rounds: { type: 'string' },
    payments: { type: 'string' },
    brokers: { type: 'boolean' },
    kills: { type: 'string' },
    takeover: { type: 'boolean' },
    rebalance: { type: 'boolean' },
    keys: { type: 'string' },
  },
})

const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** The negative control: at-least-once workers, killed between outputs and position, have to be reported as duplicates. */
async function sees(services: Services, seed: number): Promise<boolean> {
  const [counts, tally] = [newCounts(), newTally()]
  const random = seeded(seed)
  await new Round({ services, plan: control, seed, round: 99, random, counts, tally, say, control: true }).run()
  say(`negative control: at-least-once workers, killed ${tally.kills} times, gave duplicated=${counts.duplicated}`)
  return counts.duplicated > 0
}

async function main(): Promise<number> {
  const base = values.short === true ? short : long
  const plan: Plan = {
    ...base,
    rounds: Number(values.rounds ?? base.rounds),
    payments: Number(values.payments ?? base.payments),
  }
  const seed = Number(values.seed ?? (process.hrtime.bigint() % 100_000n).toString())
  say(`seed ${seed}; ${plan.rounds} rounds of ${plan.payments} payments`)
  const services = await startServices()
  if ('missing' in services) {
    say(`SKIPPED: ${services.missing}`)
    return 2
  }
  const [counts, tally, random] = [newCounts(), newTally(), seeded(seed)]
  const began = performance.now()
  let [failed, blind] = [false, false]
  try {
    for (let round = 0; round < plan.rounds && !failed; round++) {
      await new Round({ services, plan, seed, round, random, counts, tally, say }).run()
    }
    if (!failed) blind = !(await sees(services, seed))
  } catch (error) {
    failed = true
    say(`failed: ${error instanceof Error ? error.stack : String(error)}`)
  } finally {
    await services.stop()
  }
  const missing = shortfalls(plan, counts, tally)
  const wrong = wrongs(counts, tally)
  for (const text of wrong) say(`WRONG: ${text}`)
  for (const text of missing) say(`TOO LITTLE: ${text}`)
  const { recoveries, reprocessed, refused, ended, clocks } = tally
  say(
    `kills by point: ${JSON.stringify(Object.fromEntries(tally.killsAt))}; errors met: ${JSON.stringify(Object.fromEntries(tally.failures))}`,
  )
  say(
    `${recoveries} recoveries, ${reprocessed} rows processed again with outputs suppressed, ` +
      `${refused} reads and deltas refused, ${ended} workers ended by themselves, ${clocks} steps of a clock, ` +
      `${counts.tableFaults} faults of ClickHouse and the sink; ${Math.round((performance.now() - began) / 1000)} s`,
  )
  if (blind) say('WRONG: the negative control was not reported')
  const digest = createHash('sha256').update(counts.digests.join('\n')).digest('hex').slice(0, 32)
  say(statement(counts, tally, digest))
  return failed || blind || wrong.length > 0 || missing.length > 0 ? 1 : 0
}

let code = 0
if (values.takeover === true) {
  for (const keys of (values.keys ?? '10000,1000000').split(',')) await takeover(Number(keys), say)
} else if (values.rebalance === true) {
  await rebalance(say)
} else {
  code = values.brokers === true ? await brokers(Number(values.kills ?? 10), say) : await main()
}
// Node waited for ever, busily, for the end of a socket that was cut off (seen once): all that was to be done is done.
process.stdout.write('', () => process.exit(code))
