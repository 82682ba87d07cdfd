/** Sums and digests are exact, can be taken up again, and do not depend on how they are cut. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Batch, type Frame } from '../../streams/batch.ts'
import { RunningDigest, runDigest } from '../../streams/digest.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { newFrame } from '../../streams/records.ts'
import { DeltaBuilder } from '../../streams/store.ts'
import { decodeTally, TallyStore } from '../../streams/tally.ts'

const spec = { by: ['outcome', 'currency'], sum: 'amount' }
function batchOf(rows: readonly { outcome: number; currency: number; amount: number }[]): Batch {
  const frame: Frame = newFrame(Math.max(1, rows.length))
  frame.columns.set('outcome', { kind: 'code', values: Uint8Array.from(rows, ({ outcome }) => outcome) })
  frame.columns.set('currency', { kind: 'code', values: Uint8Array.from(rows, ({ currency }) => currency) })
  frame.columns.set('amount', { kind: 'number', values: Float64Array.from(rows, ({ amount }) => amount) })
  return new Batch(
    frame,
    Int32Array.from(rows, (_, row) => row),
    rows.length,
  )
}

describe('a tally', () => {
  it('is exact far beyond 2^53, and after it was stored', async () => {
    const row = fc.record({
      outcome: fc.nat({ max: 2 }),
      currency: fc.constantFrom(0, 7, 255),
      amount: fc.oneof(fc.constantFrom(2 ** 53, 2 ** 53 - 1, 2 ** 32, 2 ** 32 - 1), fc.integer({ min: 1, max: 9_999 })),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(row, { maxLength: 40 }), { maxLength: 8 }), async (batches) => {
        const naive = new Map<string, { count: number; sum: bigint }>()
        const memory = openMemory()
        let tally = new TallyStore('t', 2)
        for (const [i, rows] of batches.entries()) {
          for (const { outcome, currency, amount } of rows) {
            const key = `${outcome} ${currency}`
            const { count, sum } = naive.get(key) ?? { count: 0, sum: 0n }
            naive.set(key, { count: count + 1, sum: sum + BigInt(amount) })
          }
          tally.feed(batchOf(rows), spec)
          const state = await memory.state.acquire('t')
          const delta = new DeltaBuilder(i + 1)
          tally.save(delta)
          for (const { value } of delta.puts) expect(decodeTally(value)).toEqual(tally.groups())
          await state.apply({ from: i, to: i + 1, metadata: '', puts: delta.puts, removes: [], dropKinds: [] })
          tally = new TallyStore('t', 2)
          await tally.load(await memory.state.acquire('t'))
        }
        const groups = tally.groups().map(({ codes, count, sum }) => [codes.join(' '), { count, sum }] as const)
        expect(new Map(groups)).toEqual(naive)
      }),
      { numRuns: 60 },
    )
  })
})

describe('a running digest', () => {
  const record = fc.uint8Array({ minLength: 1, maxLength: 40 })
  const digestOf = (records: readonly Uint8Array[], topic = 'decisions'): string => {
    const digest = new RunningDigest(topic)
    for (const bytes of records) digest.add(bytes, 0, bytes.length)
    return digest.toString()
  }

  it('can be taken up again anywhere, and does not depend on the order', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 60 }), fc.nat(), (records, cut) => {
        const at = cut % records.length
        const resumed = new RunningDigest('decisions', digestOf(records.slice(0, at)))
        for (const bytes of records.slice(at)) resumed.add(bytes, 0, bytes.length)
        expect(resumed.toString()).toBe(digestOf(records))
        expect(digestOf([...records].reverse())).toBe(digestOf(records))
      }),
    )
  })

  it('shows a record that is missing, doubled, changed, or in another topic', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
        const whole = digestOf(records)
        const changed = records.map((bytes, i) =>
          i === 0 ? bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) : bytes,
        )
        const others = [
          digestOf(records.slice(1)),
          digestOf([...records, records[0]]),
          digestOf(changed),
          digestOf(records, 'alerts'),
        ]
        for (const other of others) expect(other).not.toBe(whole)
      }),
    )
  })

  it('of a run is that of its topics, whatever their order; empty ones do not count', () => {
    const one = { task: 0, topic: 'decisions', digest: '1:aa' }
    const two = { task: 1, topic: 'alerts', digest: '2:bb' }
    expect(runDigest([one, two, { task: 2, topic: 'x', digest: '0:00' }])).toBe(runDigest([two, one]))
    expect(runDigest([one, two])).not.toBe(runDigest([{ ...one, task: 1 }, two]))
  })
})
