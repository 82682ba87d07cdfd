/** score: declarative rules compiled to loops over columns; the version in force at a record's event time decides. */

import type { Batch } from './batch.ts'
import { compiledOnce } from './compiled.ts'
import { codeColumn, numberColumn } from './features/aggregate.ts'
import type { OperatorSpec } from './operator.ts'
import type { TaskState } from './backend.ts'
import type { DeltaBuilder, Store } from './store.ts'

export interface ScoreCondition {
  readonly feature: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly above?: number
  readonly atMostTimes?: { readonly feature: string; readonly factor: number }
}
export interface ScoreRules {
  readonly version: string
  readonly holdAt: number
  readonly declineAt: number
  readonly rules: readonly {
    readonly name: string
    readonly points: number
    readonly absent: 'fires' | 'does not fire'
    readonly when: readonly ScoreCondition[]
  }[]
}

export interface Score {
  readonly rules: ScoreRules
  /** Control record that brings another version: { version, rules: JSON, effectiveFrom }. */
  readonly control: string
  readonly time: string
  /** Rows whose code is not 0 are not scored: score 0, no rule fired. */
  readonly unless: string
}

/** Rule names and points of every version that a task knows, by the code in column `ruleVersion`. */
export interface RuleBook {
  readonly versions: readonly { readonly rules: ScoreRules; readonly effectiveFrom: number }[]
}

/** A rule set must fit in the bits of `fired`. */
const MAX_RULES = 30

/** Adds `score`, `scored` (0 for those passed by), `fired` (bit i = rule i of the version), `ruleVersion` (index in the book), `holdAt`, `declineAt`. */
export function score(name: string, spec: Score): OperatorSpec {
  const needs = new Set([spec.time, spec.unless])
  for (const feature of featuresOf(spec.rules)) needs.add(feature)
  return {
    word: 'score',
    name,
    needs: [...needs],
    adds: ['score', 'scored', 'fired', 'ruleVersion', 'holdAt', 'declineAt'],
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'batch',
    create(context) {
      const book = new RuleStore(name, spec.rules)
      context.stores.set(name, book)
      return {
        process(input, emit) {
          book.score(input as Batch, spec)
          emit('out', input)
        },
        control(control) {
          if (control.type === spec.control) book.promote(control.value)
        },
      }
    },
  }
}

const featuresOf = (rules: ScoreRules): string[] =>
  rules.rules.flatMap((rule) =>
    rule.when.flatMap((c) => [c.feature, ...(c.atMostTimes ? [c.atMostTimes.feature] : [])]),
  )

type ScoreLoop = (
  selection: Int32Array,
  count: number,
  column: (name: string) => Float64Array,
  score: Float64Array,
  fired: Float64Array,
) => void

/** Compiles a rule set: NaN (absent) makes every comparison false, so 'fires' asks for it explicitly. */
export function compileRules(set: ScoreRules): ScoreLoop {
  if (set.rules.length > MAX_RULES) throw new Error(`rule set '${set.version}' has more than ${MAX_RULES} rules`)
  const names = [...new Set(featuresOf(set))]
  const variable = (feature: string): string => `f${names.indexOf(feature)}`
  const condition = (c: ScoreCondition, absent: string): string => {
    const f = variable(c.feature)
    const parts: string[] = []
    if (c.atLeast !== undefined) parts.push(`${f} >= ${Number(c.atLeast)}`)
    if (c.above !== undefined) parts.push(`${f} > ${Number(c.above)}`)
    if (c.atMost !== undefined) parts.push(`${f} <= ${Number(c.atMost)}`)
    if (c.atMostTimes) parts.push(`${f} <= ${Number(c.atMostTimes.factor)} * ${variable(c.atMostTimes.feature)}`)
    const all = parts.length === 0 ? 'true' : parts.join(' && ')
    const missing = c.atMostTimes
      ? `${f} !== ${f} || ${variable(c.atMostTimes.feature)} !== ${variable(c.atMostTimes.feature)}`
      : `${f} !== ${f}`
    return absent === 'fires' ? `(${missing} || (${all}))` : `(${all})`
  }
  const body = set.rules.map((rule, i) => {
    const when = rule.when.map((c) => condition(c, rule.absent)).join(' && ')
    return `if (${when || 'true'}) { points += ${Math.trunc(rule.points)}; bits |= ${1 << i} }`
  })
  const text = `${names.map((name, i) => `const c${i} = column(${JSON.stringify(name)})`).join('\n')}
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      ${names.map((_, i) => `const f${i} = c${i}[row]`).join('\n')}
      let points = 0, bits = 0
      ${body.join('\n')}
      score[row] = points
      fired[row] = bits
    }
//# sourceURL=compiled/rules`
  return compiledOnce(
    compileRules,
    text,
    // oxlint-disable-next-line typescript/no-implied-eval -- from our own specification only
    () => new Function('selection, count, column, score, fired', text) as ScoreLoop,
  )
}

export class RuleStore implements Store, RuleBook {
  readonly name: string
  versions: { rules: ScoreRules; effectiveFrom: number }[]
  dirtyEntries = 0
  private loops: ScoreLoop[]

  constructor(name: string, first: ScoreRules) {
    this.name = name
    this.versions = [{ rules: first, effectiveFrom: 0 }]
    this.loops = [compileRules(first)]
  }

  promote(value: Readonly<Record<string, unknown>>): void {
    const rules = JSON.parse(value.rules as string) as ScoreRules
    this.versions.push({
      rules: { ...rules, version: value.version as string },
      effectiveFrom: value.effectiveFrom as number,
    })
    this.loops.push(compileRules(rules))
    this.dirtyEntries = 1
  }

  score(all: Batch, spec: Score): void {
    const scores = numberColumn(all, 'score')
    const fired = numberColumn(all, 'fired')
    const version = codeColumn(all, 'ruleVersion')
    const wasScored = codeColumn(all, 'scored')
    const holdAt = numberColumn(all, 'holdAt')
    const declineAt = numberColumn(all, 'declineAt')
    const { selection, count } = all
    const skip = all.code(spec.unless)
    const time = all.number(spec.time)
    for (let i = 0; i < count; i++) {
      const row = selection[i]
      scores[row] = 0
      fired[row] = 0
      wasScored[row] = skip[row] === 0 ? 1 : 0
      version[row] = this.versions.length === 1 ? 0 : this.versionAt(time[row])
      holdAt[row] = this.versions[version[row]].rules.holdAt
      declineAt[row] = this.versions[version[row]].rules.declineAt
    }
    const scored = all.where(skip, 0)
    const column = (name: string): Float64Array => scored.number(name)
    for (let v = 0; v < this.loops.length; v++) {
      const batch = this.loops.length === 1 ? scored : scored.where(version, v)
      if (batch.count > 0) this.loops[v](batch.selection, batch.count, column, scores, fired)
    }
  }

  private versionAt(time: number): number {
    // The latest one in force; of two of the same instant the one written later.
    let found = 0
    this.versions.forEach(({ effectiveFrom }, v) => {
      if (effectiveFrom <= time && effectiveFrom >= this.versions[found].effectiveFrom) found = v
    })
    return found
  }

  async load(state: TaskState): Promise<void> {
    for (const { value } of (await state.list(this.name)).entries)
      this.promote(JSON.parse(new TextDecoder().decode(value)) as Record<string, unknown>)
    this.dirtyEntries = 0
  }

  save(delta: DeltaBuilder): void {
    if (this.dirtyEntries === 0) return
    this.versions.forEach(({ rules, effectiveFrom }, v) => {
      if (v === 0) return
      const value = JSON.stringify({ version: rules.version, rules: JSON.stringify(rules), effectiveFrom })
      delta.put(this.name, new TextEncoder().encode(String(v).padStart(6, '0')), new TextEncoder().encode(value))
    })
    this.dirtyEntries = 0
  }
}
