/** The parts of the live side by themselves: paced looks, the drawing, the balance, the life of a transaction. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { DemoFeed } from '../../cli/demo-feed.ts'
import { Engine, openDirectory } from '../../cli/engine.ts'
import { steadySheet } from '../../cli/live/balance.ts'
import { drawn, Flows, pathVia } from '../../cli/live/graph.ts'
import { livesOf, viewOf, type Life } from '../../cli/live/life.ts'
import { paced, pacedLater } from '../../cli/live/paced.ts'
import { sheetOf } from '../../cli/sheet.ts'
import { generate } from '../../intake/generator.ts'
import type { DecisionRecord, HoldEventRecord, TransactionRecord } from '../../schemas/generated.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { topics } from '../../schemas/topics.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'

const soon = async (right: () => boolean): Promise<void> => {
  for (let i = 0; !right() && i < 500; i++) await sleep(10)
  expect(right()).toBe(true)
}

test('a paced look is made again when its time has come and something changed', async () => {
  let made = 0
  let changed = true
  const look = paced(
    () => ++made,
    20,
    () => changed,
  )
  expect([look(), look()]).toEqual([1, 1])
  await sleep(30)
  changed = false
  expect(look()).toBe(1)
  changed = true
  expect(look()).toBe(2)
  const failed: string[] = []
  let fails = false
  const later = pacedLater(
    () => (fails ? Promise.reject(new Error('gone')) : Promise.resolve('new')),
    0,
    'first',
    (error) => failed.push(error?.message ?? 'well'),
  )
  expect(later()).toBe('first')
  await sleep(5)
  fails = true
  expect(later()).toBe('new')
  await sleep(5)
  expect(later()).toBe('new')
  await soon(() => failed.includes('gone'))
  fails = false
  await soon(() => later() === 'new' && failed.at(-1) === 'well')
})

test('the drawing: topics are shared, counting steps have no box, every way leads somewhere', () => {
  const { graph, edges } = drawn([payments(defaultSettings), settlement(defaultSettings)])
  const ids = graph.nodes.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  const kinds = new Map(graph.nodes.map(({ id, kind }) => [id, kind]))
  // Notes beside the flow: what was imported, and which schemas of other writers were met.
  const notes: readonly string[] = [topics.imports.name, topics.writerSchemas.name]
  const travelled = Object.values(topics).filter(({ name }) => !notes.includes(name))
  for (const { name } of travelled) expect(kinds.get(name)).toBe('topic')
  const labels = graph.nodes.map(({ id, label }) => label ?? id)
  expect(labels).toEqual(expect.arrayContaining(['deduplicate', 'novelty', 'score rules', 'hold', 'net']))
  expect(labels.filter((label) => /tally|totals|settled/.test(label))).toEqual([])
  for (const { from, to } of edges) expect([ids.includes(from), ids.includes(to)]).toEqual([true, true])
  const ends = (label: string, to: string): (string | undefined)[] => {
    const path = pathVia(graph, 'transactions', label, to)
    for (let i = 1; i < path.length; i++)
      expect(graph.edges.some((edge) => edge.from === path[i - 1] && edge.to === path[i])).toBe(true)
    return [path[0], path.at(-1)]
  }
  expect(ends('approved', 'cycle-partials')).toEqual(['transactions', 'cycle-partials'])
  expect(ends('held', 'hold-events')).toEqual(['transactions', 'hold-events'])
  expect(ends('declined', 'alerts')).toEqual(['transactions', 'alerts'])
  expect(pathVia(graph, 'transactions', 'no such branch', 'alerts')).toEqual([])
})

test('rates are differences of counters; a pause without lookers or a recovered task gives none', () => {
  const edges = [{ from: 'a', to: 'b', topology: 't', keys: ['0:out>1', '0:more>1'] }]
  const flows = new Flows(edges)
  const take = (total: number, now: number): number =>
    flows.take(() => [new Map([['0:out>1', total - 1]]), new Map([['0:more>1', 1]])], now)[0].perSecond
  expect(take(10, 0)).toBe(0)
  expect(take(60, 500)).toBe(100)
  expect(take(110, 1_000)).toBe(100)
  expect(take(1_000_000, 3_600_000)).toBe(0)
  expect(take(5, 3_600_500)).toBe(0)
})

test('the balance sheet is right at any instant of a line at full speed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-live-'))
  const line = await openDirectory({ directory, settings: { partitions: 3, cycleMs: 60_000, graceMs: 5_000 } })
  const engine = new Engine(line)
  try {
    await engine.start()
    const start = Date.UTC(2026, 0, 5, 8)
    const feed = new DemoFeed(engine, generate({ seed: 7, payments: 20_000, start }), start)
    let fed = false
    const feeding = feed
      .run(null, () => false)
      .then(() => {
        fed = true
      })
    const faults: string[] = []
    let between = 0
    for (let reads = 0; !fed && reads < 5_000; reads++) {
      const sheet = await sheetOf(engine, 0)
      faults.push(...sheet.faults)
      if (sheet.payments.received > 0) between++
      await sleep(1)
    }
    await feeding
    await engine.caughtUp()
    const sheet = await steadySheet(engine, 12.4)
    expect(faults).toEqual([])
    expect(between).toBeGreaterThan(20)
    expect(sheet.payments.settled).toBeGreaterThan(10_000)
    expect([sheet.balanced, sheet.payments.pending, sheet.eventsPerSecond]).toEqual([true, 0, 12])
  } finally {
    await engine.stop()
    await line.backend.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

const transaction: TransactionRecord = {
  producer: 'shop',
  payerAccount: 'ACC-1',
  transactionId: 'P1',
  kind: 'PAYMENT',
  occurredAt: 5,
  payerBank: 'bank-a',
  payeeAccount: 'SHOP',
  payeeBank: 'bank-b',
  merchant: null,
  amountMinor: 1230,
  currency: 'EUR',
  country: null,
  originalTransactionId: null,
  timePrecision: 'MILLISECOND',
}
const {
  payeeAccount: _a,
  merchant: _m,
  country: _c,
  originalTransactionId: _o,
  timePrecision: _t,
  ...decided
} = transaction
const decision = (outcome: DecisionRecord['outcome'], seq = 0): DecisionRecord => ({
  ...decided,
  task: 0,
  seq,
  logicalTime: 6,
  outcome,
  reasons: [],
  cycleStart: 1_000,
  late: false,
  score: 0,
  ruleVersion: '1',
  contributions: [],
  features: null,
})
const holdEvent = (
  event: HoldEventRecord['event'],
  seq: number,
  cycleStart: number | null = null,
): HoldEventRecord => ({
  task: 0,
  seq,
  logicalTime: 7,
  event,
  resolutionId: event === 'HELD' ? '' : 'R',
  by: '',
  why: '',
  reasons: [],
  notSettledElsewhere: false,
  producer: 'shop',
  payerAccount: 'ACC-1',
  transactionId: 'P1',
  originalCycleStart: 1_000,
  cycleStart,
  transaction: null,
})
const came = (outcome: 'ACCEPTED' | 'DUPLICATE' | 'CONFLICTING', seq: number): Life['outcomes'][0] => ({
  task: 0,
  seq,
  logicalTime: 6,
  outcome,
  firstSeenAt: null,
  transaction,
})
const cycles = { lengthMs: 1_000, settledThrough: 2_000 }

const hold = decision('HOLD')
/** What is known, the state that follows from it, and the cycle. */
const lives: [string, Partial<Life>, string, number | null][] = [
  ['in the log', { outcomes: [] }, 'queued', null],
  ['decided, its cycle settled', { decisions: [decision('APPROVE')] }, 'settled', 1_000],
  ['declined', { decisions: [decision('DECLINE')] }, 'declined', 1_000],
  ['held', { decisions: [hold], holdEvents: [holdEvent('HELD', 0)] }, 'held', 1_000],
  ['held, its event not seen yet', { decisions: [hold] }, 'held', 1_000],
  [
    'released into an open cycle',
    { decisions: [hold], holdEvents: [holdEvent('RELEASED', 1, 3_000)] },
    'pending',
    3_000,
  ],
  [
    'released into a settled one',
    { decisions: [hold], holdEvents: [holdEvent('RELEASED', 1, 1_000)] },
    'settled',
    1_000,
  ],
  ['rejected', { decisions: [hold], holdEvents: [holdEvent('REJECTED', 1)] }, 'declined', 1_000],
  [
    'refused, still held',
    { decisions: [hold], holdEvents: [holdEvent('HELD', 0), holdEvent('REFUSED', 1)] },
    'held',
    1_000,
  ],
]
test.each(lives)('state of a transaction: %s', (_, known, state, cycle) => {
  const life: Life = { outcomes: [came('ACCEPTED', 0)], decisions: [], holdEvents: [], queued: [transaction], ...known }
  const view = viewOf(life, cycles)
  expect([view?.state, view?.cycle?.start ?? null]).toEqual([state, cycle])
})

test('a record that came from the log and from the tables counts once; accounts are told apart', () => {
  const other = { ...came('ACCEPTED', 9), transaction: { ...transaction, payerAccount: 'ACC-2' } }
  const all: Life = {
    outcomes: [came('ACCEPTED', 0), came('DUPLICATE', 1), came('DUPLICATE', 1), came('CONFLICTING', 2), other],
    decisions: [decision('APPROVE'), decision('APPROVE')],
    holdEvents: [],
    queued: [],
  }
  const found = livesOf(all)
  expect([...found.keys()].sort()).toEqual(['ACC-1', 'ACC-2'])
  expect(viewOf(found.get('ACC-1') as Life, cycles)).toMatchObject({ duplicates: 1, conflicts: 1, state: 'settled' })
  expect(viewOf(found.get('ACC-2') as Life, cycles)).toMatchObject({ duplicates: 0, state: 'queued' })
})
