/** What a set of rules says of a payment. */
import type { Condition, Features, Rules } from './types.ts'

export interface Verdict {
  outcome: 'APPROVE' | 'HOLD' | 'DECLINE'
  score: number
  contributions: { rule: string; points: number }[]
}

/** Adds the points of every rule of which all conditions hold, and compares the sum with the thresholds. */
export function judge(rules: Rules, features: Features, amountMinor: number): Verdict {
  const valueOf = (name: string): bigint | null => {
    if (name === 'amountMinor') return BigInt(amountMinor)
    if (!Object.hasOwn(features, name)) throw new Error(`Rule on '${name}': there is no such feature.`)
    const value = features[name as keyof Features]
    return value === null ? null : BigInt(value)
  }
  const contributions = rules.rules
    .filter((rule) => rule.points !== 0 && rule.when.every((c) => holds(c, valueOf, rule.absent === 'fires')))
    .map((rule) => ({ rule: rule.name, points: rule.points }))
  const score = contributions.reduce((sum, { points }) => sum + points, 0)
  const outcome = score >= rules.declineAt ? 'DECLINE' : score >= rules.holdAt ? 'HOLD' : 'APPROVE'
  return { outcome, score, contributions }
}

function holds(condition: Condition, valueOf: (name: string) => bigint | null, whenAbsent: boolean): boolean {
  const { feature, atLeast, atMost, above, atMostTimes } = condition
  const value = valueOf(feature)
  const other = atMostTimes === undefined ? 0n : valueOf(atMostTimes.feature)
  if (value === null || other === null) return whenAbsent
  return (
    (atLeast === undefined || value >= BigInt(atLeast)) &&
    (atMost === undefined || value <= BigInt(atMost)) &&
    (above === undefined || value > BigInt(above)) &&
    (atMostTimes === undefined || value <= BigInt(atMostTimes.factor) * other)
  )
}
