/**
 * The engine and the independent model agree on generated payments: every decision with its whole receipt, every
 * outcome, hold event, dead letter, settlement and instruction.
 */
import { describe, expect, it } from 'vitest'
import { generate, type Generated, type GeneratorOptions } from '../../intake/generator.ts'
import { firstRules } from '../../processors/rules.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { runLog } from '../model/run-log.ts'
import { resolutionsOf, serveLog, type Control } from '../model/serve-log.ts'
import { settle } from '../model/settle.ts'
import type { Condition, Rules } from '../model/types.ts'
import { audit, disagreements } from '../simulation/agree.ts'
import { runLine } from '../simulation/line.ts'

const troubled: Partial<GeneratorOptions> = {
  customers: 2_500,
  terminals: 3_000,
  paymentsPerSecond: 1,
  returnShare: 0.12,
  duplicateShare: 0.02,
  conflictShare: 0.01,
  lateShare: 0.01,
  badShare: 0.01,
  travelShare: 0.02,
  burstShare: 0.002,
  secondShare: 0.01,
  dayShare: 0.01,
}
const payments = (items: readonly Generated[]): number => items.filter(({ made }) => made === 'payment').length

/** Bounds of the sample: a run in which something never happened proves nothing of it. */
const happened = (counts: Record<string, number>, least: number): void => {
  const rare = Object.entries(counts).filter(([, count]) => count < least)
  expect(rare).toEqual([])
}

describe('the engine and the model', () => {
  it('agree on 55,000 payments of an import', async () => {
    const settings = { ...defaultSettings, partitions: 3 }
    const items = [...generate({ ...troubled, seed: 11, payments: 55_000 })]
    expect(payments(items)).toBeGreaterThanOrEqual(55_000)
    const rows = items.map(({ transaction }, row) =>
      row % 997 === 5 ? { file: 0, row, unreadable: 'column-count' } : { file: row % 2, row, transaction },
    )
    const log = runLog(rows, settings, { notAfter: Date.UTC(2026, 1, 1) })
    const model = settle(log, settings, firstRules)
    const { result } = await runLine(log, { settings })
    expect(disagreements(result, model)).toEqual([])
    expect(audit(result, log)).toEqual([])
    expect(model.balance).toMatchObject({ balanced: true, pending: 0 })
    happened(
      {
        duplicates: model.balance.duplicate,
        conflicts: model.balance.conflicting,
        held: model.balance.held,
        dead: model.balance.deadLetters,
      },
      100,
    )
    happened({ declined: model.balance.declined }, 20)
    expect(Object.keys(model.balance.currencies).length).toBeGreaterThanOrEqual(5)
  })

  it('agree on 55,000 payments as they arrive, with late ones, members, releases and rejections', async () => {
    const settings = { ...defaultSettings, partitions: 4 }
    const options = { ...troubled, seed: 12, payments: 55_000, disorderMs: 20_000, tooLateShare: 0.003 }
    const items = [...generate(options)]
    expect(payments(items)).toBeGreaterThanOrEqual(55_000)
    const banks = ['bank-01', 'bank-02', 'bank-03', 'bank-04', 'bank-05', 'bank-06', 'bank-07']
    const members = banks.map((bank) => ({
      bank,
      currencies: ['EUR', 'USD', 'GBP', 'CZK'],
      settlementAccount: `set-${bank}`,
    }))
    const list: Control = {
      at: Date.UTC(2026, 0, 5, 18),
      record: { type: 'memberList', version: '1', anyBank: false, members },
    }
    const anyBank: Control = {
      at: Date.UTC(2026, 0, 5, 19),
      record: { type: 'memberList', version: '2', anyBank: true, members: [] },
    }
    const logOf = (controls: readonly Control[]): ReturnType<typeof serveLog> =>
      serveLog(items, settings, {
        clock: 'WALL',
        tickMs: 1_000,
        ticksAfterMs: 400_000,
        controls: [list, anyBank, ...controls],
      })
    const first = settle(logOf([]), settings, firstRules)
    // Half within the hour, half when most entries are forgotten.
    const resolutions = resolutionsOf(first.holdEvents, 26 * 3_600_000)
    const log = logOf(resolutions)
    const model = settle(log, settings, firstRules)
    const { result } = await runLine(log, { settings })
    expect(disagreements(result, model)).toEqual([])
    expect(audit(result, log)).toEqual([])
    expect(model.balance.balanced).toBe(true)
    const events = (event: string): number => model.holdEvents.filter((one) => one.event === event).length
    const reasons = (reason: string): number => model.decisions.filter((d) => d.reasons.includes(reason)).length
    happened({ late: model.balance.late, released: events('RELEASED'), rejected: events('REJECTED') }, 100)
    happened(
      Object.fromEntries(
        ['tooLate', 'unknownParticipant', 'originalHeld', 'originalUnknown', 'returnCurrency', 'overReturn']
          .concat(['originalDeclined', 'velocity-minute', 'geo-velocity'])
          .map((reason) => [reason, reasons(reason)]),
      ),
      1,
    )
    happened({ refused: events('REFUSED') }, 10)
  })
  it('agree with strict rules and a horizon so short that identities come back', async () => {
    const settings = { ...defaultSettings, partitions: 2, dedupHorizonMs: 3_600_000, cycleMs: 60_000, graceMs: 5_000 }
    const items = [
      ...generate({
        ...troubled,
        seed: 13,
        payments: 12e3,
        customers: 300,
        terminals: 200,
        paymentsPerSecond: 0.5,
        disorderMs: 3e4,
        copyDelayMs: 3 * 36e5,
        returnDelayMs: 2 * 36e5,
        duplicateShare: 0.15,
      }),
    ]
    const logOf = (controls: readonly Control[]): ReturnType<typeof serveLog> =>
      serveLog(items, settings, { clock: 'SIMULATED', tickMs: 2_000, ticksAfterMs: 100_000, controls })
    const held = settle(logOf([]), settings, strict).holdEvents
    const log = logOf(resolutionsOf(held, 2 * 3_600_000))
    const model = settle(log, settings, strict)
    const { result } = await runLine(log, { settings, rules: strict })
    expect(disagreements(result, model)).toEqual([])
    expect(audit(result, log)).toEqual([])
    expect(model.balance.balanced).toBe(true)
    const identities = model.holdEvents
      .filter(({ event }) => event === 'HELD')
      .map((one) => `${one.producer} ${one.payerAccount} ${one.transactionId}`)
    const fired = new Set(model.decisions.flatMap((d) => d.reasons))
    expect([...fired]).toEqual(expect.arrayContaining(strict.rules.map(({ name }) => name)))
    happened({ again: identities.length - new Set(identities).size, declined: model.balance.declined }, 20)
  })
})

/** The shipped rules with thresholds that fire often. */
const strict: Rules = {
  version: 'strict',
  holdAt: 60,
  declineAt: 100,
  rules: firstRules.rules.map((rule) => ({
    ...rule,
    when: rule.when.map((condition): Condition => {
      const { feature, atLeast } = condition
      if (feature === 'payments1m') return { feature, atLeast: 2 }
      if (feature === 'payments1h') return { ...condition, atLeast: atLeast === undefined ? undefined : 3 }
      if (feature === 'merchants1h') return { feature, atLeast: 2 }
      if (feature === 'amount1d') return { feature, atLeast: 20_000 }
      if (feature === 'amountDeviation') return { feature, atLeast: 40 }
      if (feature === 'amountMinor' && atLeast === 900_000) return { feature, atLeast: 9_000 }
      if (feature === 'amountMinor' && atLeast === 10_000) return { feature, atLeast: 1_000 }
      if (feature === 'amountMinor') return { feature, atMost: 9_999 }
      return condition.atMostTimes ? { feature, atMostTimes: { feature: 'payments1h', factor: 5_000 } } : condition
    }),
  })),
}
