/**
 * What is explored: the protocol with all safeguards, and with each left out; how far; and what must be found there.
 *
 * Every row that must find something has its control: at the same bound the full protocol finds nothing.
 */
import type { Bound, Rules } from './rules.ts'
import type { Readers, troubles } from './safety.ts'

export interface Variant {
  /** The safeguards left out; none is the full protocol. */
  readonly without: readonly (keyof Rules)[]
  readonly bound: Bound
  readonly readers: Readers
  /**
   * `nothing`: every state is sound, from every state in which somebody lives the goal can be reached, every road ends.
   * A trouble: the search ends at the first state that has it. `stuck`, `endless`: sound, but not live.
   */
  readonly finds: 'nothing' | 'stuck' | 'endless' | (typeof troubles)[number]
  readonly because: string
}

const row = (
  without: Variant['without'],
  [events, faults]: [events: number, faults: number],
  readers: Readers,
  finds: Variant['finds'],
  because: string,
): Variant => ({ without, bound: { events, faults }, readers, finds, because })

// oxfmt-ignore
export const leftOut: readonly Variant[] = [
  row(['fenceFirst'],         [2, 0], 'all', 'output emitted twice',      'a plain takeover is enough: the predecessor commits after K was read'),
  row(['compareAndSet'],      [2, 1], 'all', 'state is not f(log[0, R))', 'a delta lands on a state that has fallen back'),
  row(['ownerEpoch'],         [3, 1], 'all', 'nothing',                   'not needed for safety: it only stops zombies early'),
  row(['validatedReads'],     [3, 1], 'all', 'wrong output value',        'a value is read cold after the store has fallen back'),
  row(['validatedReads'],     [2, 1], 'all', 'state is not f(log[0, R))', 'a successor\'s values are processed again, and stored'),
  row(['validatedReads'],     [3, 1], 'owned', 'wrong output value',        'the check of seq does not see values'),
  row(['stableRead'],         [2, 0], 'all', 'output emitted twice',      'K is read before the markers of an acknowledged commit are written'),
  row(['stableRead'],         [2, 1], 'owned', 'stuck',                     'owned readers drop the copies; but a K that is too low looks like R > K, and halts'),
  row(['indefiniteErrors'],   [2, 1], 'all', 'torn commit',               'the first EndTxn ends the transaction behind it (KAFKA-17754)'),
  row(['indefiniteErrors'],   [2, 1], 'owned', 'nothing',                   'owned readers drop what is made again'),
  row(['lostConnections'],    [2, 1], 'all', 'R > K',                     'after a crash the broker accepts the next transaction: that proves nothing to who did not notice'),
  row(['fencedStops'],        [2, 0], 'all', 'endless',                   'two owners fence each other for ever'),
  row(['idleProbe'],          [2, 1], 'all', 'stuck',                     'the store falls back and nothing arrives any more'),
  row(['haltsAsOwnerOnly'],   [2, 0], 'all', 'false alarm',               'fenced between its reads of K and R, a zombie sees R > K'),
  row(['serialisedAtCommit'], [2, 0], 'all', 'state is not f(log[0, R))', 'a later value travels with an earlier position'),
  row(['keepsChangedAgain'],  [5, 0], 'all', 'state is not f(log[0, R))', 'a value changed again is forgotten before it was sent'),
  row(['keepsChangedAgain'],  [5, 0], 'all', 'wrong output value',        'and read cold, as it was before'),
  row(['proofFirst'],         [2, 1], 'all', 'R > K',                     'the commit that the state has run ahead with is lost (KAFKA-20734)'),
  row(['proofFirst'],         [2, 1], 'owned', 'stuck',                     'and then the task halts, until an operator rebuilds its state'),
  row(['proofFirst'],         [3, 0], 'all', 'nothing',                   'without a fault an acknowledged commit is as good as a proven one'),
]

/** Every bound above, and two faults on one road. */
export const full: readonly Variant[] = (
  [
    [2, 0],
    [3, 0],
    [5, 0],
    [2, 1],
    [3, 1],
    [2, 2],
  ] as const
).map(([events, faults]) => row([], [events, faults], 'all', 'nothing', 'all safeguards'))
