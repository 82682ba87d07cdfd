/**
 * Every state that the commit protocol can reach, within a bound: sound, and on its way to the goal. And every safeguard
 * left out once, which has to be found. `traces.txt` has what was found, in words; `npx vitest run test/protocol -u` writes it anew.
 */
import { describe, expect, it, test } from 'vitest'
import { explore, type Found, type Trouble } from './explore.ts'
import { fullProtocol, type Rules } from './rules.ts'
import { violations } from './safety.ts'
import type { State } from './state.ts'
import { full, leftOut, type Variant } from './variants.ts'

/** SLUICE_MODEL=3,2 npx vitest run test/protocol looks at 3 events and 2 faults instead of the bounds of the table. */
const larger = process.env.SLUICE_MODEL?.split(',').map(Number)

const seen = new Map<Variant, Found>()

/** Explored once, whichever tests ask. */
function found(variant: Variant): Found {
  const { without, bound, readers, finds } = variant
  const known = seen.get(variant)
  if (known !== undefined) return known
  const rules: Rules = { ...fullProtocol, ...Object.fromEntries(without.map((rule) => [rule, false])) }
  const searched = ['nothing', 'stuck', 'endless'].includes(finds) ? '' : `${finds}:`
  const wrong = (state: State): string | null =>
    violations(state, readers)?.find((sentence) => sentence.startsWith(searched)) ?? null
  const now = explore({ rules, bound, wrong })
  seen.set(variant, now)
  return now
}

const titleOf = ({ without, bound, readers }: Variant): string => {
  const rules = without.length === 0 ? 'all safeguards' : `without ${without.join(', ')}`
  return `${rules}, ${bound.events} events, faults <= ${bound.faults}, for ${readers} readers`
}

const verdictOf = ({ wrong, stuck, endless }: Found): string => {
  if (wrong !== null) return wrong.why.slice(0, wrong.why.indexOf(': '))
  return stuck !== null ? 'stuck' : endless !== null ? 'endless' : 'nothing'
}

describe('with all safeguards nothing is found', () => {
  const variants = larger === undefined ? full : [{ ...full[0], bound: { events: larger[0], faults: larger[1] } }]
  test.each(variants.map((variant) => [titleOf(variant), variant] as const))('%s', (_, variant) => {
    const { states, ...troubles } = found(variant)
    expect(troubles).toEqual({ wrong: null, stuck: null, endless: null })
    expect(states).toBeGreaterThan(1000)
  })
})

describe.skipIf(larger !== undefined)('without one', () => {
  test.each(leftOut.map((variant) => [titleOf(variant), variant.finds, variant] as const))(
    '%s: %s',
    (_, finds, variant) => {
      expect(verdictOf(found(variant))).toBe(finds)
      const control = ({ bound }: Variant): boolean =>
        bound.events === variant.bound.events && bound.faults === variant.bound.faults
      expect(full.some(control)).toBe(true)
    },
  )

  it('each is left out in one row at least', () => {
    expect(new Set(leftOut.flatMap(({ without }) => without))).toEqual(new Set(Object.keys(fullProtocol)))
  })
})

/** What happens on some road with all safeguards: the bounds are not so small that the fault does nothing. */
const lostTransactions: [what: string, is: (state: State) => boolean][] = [
  ['outputs are in the log and invisible', ({ log }) => log.orphans.length > 0],
  ['a foreign reader sees an output twice', ({ log }) => twice(log.visible.map(({ seq }) => seq))],
  ['an owned reader is ahead of K', ({ log }) => log.visible.some(({ seq }) => seq >= log.committed)],
  [
    'everything is made again, and K = R = N',
    ({ log, store }) => log.lost && log.committed === 2 && store.position === 2,
  ],
]
const twice = (seqs: readonly number[]): boolean => new Set(seqs).size < seqs.length

const reached = ([what, is]: (typeof lostTransactions)[number]): Trouble | null =>
  explore({ rules: fullProtocol, bound: { events: 2, faults: 1 }, wrong: (state) => (is(state) ? what : null) }).wrong

describe.skipIf(larger !== undefined)('an acknowledged transaction is lost:', () => {
  test.each(lostTransactions)('%s', (...row) => {
    const trace = reached(row)?.trace ?? []
    expect(trace.filter((step) => step.startsWith('FAULT'))).toEqual([
      'FAULT the broker crashes and loses the markers of an acknowledged transaction',
    ])
  })
})

it.skipIf(larger !== undefined)('what is found stands in traces.txt', async () => {
  const told = ({ why, trace }: Trouble): string => [...trace, `=> ${why}`].map((line) => `  ${line}\n`).join('')
  const sections = [...full, ...leftOut].map((variant) => {
    const { states, wrong, stuck, endless } = found(variant)
    const trouble = wrong ?? stuck ?? endless
    const size = `${states.toLocaleString('en-US')} states`
    const heading = `${titleOf(variant)} (${variant.because})\n  ${size}: ${trouble === null ? 'nothing found' : variant.finds}\n`
    return trouble === null ? heading : heading + told(trouble)
  })
  const lost = lostTransactions.map((row) => `an acknowledged transaction is lost: ${row[0]}\n${told(reached(row)!)}`)
  const opening =
    'What the explored model finds, with all safeguards and with each left out; written by model.test.ts.\n'
  await expect([opening, ...sections, ...lost].join('\n')).toMatchFileSnapshot('traces.txt')
})
