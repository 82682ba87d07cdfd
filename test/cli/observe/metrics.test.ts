/** Metrics say what the line did: promtool accepts them, their values are those of the topics and of the balance sheet. */
import { beforeAll, describe, expect, it } from 'vitest'
import { openObservation, type Observation } from '../../../cli/observe/index.ts'
import { metricTable, type MetricSpec } from '../../../cli/observe/table.ts'
import { topics } from '../../../schemas/topics.ts'
import { openMemory } from '../../../streams/memory/index.ts'
import type { TestDriver } from '../../../streams/testing.ts'
import { promtool, promtoolMissing } from '../../lib/promtool.ts'
import { input, lineOn, send } from '../../streams/distributed-child/line.ts'
import { quiet } from './quiet.ts'

let driver: TestDriver
let observation: Observation
let text = ''

/** The value of a series; its labels in the order of the text. */
const value = (series: string): number => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  if (line === undefined) throw new Error(`no series ${series}`)
  return Number(line.slice(series.length + 1))
}
/** The sum over all series of a metric whose labels contain a text. */
const sum = (metric: string, having = ''): number =>
  text
    .split('\n')
    .filter((line) => (line.startsWith(`${metric}{`) || line.startsWith(`${metric} `)) && line.includes(having))
    .reduce((all, line) => all + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)

beforeAll(async () => {
  observation = await openObservation(quiet, { role: 'test', version: '1.2.3', logicVersion: '1', write: () => {} })
  driver = lineOn(openMemory(), undefined, observation.observer)
  await driver.create()
  await send(driver, input(), 0, Infinity)
  observation.attach({
    backend: driver.backend,
    spare: { topic: topics.transactions.name, partition: 0 },
    tasks: () => driver.tasks,
    balanced: () => Promise.resolve(true),
  })
  await driver.run()
  ;({ text } = await observation.metrics())
})

describe('metrics', () => {
  it.skipIf(promtoolMissing !== null)(`are what promtool expects${promtoolMissing ?? ''}`, () => {
    expect(promtool(['check', 'metrics'], text)).toEqual({ code: 0, said: '' })
  })

  it('are those of the table, each with its help', () => {
    for (const [name, { help, kind }] of Object.entries(metricTable) as [string, MetricSpec][]) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`)
      expect(name).toMatch(/^sluice_[a-z0-9_]+$/)
      expect(name.endsWith('_total')).toBe(kind === 'counter')
    }
  })

  it('count what the topics hold', async () => {
    const outcomes = (await driver.read(topics.transactionOutcomes.name)).filter(({ type }) => type !== 'mark.v1')
    const duplicates = outcomes.filter(({ value: { outcome } }) => outcome === 'DUPLICATE').length
    expect(duplicates).toBeGreaterThan(0)
    expect(sum('sluice_duplicate_records_total')).toBe(duplicates)
    expect(sum('sluice_payments_received_total', 'novelty="duplicate"')).toBe(duplicates)
    expect(sum('sluice_records_produced_total', 'topic="transaction-outcomes"')).toBe(outcomes.length)
    expect(sum('sluice_process_total', 'task="payments')).toBe(outcomes.length)
    for (const { name, committed } of driver.tasks) {
      expect(sum('sluice_records_consumed_total', `task="${name}"`)).toBe(committed)
    }
    const settlements = (await driver.read(topics.settlements.name)).filter(({ type }) => type === 'settlement.v1')
    const gross = settlements
      .filter(({ value: { currency } }) => currency === 'EUR')
      .reduce((all, one) => all + Number(one.value.gross), 0)
    expect(sum('sluice_amount_settled_minor_total', 'currency="EUR",what="gross"')).toBe(gross)
    expect(gross).toBeGreaterThan(0)
  })

  it('say where each task stands', () => {
    for (const { name, committed, stored } of driver.tasks) {
      expect(value(`sluice_task_committed_offset{task="${name}"}`)).toBe(committed)
      expect(value(`sluice_task_stored_offset{task="${name}"}`)).toBe(stored)
      expect(value(`sluice_task_lag_records{task="${name}"}`)).toBe(0)
      expect(value(`sluice_task_recovery_headroom_records{task="${name}"}`)).toBe(stored)
    }
    expect(value('sluice_service_up{service="log"}')).toBe(1)
    expect(value('sluice_service_up{service="state"}')).toBe(1)
    expect(value('sluice_balanced')).toBe(1)
  })

  it('time every batch, commit and delta', () => {
    const batches = value('sluice_process_duration_seconds_count{task="payments-0"}')
    expect(batches).toBeGreaterThan(5)
    expect(value('sluice_commit_duration_seconds_count{task="payments-0"}')).toBe(batches)
    expect(value('sluice_delta_duration_seconds_count{task="payments-0"}')).toBeGreaterThan(1)
    expect(value('sluice_delta_bytes_total{task="payments-0"}')).toBeGreaterThan(100_000)
  })

  it('say nothing of what this process does not know', async () => {
    const worker = await openObservation(quiet, { role: 'worker', version: '1', logicVersion: '1', write: () => {} })
    worker.attach({ backend: driver.backend, spare: { topic: topics.transactions.name, partition: 0 } })
    const samples = (await worker.metrics()).text.split('\n').filter((line) => line.startsWith('sluice_'))
    // Nothing that an alert could take for a fault: no balance, no tick, no lag.
    expect(samples.filter((line) => /balanced|ticker|lag|held|sink|task/.test(line))).toEqual([])
    expect(samples).toContain('sluice_ready 1')
    await worker.close()
  })

  it('do not grow with what a record says', () => {
    const unreadable = (reason: string) => ({ deadLetters: new Map([[reason, 1]]) })
    const batch = {
      from: 0,
      to: 1,
      rows: 1,
      received: 1,
      late: 0,
      duplicates: 0,
      conflicting: 0,
      dropped: 0,
      written: new Map<string, number>(),
      ms: 1,
      loadMs: 0,
    }
    for (let n = 0; n < 50; n++)
      observation.observer.processed('payments-0', { ...batch, ...unreadable(`made up ${n}`) })
    return observation.metrics().then((after) => {
      const series = after.text
        .split('\n')
        .filter((line) => line.startsWith('sluice_dead_letters_total{') && !line.endsWith(' 0'))
      expect(series.filter((line) => line.includes('payments-0'))).toEqual([
        'sluice_dead_letters_total{task="payments-0",reason="other"} 50',
      ])
    })
  })
})
