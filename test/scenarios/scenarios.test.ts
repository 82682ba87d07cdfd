/** What becomes of payments, as tables; each is run line by line, restarted after every line, and as one log. */
import { describe, expect, it, test } from 'vitest'
import { differences, table, type Manner } from './table.ts'
import { cycles } from './tables-cycles.ts'
import { holds } from './tables-holds.ts'

const scenarios = { ...cycles, ...holds }

const manners: Manner[] = ['line by line', 'restarted after every line', 'as one log']

describe.each(manners)('%s', (manner) => {
  test.each(Object.entries(scenarios))('%s', async (_, text) => {
    expect(await differences(table(text), manner)).toEqual([])
  })
})

it('a wrong table shows', async () => {
  const [first] = Object.values(scenarios)
  const wrong: [string, string, string][] = [
    ['duplicate of 12:00:01', 'approved', "expected 'approved'"],
    ['bank-a pays 60.00', 'bank-a pays 60.01', "was 'settle 12:00 EUR: bank-a pays 60.00"],
    ['40.00 EUR', '40.00 EUR\n held tooLate', "expected 'held tooLate'"],
    ['duplicate of 12:00:01', '', "expected 'approved'"],
  ]
  for (const [right, other, said] of wrong) {
    expect(first).toContain(right)
    const found = await differences(table(first.replace(right, other)), 'line by line')
    expect(found.join('\n')).toContain(said)
    for (const manner of manners) {
      expect((await differences(table(first.replace(right, other)), manner)).length).toBeGreaterThan(0)
    }
  }
})
