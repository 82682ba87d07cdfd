/**
 * What must hold in every state, in the words of the promise.
 *
 * As long as no acknowledged transaction was lost, for every reader of committed records:
 * - what it sees is out(log[0, K)), in order, each once, with the values that the log gives (I1);
 * - the stored state is f(log[0, R)), also after falling back (I2), and R <= K (I3).
 *
 * When an acknowledged transaction was lost (KAFKA-20734) no protocol of ours can keep I1 for every reader: K falls
 * back, the outputs are made again, and the marker that shows the second copy shows the first one too. What holds then:
 * - R <= K, and the stored state is f(log[0, R)): so recovery is the same as ever, and nothing is skipped;
 * - an owned reader, which drops a seq that is not above its last, has an exact view: out(log[0, M)) without gap, each
 *   once, M >= K (M > K while outputs that it has seen are still to be made again, which it will drop);
 * - a foreign reader may see an output twice. Both copies have the same seq and the same value: (source, topic, seq) is
 *   the idempotency key. Until they are made again, outputs that were acknowledged may be invisible.
 */
import { keyIndex, valueAt } from './rules.ts'
import { decidedPosition, type Output, type State } from './state.ts'

/** `all`: judged for all readers of committed records; `owned`: for readers that check seq, whatever the log does. */
export type Readers = 'all' | 'owned'

/** What is wrong with a state, as one sentence each; null when nothing is. Sentences begin with one of `troubles`. */
export function violations(state: State, readers: Readers): string[] | null {
  const found = [ofValues(state), ofOutputs(state, readers), ofState(state)]
  if (readers === 'all') found.push(ofPositions(state))
  const wrong = found.filter((sentence) => sentence !== null)
  return wrong.length === 0 ? null : wrong
}

export const troubles = [
  'wrong output value',
  'output emitted twice',
  'output missing',
  'torn commit',
  'state is not f(log[0, R))',
  'R > K',
  'false alarm',
] as const

type Sentence = `${(typeof troubles)[number]}: ${string}`

function ofValues({ log }: State): Sentence | null {
  const wrong = log.visible.find(({ seq, value }) => value !== valueAt(keyIndex(seq), seq))
  return wrong === undefined ? null : `wrong output value: output ${wrong.seq} says ${wrong.value}`
}

function ofOutputs({ log }: State, readers: Readers): Sentence | null {
  const { visible, committed } = log
  const strict = readers === 'all' && !log.lost
  let next = 0
  for (const { seq } of visible) {
    if (seq > next) return `output missing: readers see ${seqs(visible)}`
    if (seq === next) next++
    else if (strict) return `output emitted twice: readers see ${seqs(visible)}`
  }
  if (strict ? next === committed : next >= committed) return null
  return `torn commit: readers see ${next === 0 ? 'nothing' : seqs(visible)}, K = ${committed}`
}

function ofState({ store }: State): Sentence | null {
  const { position, values } = store
  if (values[0] === valueAt(0, position) && values[1] === valueAt(1, position)) return null
  return `state is not f(log[0, R)): R = ${position}, values ${values.join(' and ')}`
}

function ofPositions({ log, store, owners }: State): Sentence | null {
  const [k, r] = [decidedPosition(log), store.position]
  if (r > k) return `R > K: R = ${r}, K = ${k}`
  const halted = owners.findIndex(({ phase }) => phase === 'halted')
  return halted < 0 ? null : `false alarm: P${halted + 1} halts because of R > K, but R = ${r}, K = ${k}`
}

const seqs = (visible: readonly Output[]): string => visible.map(({ seq }) => seq).join(', ')
