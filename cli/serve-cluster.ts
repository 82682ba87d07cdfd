/** serve over Kafka: the doors, the clock and the page; the tasks run in workers. Any number of them at once. */

import { setTimeout as sleep } from 'node:timers/promises'
import { LogAppender } from '../intake/http/append.ts'
import { StandbyTicker } from '../intake/ticker-standby.ts'
import { topics } from '../schemas/topics.ts'
import { roadAfter, type MemberList } from '../streams/index.ts'
import { openAskedTables } from './asked-tables.ts'
import { openCluster, type ClusterLine } from './cluster.ts'
import type { Configuration } from './configuration/schema.ts'
import { openLive } from './live/live.ts'
import { appendMembers, isInForce, membersInForce, readMembers } from './members.ts'
import { Mirror } from './mirror.ts'
import { say, UsageError } from './output.ts'
import { opening, sayMembers, stalled, type ServeOptions, type Serving } from './serve.ts'

type ClusterServeOptions = Omit<ServeOptions, 'data' | 'settings'>

/** How long a start waits for a worker to read the member list that is in the log. */
const MEMBERS_MS = 30_000

/** Opens everything; the door last. Errors: UsageError without a member list, those of openCluster and of every part. */
export async function startServingCluster(
  configuration: Configuration,
  options: ClusterServeOptions,
): Promise<Serving> {
  const line = await openCluster(configuration)
  return opening(line.backend, (open, close) => compose(configuration, options, line, open, close))
}

async function compose(
  configuration: Configuration,
  options: ClusterServeOptions,
  line: ClusterLine,
  open: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<Serving> {
  const { log, clock } = line.backend
  const { settings, schemas } = line
  const topic = topics.transactions.name
  for (const warning of line.warnings) say(`Warning: ${warning}`)
  const failure = Promise.withResolvers<Error>()
  const problems = new Map<string, string>()
  const mirror = await Mirror.open(line)
  mirror.follow((error) => {
    if (error === null) problems.delete('mirror')
    else problems.set('mirror', `What the workers have stored cannot be read: ${error.message}`)
  })
  open.push(() => mirror.close())
  await agreeOnMembers(mirror, line, options.members)
  const asks = configuration.clickhouse.url !== '' && options.clickhouse !== false
  const tables = asks ? await openAskedTables(configuration, mirror) : null
  if (tables !== null) open.push(() => tables.close())
  const ticker = await StandbyTicker.open(
    {
      log,
      topic,
      clock,
      schemas,
      kind: 'WALL',
      everyMs: settings.serveTickMs,
      idleEveryMs: settings.serveIdleTickMs,
      maxSkewMs: settings.maxSkewMs,
      onStall: (behindMs) => {
        if (behindMs > 0) {
          problems.set('stall', stalled(behindMs))
          say(stalled(behindMs))
        } else problems.delete('stall')
      },
      onTurn: (ticking) => say(ticking ? 'This process ticks.' : 'Another process ticks; this one watches.'),
      onError: (error) => say(`sluice: the clock stands still until it can be written: ${error.message}`),
    },
    failure.resolve,
  )
  open.push(() => ticker.close())
  if (!ticker.ticking) say('Another process ticks; this one watches.')
  const { watcher } = options
  const intake = await LogAppender.open({
    log,
    topic,
    observer: watcher?.intakeObserver,
    openWriter: () => log.appender('http-intake'),
  })
  open.push(() => intake.close())
  const live = await openLive({
    engine: mirror,
    tables,
    intake,
    clock: { kind: 'WALL', now: () => clock.now(), speed: 1 },
    port: options.port,
    host: options.host,
    hosts: options.hosts,
    apiKeys: options.apiKeys,
    showAccounts: options.showAccounts,
    problems: () => [...problems.values()],
    onError: (error) => say(`sluice: ${error.message}`),
  })
  open.push(() => live.close())
  watcher?.attach({
    backend: line.backend,
    spare: { topic, partition: 0 },
    door: () => live.server.counters,
    ticker: () => ticker.state,
    beside: tables === null ? {} : { clickhouse: () => tables.opened.analyst.rows('SELECT 1') },
  })
  return { live, engine: mirror, failed: failure.promise, close }
}

/** The list in force, or the one that was given: whoever comes first writes it, and the workers read it in the log. */
async function agreeOnMembers(mirror: Mirror, line: ClusterLine, members: string | undefined): Promise<void> {
  if (members !== undefined) {
    const list = readMembers(members)
    await putInForce(mirror, line, list)
    sayMembers(list)
    return
  }
  const until = performance.now() + MEMBERS_MS
  while (membersInForce(mirror) === null) {
    if (performance.now() > until) {
      throw new UsageError(
        'No member list is in force: give --members FILE.json, or --members any. When one was given before, no worker has read it: start sluice worker.',
      )
    }
    await sleep(200)
  }
  sayMembers(membersInForce(mirror))
}

/** Doors that start at once fence each other here: whoever lost looks again, and writes the same list again at worst. */
async function putInForce(mirror: Mirror, line: ClusterLine, list: MemberList): Promise<void> {
  const until = performance.now() + MEMBERS_MS
  while (!isInForce(mirror, list)) {
    try {
      return await appendMembers(line, list, line.backend.clock.now())
    } catch (error) {
      if (roadAfter(error) === 'halt' || performance.now() > until) throw error
      await sleep(500)
    }
  }
}
