/**
 * Goes through every state that a variant of the protocol can reach, breadth first, and says what it found: the
 * shortest road to a wrong state, states from which the goal cannot be reached any more, or a road that never ends.
 */
import { beforeCircles, cannotReach, circleAmong, Integers } from './graph.ts'
import type { Bound, Rules, World } from './rules.ts'
import { first, keyOf, type State } from './state.ts'
import { stepsOf } from './steps.ts'

export interface Exploration {
  readonly rules: Rules
  readonly bound: Bound
  /** What is wrong with a state, or null: the search ends there. */
  readonly wrong: (state: State) => string | null
}

export interface Found {
  readonly states: number
  /** The first wrong state. */
  readonly wrong: Trouble | null
  /** Somebody lives or may start, and the goal K = R = N cannot be reached any more. */
  readonly stuck: Trouble | null
  /** A road without end, though faults have one: its last steps lead round in a circle. */
  readonly endless: Trouble | null
}

/** A sentence, and the steps that lead there, in words. */
export type Trouble = { readonly why: string; readonly trace: readonly string[] }

/** Numbers of states by key. Several maps: one holds 16 million at most. */
class Numbering {
  readonly #maps = Array.from({ length: 64 }, () => new Map<string, number>())
  size = 0

  /** The number of a state, and whether it is new. */
  numberOf(key: string): { number: number; isNew: boolean } {
    let hash = 0
    for (let i = 0; i < key.length; i++) hash = (hash * 31 + key.charCodeAt(i)) | 0
    const map = this.#maps[hash & 63]
    const known = map.get(key)
    if (known !== undefined) return { number: known, isNew: false }
    map.set(key, this.size)
    return { number: this.size++, isNew: true }
  }
}

/** The whole state space, or as much as it takes to find a wrong state. Memory: about 1 KB per state. */
export function explore({ rules, bound, wrong }: Exploration): Found {
  const world: World = { rules, bound }
  const numbering = new Numbering()
  const parents = new Integers()
  const isGoal = new Integers()
  const isAlive = new Integers()
  /** Where the steps of state i begin in `targets`. */
  const begins = new Integers()
  const targets = new Integers()

  const meet = (state: State, parent: number): { number: number; isNew: boolean } => {
    const met = numbering.numberOf(keyOf(state))
    if (!met.isNew) return met
    parents.push(parent)
    isGoal.push(state.log.committed === bound.events && state.store.position === bound.events ? 1 : 0)
    isAlive.push(state.starts > 0 || state.owners.some(({ phase }) => phase !== 'idle') ? 1 : 0)
    return met
  }

  const start = first(bound.faults)
  const labels = (road: readonly number[], from: State): string[] => labelsAlong(road, from, world, numbering)
  meet(start, -1)
  let layer: State[] = [start]
  let at = 0
  while (layer.length > 0) {
    const next: State[] = []
    for (const state of layer) {
      const why = wrong(state)
      if (why !== null) {
        const trouble = { why, trace: labels(roadTo(at, parents), start) }
        return { states: numbering.size, wrong: trouble, stuck: null, endless: null }
      }
      begins.push(targets.length)
      for (const step of stepsOf(state, world)) {
        const { number, isNew } = meet(step.next, at)
        targets.push(number)
        if (isNew) next.push(step.next)
      }
      at++
    }
    layer = next
  }
  begins.push(targets.length)

  const graph = { states: numbering.size, begins: begins.values, targets: targets.values }
  const stuck = cannotReach(graph, isGoal.values).filter((state) => isAlive.values[state] === 1)
  const endless = beforeCircles(graph)
  const circle = endless.length === 0 ? [] : circleAmong(endless, graph)
  return {
    states: numbering.size,
    wrong: null,
    stuck:
      stuck.length === 0
        ? null
        : {
            why: `the goal cannot be reached from ${stuck.length} states`,
            trace: labels(roadTo(stuck[0], parents), start),
          },
    endless:
      endless.length === 0
        ? null
        : {
            why: `the last ${circle.length - 1} steps lead round in a circle, for ever`,
            trace: labels([...roadTo(circle[0], parents), ...circle.slice(1)], start),
          },
  }
}

/** States after the first, up to one, along the road on which it was met. */
function roadTo(target: number, parents: Integers): number[] {
  const road: number[] = []
  for (let at = target; at > 0; at = parents.values[at]) road.unshift(at)
  return road
}

/** The steps along a road, found again by taking them. */
function labelsAlong(road: readonly number[], start: State, world: World, numbering: Numbering): string[] {
  let state = start
  return road.map((number) => {
    const step = stepsOf(state, world).find(({ next }) => numbering.numberOf(keyOf(next)).number === number)!
    state = step.next
    return step.label
  })
}
