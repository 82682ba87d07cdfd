/** How the tests run: real processes and real files, so two at a time, and no limit that a slow machine could fail. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The summary names what was skipped, and for want of which service.
    reporters: ['default', './scripts/skip-reporter.ts'],
    pool: 'forks',
    // Many files start servers and worker processes of their own: more than two at once starve each other.
    maxWorkers: 2,
    // Not an assertion about speed, only the end of a test that hangs.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
  },
})
