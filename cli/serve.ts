/** serve: payments in over HTTP, settled by the wall clock, until it is told to stop. */

import { setTimeout as sleep } from 'node:timers/promises'
import { LogAppender } from '../intake/http/append.ts'
import type { ApiKey } from '../intake/http/ports.ts'
import { Ticker } from '../intake/ticker.ts'
import type { Settings } from '../schemas/settings.ts'
import { topics } from '../schemas/topics.ts'
import { readManifest } from '../streams/embedded/index.ts'
import type { MemberList } from '../streams/index.ts'
import { Engine, openDirectory, type EmbeddedLine } from './engine.ts'
import type { LineView } from './line-view.ts'
import { steadySheet } from './live/balance.ts'
import { openLive, type Live } from './live/live.ts'
import { pacedLater } from './live/paced.ts'
import { membersInForce, putMembers, readMembers } from './members.ts'
import type { Observation } from './observe/index.ts'
import { exitCodes, say, UsageError } from './output.ts'
import { stopping } from './signals.ts'
import { openTables, type Tables } from './tables.ts'

export interface ServeOptions {
  readonly data: string
  readonly port: number
  /** 127.0.0.1 unless the operator says otherwise. */
  readonly host?: string
  /** Names under which a proxy reaches this server. */
  readonly hosts?: readonly string[]
  /** Path of the member list, or 'any'. Needed once: the log remembers it. */
  readonly members?: string
  readonly apiKeys?: readonly ApiKey[]
  readonly showAccounts?: boolean
  /** False: without tables. */
  readonly clickhouse?: boolean
  /** The printed ClickHouse user may write. */
  readonly writable?: boolean
  readonly clickhousePort?: number
  readonly watcher?: Observation
  /** Recorded in a new directory; must agree with the recorded ones otherwise. */
  readonly settings?: Partial<Settings>
}

export interface Serving {
  readonly live: Live
  readonly engine: LineView
  /** Resolves when it cannot go on, with why. */
  readonly failed: Promise<Error>
  /** Door, intake, clock, tasks, tables, in this order: nothing that was acknowledged waits for anything. */
  close(): Promise<void>
}

/** How long a stop waits for ClickHouse to take what is cut; what it does not take now it takes at the next start. */
const FLUSH_MS = 10_000
/** Between two looks at whether the tasks run. */
const WATCH_MS = 200

/** Opens everything; the door last. Errors: UsageError without a member list, LockedError, those of every part. */
export async function startServing(options: ServeOptions): Promise<Serving> {
  const { data, members } = options
  // Before a directory is made that nobody asked for.
  if (members === undefined && readManifest(data) === null) throw withoutMembers(data)
  const line = await openDirectory({ directory: data, settings: options.settings })
  return opening(line.backend, (open, close) => compose(options, line, open, close))
}

/** What is open is closed in the opposite order, also when a later part does not open. */
export async function opening<T>(
  backend: { close(): Promise<void> },
  compose: (open: (() => Promise<unknown>)[], close: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const open: (() => Promise<unknown>)[] = [() => backend.close()]
  const close = async (): Promise<void> => {
    const errors: unknown[] = []
    for (let part = open.pop(); part !== undefined; part = open.pop()) {
      await part().catch((error: unknown) => errors.push(error))
    }
    if (errors.length > 0) throw errors[0]
  }
  try {
    return await compose(open, close)
  } catch (error) {
    await close().catch((second: unknown) => say(`sluice: while closing: ${String(second)}`))
    throw error
  }
}

async function compose(
  options: ServeOptions,
  line: EmbeddedLine,
  open: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<Serving> {
  const { log, clock } = line.backend
  const { settings } = line
  const topic = topics.transactions.name
  const failure = Promise.withResolvers<Error>()
  const { watcher } = options
  const engine = new Engine(line, { observer: watcher?.observer })
  await engine.start()
  open.push(() => engine.stop())
  await engine.caughtUp()
  await agreeOnMembers(engine, options)
  const tables = options.clickhouse === false ? null : await tablesOf(options, line)
  if (tables !== null) {
    open.push(() => tables.close())
    // The tasks stop first, then what they have cut is waited for.
    open.push(async () => {
      await engine.stop()
      await Promise.race([tables.sink.flush().catch(() => 0), sleep(FLUSH_MS, undefined, { ref: false })])
    })
  }
  let stall = 0
  const ticker = await Ticker.open({
    log,
    topic,
    clock,
    kind: 'WALL',
    everyMs: settings.serveTickMs,
    idleEveryMs: settings.serveIdleTickMs,
    maxSkewMs: settings.maxSkewMs,
    onStall: (behindMs) => {
      stall = behindMs
      if (behindMs > 0) say(stalled(behindMs))
    },
  })
  open.push(() => ticker.close())
  await ticker.tick()
  ticker.start(failure.resolve)
  const intake = await LogAppender.open({ log, topic, observer: watcher?.intakeObserver })
  open.push(() => intake.close())
  const live = await openLive({
    engine,
    tables,
    intake,
    clock: { kind: 'WALL', now: () => clock.now(), speed: 1 },
    port: options.port,
    host: options.host,
    hosts: options.hosts,
    apiKeys: options.apiKeys,
    showAccounts: options.showAccounts,
    problems: () => (stall > 0 ? [stalled(stall)] : []),
    onError: (error) => say(`sluice: ${error.message}`),
  })
  open.push(() => live.close())
  watcher?.attach({
    backend: line.backend,
    spare: { topic, partition: 0 },
    tasks: () => engine.tasks,
    halted: () => engine.halted,
    sink: () => tables?.sink ?? null,
    door: () => live.server.counters,
    ticker: () => ticker,
    beside: tables === null ? {} : { clickhouse: () => tables.opened.analyst.rows('SELECT 1') },
    balanced: balancedOf(engine),
  })
  line.backend.setEndpoint(live.endpoint)
  const watch = setInterval(() => {
    if (engine.halted !== null) failure.resolve(engine.halted)
  }, WATCH_MS)
  open.push(() => Promise.resolve(clearInterval(watch)))
  return { live, engine, failed: failure.promise, close }
}

export const stalled = (behindMs: number): string =>
  `The clock of this machine is ${behindMs} ms behind the last tick in the log: time stands still until it is past it, payments are taken and wait. Set the clock (NTP).`

export const withoutMembers = (data: string): UsageError =>
  new UsageError(
    `${data} has no member list, and serve needs one: give --members FILE.json ({"version": "...", "members": [{"bank", "currencies": ["EUR"], "settlementAccount"}]}), or --members any to take every bank as a member.`,
  )

async function agreeOnMembers(engine: Engine, { members, data }: ServeOptions): Promise<void> {
  if (members === undefined) {
    if (membersInForce(engine) === null) throw withoutMembers(data)
  } else if (await putMembers(engine, readMembers(members), engine.line.backend.clock.now())) {
    await engine.caughtUp()
  }
  sayMembers(membersInForce(engine))
}

export function sayMembers(list: MemberList | null): void {
  if (list === null || list.anyBank) say('Every bank counts as a member (--members any).')
  else say(`Member list ${list.version}: ${list.members.length} banks.`)
}

/** A sheet is added up from everything that the tasks count, so it is not made with every scrape. */
const BALANCE_EVERY_MS = 10_000

function balancedOf(engine: Engine): () => Promise<boolean> {
  const look = async (): Promise<{ balanced: boolean }> => steadySheet(engine, 0)
  // A look that fails says nothing about money; what stopped it is in the log already.
  const balance = pacedLater(look, BALANCE_EVERY_MS, { balanced: true }, () => undefined)
  return () => Promise.resolve(balance().balanced)
}

const tablesOf = (options: ServeOptions, line: EmbeddedLine): Promise<Tables> =>
  openTables(line, {
    say,
    observer: options.watcher?.sinkObserver,
    writable: options.writable,
    httpPort: options.clickhousePort,
    onHalt: (error) => say(`sluice: nothing more goes into the tables: ${error.message}`),
  })

/** Serves until SIGINT or SIGTERM (exit code 0), or until it cannot go on (3). */
export const serve = (options: ServeOptions): Promise<number> => serveUntilStopped(() => startServing(options), options)

/** The same over whatever `start` opens. */
export async function serveUntilStopped(
  start: () => Promise<Serving>,
  options: Pick<ServeOptions, 'apiKeys' | 'showAccounts'>,
): Promise<number> {
  const stop = stopping(() => {
    say('Stopping at once; what was acknowledged is in the log.')
    process.exit(130)
  })
  try {
    const serving = await start()
    announce(serving.live, options)
    const reason = await Promise.race([stop.asked, serving.failed])
    if (reason instanceof Error) say(`sluice: ${reason.message}\nNothing that was acknowledged is lost. Stopping.`)
    else say('Stopping.')
    try {
      await serving.close()
    } catch (error) {
      // A task that halted says so again when it is closed.
      if (error !== reason) throw error
    }
    if (reason instanceof Error) return exitCodes.fault
    say('Stopped.')
    return exitCodes.ok
  } finally {
    stop.end()
  }
}

function announce(
  { url, endpoint }: Live,
  { apiKeys = [], showAccounts = false }: Pick<ServeOptions, 'apiKeys' | 'showAccounts'>,
): void {
  const guarded = apiKeys.length > 0
  say(`Page      ${url}`)
  say(
    guarded
      ? '          The token in the address is of this start and lets a browser look, release and reject.'
      : '          A page that changes something shows the token of this start, which is built into it.',
  )
  say(`API       ${endpoint}/v1/transactions   (OpenAPI: ${endpoint}/openapi.json)`)
  if (guarded) say(`          Programs send one of ${apiKeys.length} API keys as Authorization: Bearer.`)
  if (showAccounts) say('          Account numbers are shown (--show-accounts).')
  say('Stop with Ctrl-C.')
}
