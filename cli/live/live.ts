/** The living side of a line that runs: doors, page, alerts, holds and questions over an engine and its tables. */

import { readFileSync } from 'node:fs'
import { createPage } from '../../dashboard/page.ts'
import type { ApiKey, Health, Intake } from '../../intake/http/ports.ts'
import { createHttpServer, newToken, type HttpServer } from '../../intake/http/server.ts'
import type { ClickHouse } from '../../sink/clickhouse.ts'
import type { LineView } from '../line-view.ts'
import { UsageError } from '../output.ts'
import type { TablesView } from '../tables.ts'
import { LiveAlerts } from './alerts.ts'
import { healthOf } from './health.ts'
import { LiveHolds } from './holds.ts'
import { resolutionRows } from './life-rows.ts'
import { LiveQueries } from './queries.ts'
import { LivePage, type LiveClock } from './snapshot.ts'
import { Troubles } from './troubles.ts'

export interface LiveOptions {
  /** Started. */
  readonly engine: LineView
  /** Null: without ClickHouse; what was decided is then looked up in the log, and questions are refused. */
  readonly tables: TablesView | null
  /** The way into the log for payments, releases and rejections. */
  readonly intake: Intake
  /** Also gives the acceptance time of what comes in. */
  readonly clock: LiveClock
  readonly title?: string
  /** 0: any free one. */
  readonly port: number
  readonly host?: string
  readonly token?: string
  readonly apiKeys?: readonly ApiKey[]
  readonly hosts?: readonly string[]
  readonly showAccounts?: boolean
  readonly defaultProducer?: string
  /** What is wrong besides, in plain words with what to do; part of the health. */
  readonly problems?: () => readonly string[]
  /** Told of every error that nobody waits for. */
  readonly onError: (error: Error) => void
}

export interface Live {
  readonly server: HttpServer
  /** Address to open in a browser; holds the token of this start when API keys are configured. */
  readonly url: string
  /** Address for programs, without path. */
  readonly endpoint: string
  readonly queries: LiveQueries
  readonly holds: LiveHolds
  readonly alerts: LiveAlerts
  readonly page: LivePage
  health(): Health
  /** The door closes, requests under way end, nothing is followed any more. Engine and tables stay as they are. */
  close(): Promise<void>
}

/** Answers under way get so long to end; then the process goes on closing, and they get an error. */
const CLOSE_MS = 5_000

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** Starts to follow the line and opens the door. Errors: those of listening (the port is taken). */
export async function openLive(options: LiveOptions): Promise<Live> {
  const { engine, tables, clock } = options
  const { settings } = engine.line
  const troubles = new Troubles(options.onError)
  const failed = troubles.ended
  const holds = new LiveHolds({
    engine,
    failed,
    interrupted: troubles.passing(),
    recorded: recordedIn(tables?.opened.analyst ?? null),
  })
  const alerts = new LiveAlerts(engine.line.backend.log, options.onError, engine.line.schemas)
  const title = options.title ?? 'Payments in, settlements out'
  const page = new LivePage({ engine, holds, clock, title, troubles })
  let perSecond = 0
  const queries = new LiveQueries({ engine, tables, drawn: page.drawn, perSecond: () => perSecond })
  const health = (): Health =>
    healthOf({ engine, tables, version, problems: () => [...troubles.words, ...(options.problems?.() ?? [])] })
  const server = createHttpServer({
    ...options,
    // Acceptance times are whole milliseconds; a simulated clock may stand between two.
    clock: { now: () => Math.floor(clock.now()) },
    token: options.token ?? newToken(),
    schemas: engine.line.schemas,
    writers: engine.line.writers,
    queries,
    holds,
    alerts,
    events: {
      everyMs: page.everyMs,
      snapshot: () => {
        const snapshot = page.snapshot()
        ;({ perSecond } = snapshot)
        return snapshot
      },
    },
    health: () => Promise.resolve(health()),
    page: createPage(),
    times: { earliest: settings.earliestEventTime, maxAheadMs: settings.maxAheadMs },
  })
  const closePorts = async (): Promise<void> => {
    await Promise.all([holds.close(), alerts.close(), page.close()])
  }
  await holds.start()
  await page.start()
  try {
    const { port, url } = await server.listen()
    const host = new URL(url).hostname
    return {
      server,
      url,
      endpoint: `http://${host}:${port}`,
      queries,
      holds,
      alerts,
      page,
      health,
      async close() {
        const timer = Promise.withResolvers<void>()
        const limit = setTimeout(timer.resolve, CLOSE_MS)
        await Promise.race([server.close(), timer.promise])
        clearTimeout(limit)
        await closePorts()
      },
    }
  } catch (error) {
    await closePorts()
    throw listenError(error, options)
  }
}

function listenError(error: unknown, { port, host = '127.0.0.1' }: LiveOptions): unknown {
  const { code } = error as { code?: string }
  if (code === 'EADDRINUSE') return new UsageError(`Port ${port} of ${host} is taken. Give another one with --port.`)
  if (code === 'EACCES')
    return new UsageError(`Port ${port} may not be opened here. Give one from 1024 on with --port.`)
  if (code === 'EADDRNOTAVAIL') return new UsageError(`${host} is no address of this machine.`)
  return error
}

/** Asks the tables for the outcome of an earlier resolution. */
export const recordedIn =
  (analyst: ClickHouse | null) =>
  async (
    resolutionId: string,
    identity: Parameters<typeof resolutionRows>[2],
  ): Promise<Awaited<ReturnType<LiveHolds['outcomeOf']>>> => {
    if (analyst === null) return null
    const [row] = await resolutionRows(analyst, resolutionId, identity)
    if (row === undefined || row.event === 'HELD') return null
    return { event: row.event, cycleStart: row.cycleStart, why: row.why }
  }
