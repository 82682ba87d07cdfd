/** What an observer is told is what the topics then hold: batch by batch, and a watched task computes the same. */
import { describe, expect, it } from 'vitest'
import { topics } from '../../schemas/topics.ts'
import { openMemory } from '../../streams/memory/index.ts'
import type { BatchSeen, CommitSeen, DeltaSeen, Recovery, TaskObserver } from '../../streams/observer.ts'
import type { TestDriver } from '../../streams/testing.ts'
import { input, lineOn, send } from './distributed-child/line.ts'

interface Seen {
  readonly phases: [string, string][]
  readonly batches: [string, BatchSeen][]
  readonly commits: [string, CommitSeen][]
  readonly deltas: [string, DeltaSeen][]
  readonly recoveries: [string, Recovery][]
  readonly refused: [string, string][]
}

function watching(): { observer: TaskObserver; seen: Seen } {
  const seen: Seen = { phases: [], batches: [], commits: [], deltas: [], recoveries: [], refused: [] }
  const observer: TaskObserver = {
    phase: (task, phase) => seen.phases.push([task, phase]),
    recovered: (task, recovery) => seen.recoveries.push([task, recovery]),
    fetched: () => {},
    processed: (task, batch) => seen.batches.push([task, batch]),
    committed: (task, commit) => seen.commits.push([task, commit]),
    applied: (task, delta) => seen.deltas.push([task, delta]),
    refused: (task, what) => seen.refused.push([task, what]),
  }
  return { observer, seen }
}

const sum = (of: readonly [string, BatchSeen][], what: (batch: BatchSeen) => number): number =>
  of.reduce((all, [, batch]) => all + what(batch), 0)

async function ran(observer?: TaskObserver): Promise<TestDriver> {
  const driver = lineOn(openMemory(), undefined, observer)
  await driver.create()
  await send(driver, input(), 0, Infinity)
  await driver.run()
  return driver
}

describe('an observer of the payments line', () => {
  it('is told what the topics then hold', async () => {
    const { observer, seen } = watching()
    const driver = await ran(observer)
    const source = seen.batches.filter(([task]) => task.startsWith('payments-'))
    const outcomes = await driver.read(topics.transactionOutcomes.name)
    const of = (outcome: string): number => outcomes.filter(({ value }) => value.outcome === outcome).length
    const dead = (await driver.read(topics.deadLetters.name)).filter(({ type }) => type === 'dead-letter.v1')
    expect(sum(source, ({ duplicates }) => duplicates)).toBe(of('DUPLICATE'))
    expect(sum(source, ({ duplicates }) => duplicates)).toBeGreaterThan(0)
    expect(sum(source, ({ conflicting }) => conflicting)).toBe(of('CONFLICTING'))
    expect(sum(source, ({ received }) => received)).toBe(
      driver.tasks.slice(0, -1).reduce((n, t) => n + t.processor.received, 0),
    )
    const reasons = new Map<string, number>()
    for (const [, { deadLetters }] of source) {
      for (const [reason, count] of deadLetters) reasons.set(reason, (reasons.get(reason) ?? 0) + count)
    }
    expect([...reasons.values()].reduce((a, b) => a + b, 0)).toBe(dead.length)
    const decisions = (await driver.read(topics.decisions.name)).filter(({ type }) => type === 'decision.v1')
    expect(sum(source, ({ written }) => written.get(topics.decisions.name) ?? 0)).toBe(decisions.length)
    expect(sum(source, ({ late }) => late)).toBe(decisions.filter(({ value }) => value.late === true).length)
  })

  it('hears every row once, in the order of the log, and the commit and the delta that follow', async () => {
    const { observer, seen } = watching()
    const driver = await ran(observer)
    for (const task of driver.tasks) {
      const mine = <T>(all: readonly [string, T][]): T[] =>
        all.filter(([name]) => name === task.name).map(([, one]) => one)
      const batches = mine(seen.batches)
      expect(batches.map(({ from }) => from)).toEqual([0, ...batches.slice(0, -1).map(({ to }) => to)])
      expect(mine(seen.commits).map(({ position }) => position)).toEqual(batches.map(({ to }) => to))
      // What the settlement task reads was accepted by nobody: its timestamps are logical time.
      const aged = mine(seen.commits).filter((one) => one.newestAcceptedAt >= one.oldestAcceptedAt)
      expect(aged.length).toBe(task.name === 'settlement-0' ? 0 : batches.length)
      const deltas = mine(seen.deltas)
      expect(deltas.map(({ from }) => from)).toEqual([0, ...deltas.slice(0, -1).map(({ to }) => to)])
      expect(deltas.at(-1)?.to).toBe(task.committed)
      for (const { bytes, entries } of deltas) expect(bytes).toBeGreaterThan(entries)
      expect(mine(seen.phases)).toEqual(['created', 'recovering'])
    }
  })

  it('changes nothing', async () => {
    const watched = await ran(watching().observer)
    const alone = await ran()
    expect(watched.digests()).toEqual(alone.digests())
  })

  it('hears of a recovery, and its rows not as work', async () => {
    const driver = await ran()
    const { observer, seen } = watching()
    const again = lineOn(driver.backend, undefined, observer)
    await driver.backend.state.drop('payments-0')
    await again.run()
    const recovery = new Map(seen.recoveries).get('payments-0')
    expect(recovery).toMatchObject({ stored: 0, logStart: 0, committed: driver.tasks[0].committed })
    expect(recovery?.reprocessed).toBe(driver.tasks[0].committed)
    expect(seen.batches).toEqual([])
    expect(seen.refused).toEqual([])
  })

  it('hears when a stored state is not where it was left', async () => {
    const { observer, seen } = watching()
    const driver = lineOn(openMemory(), undefined, observer)
    await driver.create()
    const log = input()
    await send(driver, log, 0, 1000)
    await driver.run()
    await send(driver, log, 1000, 2000)
    const [task] = driver.tasks
    await driver.backend.state.drop(task.name)
    await expect(task.catchUp()).rejects.toThrow('SLUICE_STATE_MOVED')
    // Whichever comes first: a read of what is not in memory, or the next delta.
    expect([`${task.name} read-moved`, `${task.name} delta-moved`]).toContain(
      seen.refused.map((one) => one.join(' ')).join(),
    )
  })
})
