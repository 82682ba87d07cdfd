/**
 * The nine safeguards of the commit protocol, each left out of the code that runs: the simulator has to report every one.
 *
 * What is broken is the seam (a backend that does not keep its rules) or, where the task itself is the safeguard, the task.
 * The world around it behaves as Kafka and Redis do when they fail: see broker.ts. With all of them the same world reports
 * nothing.
 */
import { describe, expect, it, test } from 'vitest'
import { duel, quiet } from './duel.ts'
import { mutants } from './mutants.ts'
import { simulate, type Simulation } from './simulator.ts'

interface Row {
  readonly safeguard: string
  readonly broken: string
  readonly how: Omit<Simulation, 'seed'>
  /** Something to put wrong before, and right again after. */
  readonly install?: () => () => void
  readonly reported: RegExp
}

const [COPIES, WRONG, AHEAD, NOT_THE_SAME] = [
  /expected \d+, found \d+|the line has more/,
  /the model says|another digest|is not/,
  /SLUICE_STATE_AHEAD|a state stands for more/,
  /SLUICE_NOT_DETERMINISTIC/,
]
const any = (...patterns: RegExp[]): RegExp => new RegExp(patterns.map(({ source }) => source).join('|'))

// oxfmt-ignore
const rows: readonly Row[] = [
  { safeguard: '1 fence first, then read K and R', broken: 'K is read, then the fence is asked for',           how: { kafka: { readsBeforeFence: true } },                        reported: any(COPIES, NOT_THE_SAME, AHEAD) },
  { safeguard: '2 a delta is a compare-and-set',   broken: 'it is applied whatever R is',                      how: { kafka: {}, faulty: { noCas: true } },                       reported: any(WRONG, NOT_THE_SAME) },
  { safeguard: '2 and of its owner',               broken: 'it is applied whatever R and whoever the owner is', how: { kafka: {}, faulty: { noCas: true, noEpoch: true } },        reported: any(WRONG, NOT_THE_SAME) },
  { safeguard: '3 reads are validated',            broken: 'a read says the R that its owner expects',         how: { kafka: {}, faulty: { staleHeader: true } },                 reported: any(WRONG, NOT_THE_SAME) },
  { safeguard: '4 K is read stable',               broken: 'the fence does not wait for markers',              how: { kafka: { readsUnstable: true }, trouble: 3 },                           reported: any(COPIES, AHEAD, NOT_THE_SAME) },
  { safeguard: '5 no second EndTxn in an epoch',   broken: 'an EndTxn without an answer is sent again',        how: { kafka: { endsAgain: true }, trouble: 4 },                               reported: any(COPIES, NOT_THE_SAME) },
  { safeguard: '7 a delta is serialised at once',  broken: 'it is serialised after the next step',             how: { kafka: {} },                                                reported: any(WRONG, NOT_THE_SAME),
    install: mutants['serialises a delta after later steps have touched the state'].install },
  { safeguard: '8 a delta follows the proof',      broken: 'an acknowledged commit counts as proven',          how: { kafka: { provenAtOnce: true, losesMarkers: true } },        reported: AHEAD },
  { safeguard: '9 a filter covers what it says',   broken: 'the last blob of every bucket is not loaded',      how: { kafka: {}, faulty: { gapInLists: true } },                  reported: any(WRONG, NOT_THE_SAME) },
]

/** The first seed that reports it; SLUICE_SEEDS looks longer. */
const most = Math.max(150, Number(process.env.SLUICE_SEEDS ?? 0))
const all = Number(process.env.SLUICE_SEEDS ?? 20)

describe('without one of the nine safeguards', () => {
  test.each(rows)('$safeguard: $broken', async ({ how, install, reported }) => {
    const restore = install?.()
    try {
      for (let seed = 1; seed <= most; seed++) {
        const [first] = (await simulate({ ...how, seed })).troubles
        if (first === undefined) continue
        expect(first).toMatch(reported)
        return
      }
      expect.unreachable(`nothing was reported in ${most} seeds`)
    } finally {
      restore?.()
    }
  })

  it('6 a fenced owner stops: one that comes back at once fences the other for ever', async () => {
    expect(await duel('comes back at once')).toMatchObject({ ended: false })
    expect(await duel('stops and rejoins')).toMatchObject({ ended: true })
  })

  it('6 an idle owner looks at the header: one that does not leaves the state behind for ever', async () => {
    expect(await quiet({ blindProbe: true })).toMatchObject({ noticed: false })
    const { noticed, stored, committed } = await quiet({})
    expect({ noticed, stored }).toEqual({ noticed: true, stored: committed })
  })
})

describe('with all nine', () => {
  it(`the same world reports nothing (${all} seeds)`, async () => {
    const happened = new Map<string, number>()
    for (let seed = 1; seed <= all; seed++) {
      const simulated = await simulate({ seed, kafka: {} })
      expect({ seed, troubles: simulated.troubles }).toEqual({ seed, troubles: [] })
      for (const [what, count] of simulated.happened) happened.set(what, (happened.get(what) ?? 0) + count)
    }
    if (all < 20) return
    const often = ['asleep at read-state', 'brokers crashed', 'given up by the coordinator', 'late delta', 'fenced']
    expect(often.filter((what) => (happened.get(what) ?? 0) < 1)).toEqual([])
  })

  it(`nor does one that loses the markers of acknowledged transactions, to readers who drop copies (${all} seeds)`, async () => {
    let lost = 0
    for (let seed = 1; seed <= all; seed++) {
      const simulated = await simulate({ seed, kafka: { losesMarkers: true } })
      expect({ seed, troubles: simulated.troubles }).toEqual({ seed, troubles: [] })
      lost += simulated.happened.get('markers lost') ?? 0
    }
    expect(lost).toBeGreaterThan(0)
  })
})
