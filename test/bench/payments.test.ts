/** The bench of the payments line on Kafka and Redis: a small run on real services, every round against the oracle. */
import { afterAll, describe, expect, it } from 'vitest'
import { benchPayments, shipped } from '../../bench/payments.ts'
import { servicesAt } from '../../bench/peers/services.ts'
import { loadConfiguration } from '../../cli/configuration/load.ts'
import { missingOf, running, services } from '../services/index.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)

it('runs with what a worker is shipped with', () => {
  const { flushMs, deltaEntries } = loadConfiguration({ env: {} }).worker
  expect(shipped).toEqual({ flushMs, deltaEntries })
})

describe.skipIf(missing !== null)(
  `the payments line on Kafka and Redis${missing === null ? '' : `: ${missing}`}`,
  () => {
    afterAll(() => running(found).stop())

    it('gives what the oracle expects, and says what its state costs', async () => {
      const { kafka, redis } = running(found)
      const result = await benchPayments({
        events: 20_000,
        rounds: 1,
        services: servicesAt(kafka.endpoint, redis.endpoint),
      })
      expect(result.differences).toEqual([])
      expect(result.oracle).toBe('equal')
      expect(result.state.map(({ flushMs }) => flushMs)).toEqual([1_000, 5_000, 10_000])
      for (const { redisBytesPerPayment } of result.state) expect(redisBytesPerPayment).toBeGreaterThan(0)
      for (const rate of result.storeRates) {
        expect(rate.paymentsPerSecond).toBeGreaterThan(0)
        // An identity alone is more than that.
        expect(rate.bytesPerPayment).toBeGreaterThan(30)
        expect(rate.memoryPerPayment).toBeGreaterThan(30)
      }
    })
  },
)
