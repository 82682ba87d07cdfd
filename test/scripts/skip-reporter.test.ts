/** The summary of a run names what was skipped and why. */
import { expect, it } from 'vitest'
import { skipLines } from '../../scripts/skip-reporter.ts'

it('counts the skipped tests by what is missing, and takes a reason that a test gives itself', () => {
  const kafka = `no Kafka: 'java' is not on the PATH, and SLUICE_KAFKA_BROKERS is not set`
  const skipped = [
    { name: `the distributed backend (${kafka}) > proves a position` },
    { name: `the distributed backend (${kafka}) > takes records` },
    { name: 'the page (no Chromium: install the package chromium) > shows the flow' },
    { name: 'on Kafka and Redis > log > forgets', note: 'Kafka forgets records by its own retention' },
    { name: 'something (of 3 nodes) > works' },
  ]
  expect(skipLines(skipped)).toEqual([
    `2 tests: ${kafka}`,
    '1 test: no Chromium: install the package chromium',
    '1 test: Kafka forgets records by its own retention',
    '1 test: for no reason that is said',
  ])
})

it('says nothing when nothing was skipped', () => {
  expect(skipLines([])).toEqual([])
})
