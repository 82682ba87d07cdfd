/** The independent model keeps to the rows worked out by hand, and a wrong row would show. */
import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { generate } from '../../intake/generator.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { murmur2, partitionOf } from '../model/murmur2.ts'
import { runLog } from '../model/run-log.ts'
import { resolutionsOf, serveLog, type Control, type ServeOptions } from '../model/serve-log.ts'
import { settle, type ModelResult } from '../model/settle.ts'
import { differences } from '../model/worked-differences.ts'
import { workedExamples } from '../model/worked-examples.ts'

const text = readFileSync('docs/worked-examples.md', 'utf8')
const examples = workedExamples(text)

describe('the worked examples, by the model', () => {
  test.each(examples.map((example) => [`${example.code} ${example.title}`, example] as const))('%s', (_, example) => {
    const result = settle(example.log, example.settings, example.rules)
    expect(differences(example, result)).toEqual([])
    expect(result.balance.balanced).toBe(true)
  })

  it('are as many as promised', () => {
    expect(examples.reduce((sum, example) => sum + example.rows.length, 0)).toBeGreaterThan(100)
  })

  it('would show a row that is wrong', () => {
    const wrong = [
      ['payments1m=2 amount1m=1500', 'payments1m=3 amount1m=1500', 'F1.2'],
      ['DUPLICATE of 12:01:00', 'DUPLICATE of 12:02:00', 'V1.8'],
      ['HELD R2 overReturn', 'HELD R2 originalHeld', 'V2.6'],
      ['REJECTED P2, REJECTED R2', 'REJECTED P2', 'V3'],
      ['bank-c receives 60.00', 'bank-c receives 61.00', 'N1'],
      ['DEAD misrouted-key', 'APPROVE', 'L1'],
      ['APPROVE; late; cycle 12:15', 'APPROVE; cycle 12:15', 'T1.7'],
      ['settled 2, pending 0', 'settled 1, pending 1', 'N3'],
    ]
    for (const [right, other, where] of wrong) {
      expect(text).toContain(right)
      const found = workedExamples(text.replace(right, other)).flatMap((example) =>
        differences(example, settle(example.log, example.settings, example.rules)),
      )
      expect(found.join('\n')).toContain(where)
    }
  })
})

describe('the model alone', () => {
  // Vectors of Kafka's own UtilsTest.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('murmur2 of %s', (text, hash) => {
    expect(murmur2(text)).toBe(hash)
    expect(partitionOf(text, 7)).toBe((hash & 0x7fffffff) % 7)
  })

  it('keeps the 64 counterparties seen last, and says 64 when there are more', () => {
    const example = examples.find(({ code }) => code === 'F6')!
    const [first] = example.log[0]
    if (first.type !== 'transaction') throw new Error('F6 begins with a payment')
    const log = Array.from({ length: 70 }, (_, i) => ({
      ...first,
      acceptedAt: first.acceptedAt + i * 1000,
      transaction: {
        ...first.transaction,
        transactionId: `P${i}`,
        payeeAccount: `payee-${i}`,
        occurredAt: first.transaction.occurredAt + i * 1000,
      },
    }))
    const { decisions } = settle([log], { ...defaultSettings, partitions: 1 }, example.rules)
    const counts = decisions.map((d) => d.features?.counterparties1h)
    expect(counts.slice(0, 64)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1))
    expect(counts.slice(64)).toEqual(Array.from({ length: 6 }, () => 64))
    expect(decisions.at(-1)?.features?.counterparties1m).toBe(60)
  })
})

describe('the model on generated payments', () => {
  const items = [
    ...generate({
      seed: 7,
      payments: 15_000,
      customers: 1000,
      terminals: 1500,
      paymentsPerSecond: 0.5,
      returnShare: 0.15,
      duplicateShare: 0.03,
      conflictShare: 0.01,
      disorderMs: 20_000,
      lateShare: 0.01,
      tooLateShare: 0.005,
      badShare: 0.01,
      travelShare: 0.02,
      burstShare: 0.002,
      dayShare: 0.01,
    }),
  ]
  const { rules } = examples.find(({ code }) => code === 'R1')!
  const sorted = (partitions: number): ModelResult => {
    const settings = { ...defaultSettings, partitions }
    const rows = items.map(({ transaction }, row) => ({ file: 0, row, transaction }))
    return settle(runLog(rows, settings, { notAfter: Date.UTC(2026, 1, 1) }), settings, rules)
  }

  /** What does not depend on the number of partitions when nothing is late and nothing released. */
  const sets = (result: ModelResult): unknown => [
    result.decisions.map((decision) => JSON.stringify({ ...decision, task: 0, logicalTime: 0 })).sort(),
    result.settlements,
    result.instructions,
    result.balance,
  ]

  it('balances, and says the same for 1, 3 and 8 partitions', () => {
    const one = sorted(1)
    expect(one.balance).toMatchObject({ balanced: true, late: 0, pending: 0, received: items.length })
    for (const partitions of [3, 8]) expect(sets(sorted(partitions))).toEqual(sets(one))
  })

  it('balances in order of arrival, with late ones, releases, rejections and a member list', () => {
    const settings = { ...defaultSettings, partitions: 3 }
    const allButOne = ['bank-01', 'bank-02', 'bank-03', 'bank-04', 'bank-05', 'bank-06', 'bank-07'].map((bank) => ({
      bank,
      currencies: ['EUR', 'USD', 'GBP', 'CZK'],
      settlementAccount: `set-${bank}`,
    }))
    const list: Control = {
      at: Date.UTC(2026, 0, 5, 18),
      record: { type: 'memberList', version: '1', anyBank: false, members: allButOne },
    }
    const serve = (controls: Control[]): ModelResult => {
      const options: ServeOptions = {
        clock: 'WALL',
        tickMs: 1000,
        ticksAfterMs: 400_000,
        controls: [list, ...controls],
      }
      return settle(serveLog(items, settings, options), settings, rules)
    }
    const first = serve([])
    const { balance, holdEvents, decisions } = serve(resolutionsOf(first.holdEvents, 3_600_000))
    expect(balance.balanced).toBe(true)
    expect(balance.late).toBeGreaterThan(100)
    expect(balance.held).toBeLessThan(first.balance.held)
    const happened = new Set([
      ...holdEvents.map(({ event }) => event as string),
      ...decisions.flatMap((d) => d.reasons),
    ])
    const all =
      'HELD RELEASED REJECTED REFUSED tooLate unknownParticipant originalHeld originalUnknown returnCurrency ' +
      'overReturn originalDeclined'
    for (const what of all.split(' ')) {
      expect([...happened]).toContain(what)
    }
  })
})
