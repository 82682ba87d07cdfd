/** The input and the oracle of pay-1 against what the first, Java, ones gave: the same bytes, the same digests. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { defaultPay1, generatePay1, type Pay1Options } from '../../bench/peers/generator.ts'
import { pay1Batches } from '../../bench/peers/batches.ts'
import { cutoffOf, judgePay1 } from '../../bench/peers/oracle.ts'
import { pay1Payments, pay1Settlement, pay1Topics } from '../../bench/peers/pay1-topology.ts'
import { differencesOf, readBack } from '../../bench/peers/read-back.ts'
import { TestDriver } from '../../streams/testing.ts'

const of = (given: Partial<Pay1Options>): Pay1Options => ({ ...defaultPay1, ...given })

describe('the input of pay-1', () => {
  it.each([
    ['zipf', 1_000, 109_152, 'feceed1fb26904d83d3357de2488accf992d4bfd1b2ba676768e0b10412a19db'],
    ['zipf', 20_000, 2_183_231, 'f823040de6b3a39ee9c55bda9333ba2fb4b703ce228a2b4a850ec3d6e76dfac7'],
    ['uniform', 20_000, 2_183_231, 'fe239cbf445452e7bc8fe7813d6f245c779eac0d601f0561f6774e7e54c4d851'],
  ] as const)('%s keys, %i events: the bytes of the Java generator', (keys, events, bytes, digest) => {
    const hash = createHash('sha256')
    let length = 0
    for (const { value } of generatePay1(of({ keys, events }))) {
      hash.update(value)
      length += value.length
    }
    expect({ length, digest: hash.digest('hex') }).toEqual({ length: bytes, digest })
  })

  it('gives a copy as the very same record', () => {
    const seen = new Set<object>()
    let copies = 0
    for (const tx of generatePay1(of({ events: 20_000 }))) {
      if (seen.has(tx)) copies++
      seen.add(tx)
    }
    expect(copies).toBe(20_000 - 19_636)
  })
})

describe('the oracle of pay-1', () => {
  it('agrees with the Java oracle where windows close', () => {
    expect(judgePay1(of({ events: 200_000 }))(10_000)).toEqual({
      decisions: 196_114,
      declined: 39_182,
      decisionDigest: '80a26d2ba882168e',
      settlements: 1_731,
      settledCount: 47_498,
      settledMinor: 237_320_040,
      settlementDigest: '1e3ea0cad22ce16a',
    })
  })

  it('agrees with the Java oracle over stretched event time', () => {
    expect(judgePay1(of({ events: 20_000, eventRate: 50 }))(10_000)).toEqual({
      decisions: 19_636,
      declined: 958,
      decisionDigest: 'dbb6d016206999eb',
      settlements: 5_267,
      settledCount: 14_082,
      settledMinor: 70_272_572,
      settlementDigest: '621e83e6a29df60d',
    })
  })
})

describe('pay-1 as topologies', () => {
  const options = of({ events: 20_000, eventRate: 50 })
  const expected = judgePay1(options)(10_000)

  async function outputs(task: { batchRows?: number; deltaEntries?: number }): Promise<string[]> {
    const topics = pay1Topics('transactions', 'run')
    const driver = new TestDriver({
      topologies: [pay1Payments(topics, 10_000), pay1Settlement(topics)],
      topics: Object.values(topics).map((topic) => ({ ...topic, records: [] })),
      partitions: 4,
      markOf: () => null,
      task,
    })
    await driver.create()
    const writer = await driver.backend.log.writer('input')
    let sent = 0
    for (const { partition, batch } of pay1Batches(options, 4)) {
      await writer.commit({
        appends: [{ topic: 'transactions', partition, batches: batch }],
        position: -1,
        metadata: '',
      })
      // Recovered in the middle of the input, too: from what the deltas have written.
      if (++sent % 5 === 0) await driver.run()
    }
    await driver.run()
    const { decisions, settlements } = topics
    const names = { decisions: decisions.name, settlements: settlements.name }
    return differencesOf(await readBack(driver.backend.log, names, cutoffOf(options, 10_000)), expected)
  }

  it.each([{}, { batchRows: 333, deltaEntries: 500 }])('gives what the oracle expects, with %o', async (task) => {
    expect(await outputs(task)).toEqual([])
  })
})
