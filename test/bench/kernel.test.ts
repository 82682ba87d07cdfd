/** The kernel benchmark judges what it measures: the oracle agrees with the line, and a changed output would show. */
import { expect, it } from 'vitest'
import { benchKernel, kernelText } from '../../bench/kernel.ts'
import { labBatches } from '../../bench/lab/events.ts'
import { LabKernel } from '../../bench/lab/kernel.ts'
import { runLine } from '../../bench/line.ts'
import { judgeTraffic } from '../../bench/oracle.ts'
import { defaultTraffic, prepareTraffic } from '../../bench/traffic.ts'
import { differences, WrittenReader } from '../../bench/written.ts'

it('measures the line beside the yardstick, and the oracle agrees', async () => {
  const result = await benchKernel({ events: 20_000, rounds: 1, stages: true })
  expect(result).toMatchObject({ name: 'kernel', events: 20_000, features: 19, oracle: 'equal', differences: [] })
  expect(result.bytesPerEvent).toBeGreaterThan(136)
  expect(result.bytesPerEvent).toBeLessThan(140)
  expect(result.labShare).toBeGreaterThan(0)
  expect(result.stages.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1)
  expect(kernelText(result)).toContain('oracle: equal')
})

it('prepares the same bytes each time, some of them twice', () => {
  const options = { ...defaultTraffic, events: 5_000 }
  const [one, other] = [prepareTraffic(options), prepareTraffic(options)]
  expect(Buffer.concat(one.fetches).equals(Buffer.concat(other.fetches))).toBe(true)
  expect(judgeTraffic(one.fetches)).toMatchObject({ received: 5_000, duplicates: one.duplicates })
})

it('sees rules fire, and would see a single decision that is missing', async () => {
  const traffic = prepareTraffic({ ...defaultTraffic, events: 20_000, accounts: 200, pace: 50 })
  const oracle = judgeTraffic(traffic.fetches)
  expect(oracle.held).toBeGreaterThan(0)
  const [all, some] = [new WrittenReader(), new WrittenReader()]
  let first = true
  await runLine(traffic.fetches, {
    appended(appends) {
      all.read(appends)
      some.read(first ? appends.filter(({ topic }) => topic !== 'decisions') : appends)
      first = false
    },
  })
  expect(differences(all.findings(), oracle)).toEqual([])
  expect(differences(some.findings(), oracle).join('\n')).toContain('decisionDigest')
})

it('keeps the yardstick as it was: the same figures for the same events', () => {
  const kernel = new LabKernel()
  for (const batch of labBatches(100_000)) kernel.process(batch)
  expect(kernel.events + kernel.duplicates).toBe(100_000)
  expect([kernel.events, kernel.duplicates, kernel.alerts, kernel.outputBytes]).toMatchInlineSnapshot(`
    [
      98148,
      1852,
      573,
      11986666,
    ]
  `)
})
