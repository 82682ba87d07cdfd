/** Questions about a graph of states that is too large for objects: what cannot reach a goal, and what goes round. */

/** A list of integers that grows; a plain array of this length costs too much memory. */
export class Integers {
  values = new Int32Array(1 << 16)
  length = 0

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Int32Array(this.length * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.length++] = value
  }
}

/** The steps of state i lead to targets[begins[i]] up to targets[begins[i + 1]]. */
export type Graph = { readonly states: number; readonly begins: Int32Array; readonly targets: Int32Array }

/** The states from which no goal can be reached. */
export function cannotReach(graph: Graph, isGoal: Int32Array): number[] {
  const { states } = graph
  const back = reversed(graph)
  const can = new Uint8Array(states)
  const open = new Integers()
  for (let state = 0; state < states; state++) if (isGoal[state] === 1) open.push(state)
  for (let at = 0; at < open.length; at++) can[open.values[at]] = 1
  for (let at = 0; at < open.length; at++) {
    const state = open.values[at]
    for (let i = back.begins[state]; i < back.begins[state + 1]; i++) {
      const source = back.targets[i]
      if (can[source] === 0) {
        can[source] = 1
        open.push(source)
      }
    }
  }
  return numbersOf(can, 0)
}

/** The states from which a circle can be reached: taking away, again and again, those without steps leaves these. */
export function beforeCircles(graph: Graph): number[] {
  const { states, begins } = graph
  const back = reversed(graph)
  const left = new Int32Array(states)
  const ended = new Integers()
  const gone = new Uint8Array(states)
  for (let state = 0; state < states; state++) {
    left[state] = begins[state + 1] - begins[state]
    if (left[state] === 0) ended.push(state)
  }
  for (let at = 0; at < ended.length; at++) {
    const state = ended.values[at]
    gone[state] = 1
    for (let i = back.begins[state]; i < back.begins[state + 1]; i++) {
      if (--left[back.targets[i]] === 0) ended.push(back.targets[i])
    }
  }
  return numbersOf(gone, 0)
}

/** One circle, as the states along it, the first one again at the end. `states`: what beforeCircles found, not empty. */
export function circleAmong(states: readonly number[], { begins, targets }: Graph): number[] {
  const among = new Set(states)
  const road: number[] = []
  const places = new Map<number, number>()
  for (let state = states[0]; ;) {
    const place = places.get(state)
    if (place !== undefined) return [...road.slice(place), state]
    places.set(state, road.length)
    road.push(state)
    state = targets.subarray(begins[state], begins[state + 1]).find((target) => among.has(target))!
  }
}

/** Every step the other way round. */
function reversed({ states, begins, targets }: Graph): Graph {
  const steps = begins[states]
  const back = { states, begins: new Int32Array(states + 1), targets: new Int32Array(steps) }
  for (let i = 0; i < steps; i++) back.begins[targets[i] + 1]++
  for (let state = 0; state < states; state++) back.begins[state + 1] += back.begins[state]
  const next = back.begins.slice()
  for (let state = 0; state < states; state++) {
    for (let i = begins[state]; i < begins[state + 1]; i++) back.targets[next[targets[i]]++] = state
  }
  return back
}

const numbersOf = (marks: Uint8Array, mark: number): number[] => {
  const found: number[] = []
  for (let state = 0; state < marks.length; state++) if (marks[state] === mark) found.push(state)
  return found
}
