/** Fraud rules: declarative, versioned, integer points. What a rule does when a feature is absent is said by each. */

/** All conditions of `when` must hold. `above` is >, `atLeast` >=, `atMost` <=, `atMostTimes` <= factor * feature. */
export interface Condition {
  readonly feature: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly above?: number
  readonly atMostTimes?: { readonly feature: string; readonly factor: number }
}

export interface Rule {
  readonly name: string
  readonly points: number
  /** What a condition on an absent feature counts as. */
  readonly absent: 'fires' | 'does not fire'
  readonly when: readonly Condition[]
}

/** score = sum of points; score >= declineAt declines, >= holdAt holds. */
export interface RuleSet {
  readonly version: string
  readonly holdAt: number
  readonly declineAt: number
  readonly rules: readonly Rule[]
}

/** The first rules. Amounts are minor units of the payment's own currency. */
export const firstRules: RuleSet = {
  version: '1',
  holdAt: 60,
  declineAt: 100,
  rules: [
    { name: 'velocity-minute', points: 60, absent: 'does not fire', when: [{ feature: 'payments1m', atLeast: 10 }] },
    { name: 'velocity-hour', points: 40, absent: 'does not fire', when: [{ feature: 'payments1h', atLeast: 40 }] },
    { name: 'spend-day', points: 40, absent: 'does not fire', when: [{ feature: 'amount1d', atLeast: 5_000_000 }] },
    {
      name: 'unusual-amount',
      points: 30,
      absent: 'does not fire',
      when: [
        { feature: 'amountDeviation', atLeast: 128 },
        { feature: 'amountMinor', atLeast: 10_000 },
      ],
    },
    {
      name: 'card-testing',
      points: 60,
      absent: 'does not fire',
      when: [
        { feature: 'payments1h', atLeast: 12 },
        { feature: 'merchants1h', atLeast: 8 },
        { feature: 'amountMinor', atMost: 500 },
        { feature: 'amount1h', atMostTimes: { feature: 'payments1h', factor: 500 } },
      ],
    },
    {
      name: 'structuring',
      points: 60,
      absent: 'does not fire',
      when: [
        { feature: 'amountMinor', atLeast: 900_000 },
        { feature: 'amountMinor', atMost: 999_999 },
        { feature: 'amount1d', atLeast: 2_700_000 },
      ],
    },
    {
      name: 'geo-velocity',
      points: 60,
      absent: 'does not fire',
      when: [{ feature: 'kilometersPerHour', above: 1000 }],
    },
  ],
}

/** Most rules of one set: each has a bit in the receipt's mask. */
const MAX_RULES = 30
const isInteger = (value: unknown): boolean => Number.isSafeInteger(value)

/** Whether a text is a rule set that can be applied: shape, whole numbers, and only features that are known. */
export function isRuleSet(text: string, features: ReadonlySet<string>): boolean {
  let set: Partial<RuleSet>
  try {
    set = JSON.parse(text) as Partial<RuleSet>
  } catch {
    return false
  }
  if (set === null || typeof set !== 'object' || !isInteger(set.holdAt) || !isInteger(set.declineAt)) return false
  if (!Array.isArray(set.rules) || set.rules.length > MAX_RULES) return false
  return (set.rules as Partial<Rule>[]).every(
    (rule) =>
      typeof rule?.name === 'string' &&
      isInteger(rule.points) &&
      (rule.absent === 'fires' || rule.absent === 'does not fire') &&
      Array.isArray(rule.when) &&
      rule.when.every((condition) => isCondition(condition as Partial<Condition>, features)),
  )
}

function isCondition(condition: Partial<Condition> | null, features: ReadonlySet<string>): boolean {
  if (condition === null || typeof condition !== 'object' || !features.has(condition.feature ?? '')) return false
  const { atLeast, atMost, above, atMostTimes } = condition
  const bounds = [atLeast, atMost, above].filter((bound) => bound !== undefined)
  if (!bounds.every(isInteger)) return false
  if (atMostTimes === undefined) return bounds.length > 0
  return features.has(atMostTimes.feature) && isInteger(atMostTimes.factor)
}
