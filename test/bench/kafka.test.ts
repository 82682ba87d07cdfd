/** The bench that compares with Kafka Streams, our side of it: a small run on real services, killed once, against the oracle. */
import { afterAll, describe, expect, it } from 'vitest'
import { benchKafka } from '../../bench/kafka.ts'
import { servicesAt } from '../../bench/peers/services.ts'
import { missingOf, running, services } from '../services/index.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)

describe.skipIf(missing !== null)(`pay-1 on Kafka and Redis${missing === null ? '' : `: ${missing}`}`, () => {
  afterAll(() => running(found).stop())

  it('gives what the oracle expects, also when its worker is killed over old data', async () => {
    const { kafka, redis } = running(found)
    const said: string[] = []
    const result = await benchKafka({
      events: 20_000,
      eventRate: 50,
      rounds: 1,
      faults: true,
      only: 'sluice',
      services: servicesAt(kafka.endpoint, redis.endpoint),
      say: (text) => said.push(text),
    })
    expect(result.differences).toEqual([])
    expect(result.sluice.oracle).toBe('equal')
    expect(result.faults.map(({ what, oracle, settledShare }) => ({ what, oracle, settledShare }))).toEqual([
      { what: 'catching up with 10 s of grace', oracle: 'equal', settledShare: 1 },
      { what: 'kill -9', oracle: 'equal', settledShare: 1 },
    ])
    // Measured while it worked, by a clock that runs.
    expect(result.sluice.cpuMicrosPerEvent).toBeGreaterThan(0)
    expect(said.join('\n')).toContain('exact')
  })
})
