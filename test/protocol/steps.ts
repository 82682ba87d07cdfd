/** All steps that a state allows: what its owners do, what messages and markers arrive, and what may go wrong. */
import { ownerSteps } from './owner.ts'
import type { World } from './rules.ts'
import { copyOf, normalize, type State } from './state.ts'
import { environmentSteps } from './environment.ts'

/** Takes the copy of a state to what a step makes of it; `label` says the step in words. */
export type Add = (label: string, change: (s: State) => void) => void

export type Step = { readonly label: string; readonly next: State }

export function stepsOf(state: State, world: World): Step[] {
  const steps: Step[] = []
  const add: Add = (label, change) => {
    const next = copyOf(state)
    change(next)
    steps.push({ label, next: normalize(next, world.rules.ownerEpoch) })
  }
  for (const index of [0, 1]) ownerSteps(state, index, world, add)
  environmentSteps(state, world, add)
  return steps
}
