/** The independent model keeps to the rows worked out by hand, and a wrong row would show. */
import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { defaultSettings } from '../../schemas/settings.ts'
import { murmur2, partitionOf } from '../model/murmur2.ts'
import { settle } from '../model/settle.ts'
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
