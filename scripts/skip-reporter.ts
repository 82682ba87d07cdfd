/** A vitest reporter that says in the summary what was skipped, and for want of which service. */
import type { Reporter, TestCase } from 'vitest/node'

/** Names of tests that need a service carry what is missing: `(no Kafka: 'java' is not on the PATH, ...)`. */
const missing = /\((no [a-zA-Z]\w*[^:)]*: .*)\)/

export interface Skipped {
  readonly name: string
  /** What the test itself gave as its reason. */
  readonly note?: string
}

/** One line per reason, with how many tests it keeps from running; one for those that do not say why. */
export function skipLines(skipped: readonly Skipped[]): string[] {
  const reasons = new Map<string, number>()
  for (const { name, note } of skipped) {
    const reason = missing.exec(name)?.[1] ?? note ?? 'for no reason that is said'
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  return [...reasons].map(([reason, count]) => `${count} ${count === 1 ? 'test' : 'tests'}: ${reason}`)
}

export default class SkipReporter implements Reporter {
  readonly #skipped: Skipped[] = []

  onTestCaseResult(test: TestCase): void {
    const result = test.result()
    if (result.state === 'skipped') this.#skipped.push({ name: test.fullName, note: result.note })
  }

  onTestRunEnd(): void {
    for (const line of skipLines(this.#skipped)) process.stdout.write(`     Skipped  ${line}\n`)
  }
}
