/** A vitest reporter that writes one line per finished test, so that a run which is cut short still has real counts. */
import { appendFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

const file = process.env.TEST_COUNTS
const note = (state: string, name: string) => {
  if (file) appendFileSync(file, `${state} ${name.replace(/\s+/g, ' ')}\n`)
}

/** Lines are `passed|failed|skipped <file> > <name>`; a file or a run that breaks outside of its tests counts as failed. */
export default class CountReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    note(test.result().state, `${test.module.relativeModuleId} > ${test.fullName}`)
  }

  onTestModuleEnd(module: TestModule): void {
    for (const error of module.errors()) note('failed', `${module.relativeModuleId} did not load: ${error.message}`)
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly { message: string }[]): void {
    for (const error of unhandled) note('failed', `an error outside of any test: ${error.message}`)
  }
}
