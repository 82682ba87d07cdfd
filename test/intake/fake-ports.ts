/** Ports by hand for tests of the HTTP server: an intake whose commits are held back, and answers from a script. */
import { UnknownPositionError, QueryError } from '../../intake/http/ports.ts'
import type {
  AlertEvent,
  Alerts,
  Holds,
  HoldOutcome,
  Identity,
  Intake,
  IntakeRecord,
  OpenHold,
  Queries,
  Table,
  TransactionView,
} from '../../intake/http/ports.ts'
import { createHttpServer, newToken, type HttpServer, type HttpServerOptions } from '../../intake/http/server.ts'

/** An intake that keeps what it is given; `gate` holds commits back until it resolves. */
export class FakeIntake implements Intake {
  readonly partitions = 4
  readonly records: IntakeRecord[] = []
  gate: Promise<void> = Promise.resolve()
  fails: Error | null = null

  async append(records: readonly IntakeRecord[]): Promise<void> {
    await this.gate
    if (this.fails !== null) throw this.fails
    this.records.push(...records)
  }
}

/** A stream of alerts whose ids are 1, 2, 3 ... */
export class FakeAlerts implements Alerts {
  readonly all: AlertEvent[] = []
  private readonly listeners = new Set<(alert: AlertEvent) => void>()

  add(alert: Omit<AlertEvent, 'id'>): void {
    const whole = { ...alert, id: String(this.all.length + 1) }
    this.all.push(whole)
    for (const deliver of this.listeners) deliver(whole)
  }

  get following(): number {
    return this.listeners.size
  }

  follow(after: string | null, deliver: (alert: AlertEvent) => void): Promise<{ stop(): void }> {
    const from = after === null ? this.all.length : after === 'start' ? 0 : Number(after)
    if (!Number.isInteger(from) || from > this.all.length)
      return Promise.reject(new UnknownPositionError(`'${after}' is no position of this stream.`))
    for (const alert of this.all.slice(from)) deliver(alert)
    this.listeners.add(deliver)
    return Promise.resolve({ stop: () => void this.listeners.delete(deliver) })
  }
}

export class FakeHolds implements Holds {
  readonly held: OpenHold[] = []
  outcome: HoldOutcome | null = { event: 'RELEASED', cycleStart: 1_767_614_400_000, why: '' }
  readonly asked: { resolutionId: string; identity: Identity; waitMs: number }[] = []

  open(limit: number): Promise<{ holds: OpenHold[]; total: number }> {
    return Promise.resolve({ holds: this.held.slice(0, limit), total: this.held.length })
  }

  outcomeOf(resolutionId: string, identity: Identity, waitMs: number): Promise<HoldOutcome | null> {
    this.asked.push({ resolutionId, identity, waitMs })
    return Promise.resolve(this.outcome)
  }
}

export class FakeQueries implements Queries {
  readonly known: TransactionView[] = []
  /** SQL that reached the port. */
  readonly queries: string[] = []

  lookup(producer: string, transactionId: string, payerAccount?: string): Promise<TransactionView[]> {
    return Promise.resolve(
      this.known.filter(
        (view) =>
          view.producer === producer &&
          view.transactionId === transactionId &&
          (payerAccount === undefined || view.payerAccount === payerAccount),
      ),
    )
  }
  balance(): Promise<object> {
    return Promise.resolve({ payments: { received: 1 }, currencies: {}, balanced: true })
  }
  topology(): Promise<{ text: string; mermaid: string; graph: object }> {
    return Promise.resolve({ text: 'Topologies:\n', mermaid: 'flowchart LR\n', graph: { nodes: [], edges: [] } })
  }
  questions(): Promise<{ name: string; about: string; parameters: [] }[]> {
    return Promise.resolve([{ name: 'dead-letters', about: 'What could not be processed', parameters: [] }])
  }
  ask(name: string, parameters: Readonly<Record<string, string>>): Promise<Table | null> {
    const answer = { columns: ['payer_account', 'n'], rows: [{ payer_account: 'DE-12345678', n: 1, ...parameters }] }
    return Promise.resolve(name === 'dead-letters' ? answer : null)
  }
  sql(query: string): Promise<Table> {
    this.queries.push(query)
    if (!query.startsWith('SELECT')) return Promise.reject(new QueryError('Only SELECT is allowed here.'))
    return Promise.resolve({ columns: ['1'], rows: [{ '1': 1 }] })
  }
}

export const now = Date.UTC(2026, 0, 5, 12, 0, 0)

/** One known, settled payment. */
export const settledPayment: TransactionView = {
  producer: 'shop',
  payerAccount: 'DE-12345678',
  transactionId: 'P1',
  state: 'settled',
  kind: 'PAYMENT',
  occurredAt: now - 600_000,
  payerBank: 'bank-a',
  payeeAccount: 'FR-87654321',
  payeeBank: 'bank-b',
  merchant: 'books',
  country: 'DE',
  originalTransactionId: null,
  amountMinor: '10000',
  currency: 'EUR',
  duplicates: 1,
  conflicts: 0,
  receipt: {
    outcome: 'APPROVE',
    reasons: [],
    score: 20,
    ruleVersion: 'first-rules',
    contributions: [{ rule: 'velocityHour', points: 20 }],
    features: { payments1m: 1, payments1h: 7, amount1d: 45_000, kilometersPerHour: null },
  },
  cycle: { start: now - 600_000, lengthMs: 300_000, late: false },
  instructions: [
    {
      instructionId: '0123456789abcdef0123456789abcdef',
      member: 'bank-a',
      direction: 'PAY',
      amountMinor: '6000',
      currency: 'EUR',
      settlementAccount: 'EU-0000-1111',
    },
  ],
  holdEvents: [],
}

export interface Fakes {
  readonly intake: FakeIntake
  readonly alerts: FakeAlerts
  readonly holds: FakeHolds
  readonly queries: FakeQueries
  readonly token: string
}

/** A server over fakes on a free port; the address has no slash at its end. */
export async function startServer(
  options: Partial<HttpServerOptions> = {},
): Promise<Fakes & { readonly server: HttpServer; readonly url: string; readonly port: number }> {
  const fakes = {
    intake: new FakeIntake(),
    alerts: new FakeAlerts(),
    holds: new FakeHolds(),
    queries: new FakeQueries(),
    token: newToken(),
  }
  const server = createHttpServer({
    port: 0,
    ...fakes,
    events: { snapshot: () => ({ holds: [] }), everyMs: 50 },
    health: () => Promise.resolve({ status: 'ok', version: '1', backend: 'fake', problems: [] }),
    clock: { now: () => now },
    times: { earliest: Date.UTC(1990, 0, 1), maxAheadMs: 30_000 },
    ...options,
  })
  const { port } = await server.listen()
  return { ...fakes, server, port, url: `http://127.0.0.1:${port}` }
}
