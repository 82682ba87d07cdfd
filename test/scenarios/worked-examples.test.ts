/** The engine keeps to every row worked out by hand in docs/worked-examples.md. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { settle } from '../model/settle.ts'
import { differences } from '../model/worked-differences.ts'
import { workedExamples } from '../model/worked-examples.ts'
import { runLine } from '../simulation/line.ts'

const examples = workedExamples(readFileSync('docs/worked-examples.md', 'utf8'))

describe('the worked examples, by the engine', () => {
  test.each(examples.map((example) => [`${example.code} ${example.title}`, example] as const))(
    '%s',
    async (_, example) => {
      const { settings, rules, log } = example
      const { result } = await runLine(log, { settings, rules })
      // The balance is added up by whoever runs the line; here the model's stands in.
      const { balance } = settle(log, settings, rules)
      expect(differences(example, { ...result, balance: { ...balance } })).toEqual([])
    },
  )
})
