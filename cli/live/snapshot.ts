/**
 * Snapshots for the page: what the tasks hold now, what the tails have heard, and rates from counters. Nothing here is
 * computed per payment, and what grows with the state is looked at only so often that it takes 2 % of the time.
 */

import type { AlertView, BalanceView, Moving, Snapshot, SnapshotTime } from '../../dashboard/snapshot.ts'
import type { PageEvents } from '../../intake/http/ports.ts'
import type { AlertRecord } from '../../schemas/generated.ts'
import { records, topics } from '../../schemas/topics.ts'
import type { LineView } from '../line-view.ts'
import type { Sheet } from '../sheet.ts'
import { alertEvent } from './alerts.ts'
import { steadySheet } from './balance.ts'
import { LiveCycles } from './cycles.ts'
import { drawn, Flows, type DrawnGraph } from './graph.ts'
import type { LiveHolds } from './holds.ts'
import { Sampler } from './moving.ts'
import { paced, pacedLater } from './paced.ts'
import { endsOf, Tail } from './tail.ts'
import type { Troubles } from './troubles.ts'

/** Whose time it is. */
export interface LiveClock {
  readonly kind: SnapshotTime['clock']
  /** Milliseconds since 1970-01-01 UTC; simulated in the demo. */
  now(): number
  /** Simulated seconds per second; 1 for the wall clock. */
  readonly speed: number
}

export interface PageOptions {
  readonly engine: LineView
  readonly holds: LiveHolds
  readonly clock: LiveClock
  readonly title: string
  readonly troubles: Troubles
}

const ALERTS = 20
const HOLDS = 50
const noBalance: BalanceView = {
  asOf: null,
  payments: {
    received: 0,
    accepted: 0,
    duplicate: 0,
    conflicting: 0,
    late: 0,
    held: 0,
    declined: 0,
    deadLetters: 0,
    skipped: 0,
    settled: 0,
    pending: 0,
  },
  currencies: {},
  heldMinor: {},
  balanced: true,
}

export class LivePage implements PageEvents {
  readonly everyMs = 500
  readonly drawn: DrawnGraph
  private readonly options: PageOptions
  private readonly cycles: LiveCycles
  private readonly flows: Flows
  private readonly alerts: AlertView[] = []
  private alertTail: Tail<AlertRecord> | null = null
  private alertCount = 0
  private readonly sampler: Sampler
  private readonly settledCycles: () => ReturnType<LiveCycles['settled']>
  private readonly openCycles: () => ReturnType<LiveCycles['open']>
  private readonly oldestHolds: () => Awaited<ReturnType<LiveHolds['oldest']>>
  private readonly balance: () => BalanceView
  private readonly moving: () => { readonly payments: readonly Moving[] }
  private shown: object | null = null

  constructor(options: PageOptions) {
    const { engine, holds, troubles } = options
    this.options = options
    this.drawn = drawn(engine.topologies)
    this.cycles = new LiveCycles(engine, troubles)
    this.flows = new Flows(this.drawn.edges)
    this.sampler = new Sampler(engine.line.backend.log, this.drawn.graph, engine.line.schemas)
    this.settledCycles = paced(() => this.cycles.settled(), 400)
    this.openCycles = paced(() => this.cycles.open(), 400)
    let version = -1
    this.oldestHolds = pacedLater(
      () => {
        version = holds.version
        return holds.oldest(HOLDS)
      },
      400,
      { holds: [], total: 0 },
      troubles.passing(),
      () => version !== holds.version,
    )
    const sheet = async (): Promise<BalanceView> => balanceView(await steadySheet(engine, 0))
    this.balance = pacedLater(sheet, 1_000, noBalance, troubles.passing())
    const look = async () => ({ payments: await this.sampler.look() })
    this.moving = pacedLater(look, 400, { payments: [] }, troubles.passing())
  }

  async start(): Promise<void> {
    const { engine, troubles } = this.options
    const { log } = engine.line.backend
    await this.cycles.start()
    const from = await endsOf(log, topics.alerts.name, ALERTS)
    this.alertTail = new Tail<AlertRecord>({
      log,
      topic: topics.alerts.name,
      type: records.alert,
      schemas: engine.line.schemas,
      from,
      failed: troubles.ended,
      interrupted: troubles.passing(),
      deliver: (alert) => {
        this.alerts.unshift(alertEvent(String(++this.alertCount), alert))
        if (this.alerts.length > ALERTS) this.alerts.pop()
      },
    })
  }

  async close(): Promise<void> {
    this.alertTail?.stop()
    await Promise.all([this.cycles.close(), this.alertTail?.done])
  }

  snapshot(): Snapshot {
    const { engine, title } = this.options
    const [source, settling] = engine.topologies
    const sources = engine.tasks.slice(0, -1)
    const ratesOf = (topology: string): ReadonlyMap<string, number>[] =>
      (topology === source.name ? sources : topology === settling.name ? engine.tasks.slice(-1) : []).map(
        (task) => task.processor.graph.rates,
      )
    const flows = this.flows.take(ratesOf, performance.now())
    const holds = this.oldestHolds()
    const settled = this.settledCycles()
    const moving = this.moving()
    // What was sent once has set out already.
    const fresh = moving !== this.shown
    this.shown = moving
    return {
      title,
      graph: this.drawn.graph,
      flows,
      moving: fresh ? moving.payments : [],
      time: this.time(),
      perSecond: flows.find(({ to }) => to === topics.decisions.name)?.perSecond ?? 0,
      cycles: this.cycles.shown(settled, this.openCycles()),
      positionsOf: settled.positionsOf,
      positions: settled.positions,
      alerts: this.alerts,
      holds: holds.holds,
      heldCount: holds.total,
      balance: this.balance(),
    }
  }

  private time(): SnapshotTime {
    const { engine, clock } = this.options
    const times = engine.tasks.slice(0, -1).map((task) => task.processor.clock()?.streamTime ?? 0)
    const streamTime = Math.min(...times)
    const now = clock.now()
    return {
      clock: clock.kind,
      streamTime: streamTime === 0 ? null : streamTime,
      now,
      lagRecords: engine.lag(),
      lagMs: streamTime === 0 ? 0 : Math.max(0, now - streamTime),
      speed: clock.speed,
    }
  }
}

const balanceView = ({ asOf, payments, currencies, heldMinor, balanced }: Sheet): BalanceView => ({
  asOf,
  payments,
  currencies,
  heldMinor,
  balanced,
})
