/** Feature tables against counting everything anew: any order, any batches, reloaded at any moment. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { accountFeatures, spendFeatures } from '../../processors/account-features.ts'
import { countryIndex } from '../../processors/kilometers.ts'
import type { TaskState } from '../../streams/backend.ts'
import { Batch, type Column, type Frame } from '../../streams/batch.ts'
import { features } from '../../streams/features/keyed.ts'
import { openMemory } from '../../streams/memory/index.ts'
import type { OperatorRuntime, TaskContext } from '../../streams/operator.ts'
import { newFrame } from '../../streams/records.ts'
import { DeltaBuilder, type Store } from '../../streams/store.ts'
import { featuresOfAccounts } from '../model/features.ts'
import type { Features, Transaction } from '../model/types.ts'

const monday = Date.UTC(2026, 0, 5)
const hour = 3_600_000

/** Steps of time that hit the edges of panes and windows, forwards and backwards. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -70_000, max: 70_000 }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      0,
      1,
      999,
      1_000,
      59_000,
      60_000,
      149_999,
      150_000,
      hour,
      hour - 1,
      24 * hour,
      168 * hour,
    ),
  },
  { weight: 2, arbitrary: fc.constantFrom(-1, -1_000, -60_000, -hour, -25 * hour, -169 * hour) },
)
const amount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 100_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 53, 2 ** 53 - 1, 2 ** 52, 2 ** 40, 2 ** 40 + 1) },
)
const payment = fc.record({
  by: step,
  account: fc.constantFrom('acc-1', 'acc-2', 'ä'),
  currency: fc.constantFrom('EUR', 'EUR', 'JPY'),
  payee: fc.nat({ max: 90 }),
  merchant: fc.option(fc.nat({ max: 5 })),
  amount,
  country: fc.constantFrom(null, 'CZ', 'US', 'XX'),
  precision: fc.constantFrom('MILLISECOND', 'MILLISECOND', 'MILLISECOND', 'SECOND', 'DAY'),
})

function transactions(drawn: readonly (typeof payment extends fc.Arbitrary<infer T> ? T : never)[]): Transaction[] {
  let now = monday
  return drawn.map(({ by, account, currency, payee, merchant, amount: amountMinor, country, precision }, i) => {
    now += by
    return {
      producer: 'shop',
      payerAccount: account,
      transactionId: `P${i}`,
      kind: 'PAYMENT',
      occurredAt: now,
      payerBank: 'a',
      payeeAccount: `payee-${payee}`,
      payeeBank: 'b',
      amountMinor,
      currency,
      country,
      merchant: merchant === null ? null : `shop-${merchant}`,
      originalTransactionId: null,
      timePrecision: precision as Transaction['timePrecision'],
    }
  })
}

function frameOf(rows: readonly Transaction[]): Frame {
  const frame = newFrame(Math.max(1, rows.length))
  frame.rows = rows.length
  const text = (of: (t: Transaction) => string | null): Column => {
    const parts = rows.map((row) => (of(row) === null ? null : Buffer.from(of(row) as string)))
    const bytes = new Uint8Array(Buffer.concat(parts.filter((part) => part !== null)))
    let at = 0
    const offsets = Int32Array.from(parts, (part) => (at += part?.length ?? 0) - (part?.length ?? 0))
    return { kind: 'text', bytes, offsets, lengths: Int32Array.from(parts, (part) => part?.length ?? -1) }
  }
  const code = (of: (t: Transaction) => number): Column => ({ kind: 'code', values: Uint8Array.from(rows, of) })
  const number = (of: (t: Transaction) => number): Column => ({ kind: 'number', values: Float64Array.from(rows, of) })
  const columns: Record<string, Column> = {
    payerAccount: text((t) => t.payerAccount),
    currency: text((t) => t.currency),
    payeeAccount: text((t) => t.payeeAccount),
    merchant: text((t) => t.merchant),
    occurredAt: number((t) => t.occurredAt),
    amountMinor: number((t) => t.amountMinor),
    kind: code(() => 0),
    timePrecision: code((t) => ['MILLISECOND', 'SECOND', 'DAY'].indexOf(t.timePrecision)),
    countryIndex: code((t) =>
      t.country === null ? 255 : countryIndex(t.country.charCodeAt(0), t.country.charCodeAt(1)),
    ),
  }
  for (const [name, column] of Object.entries(columns)) frame.columns.set(name, column)
  return frame
}

/** Both tables over one stored state; `reload` forgets what is in memory. */
class Tables {
  private stores = new Map<string, Store>()
  private operators: OperatorRuntime[] = []
  private state: TaskState | null = null
  private position = 0
  private readonly memory = openMemory()

  async reload(): Promise<void> {
    if (this.state !== null) {
      const delta = new DeltaBuilder(this.position + 1)
      for (const store of this.stores.values()) store.save(delta)
      const { puts, removes, dropKinds } = delta
      await this.state.apply({ from: this.position, to: ++this.position, metadata: '', puts, removes, dropKinds })
    }
    this.state = await this.memory.state.acquire('t')
    this.stores = new Map()
    const context = { stores: this.stores } as unknown as TaskContext
    const specs = [features('account', accountFeatures), features('spend', spendFeatures)]
    this.operators = specs.map((spec) => spec.create(context))
    for (const store of this.stores.values()) await store.load(this.state)
  }

  async feed(rows: readonly Transaction[]): Promise<Features[]> {
    const frame = frameOf(rows)
    for (const store of this.stores.values()) {
      const missing = store.missing?.(frame, 0, rows.length) ?? null
      if (missing !== null) missing.absorb((await this.state!.read(missing.keys)).values)
    }
    const batch = new Batch(
      frame,
      Int32Array.from(rows, (_, i) => i),
      rows.length,
    )
    for (const operator of this.operators) operator.process(batch, () => undefined)
    return rows.map((_, row) => {
      const value = (name: string): number | null => {
        const read = batch.number(name)[row]
        return Number.isNaN(read) ? null : read
      }
      const windows = ['1m', '1h', '1d', '7d']
      const names = ['payments', 'amount', 'counterparties', 'merchants'].flatMap((name) =>
        windows.map((w) => name + w),
      )
      const read = Object.fromEntries(
        [...names, 'amountDeviation', 'kilometersPerHour'].map((name) => [name, value(name)]),
      )
      return { ...read, amountSaturated: batch.code('amountSaturated')[row] === 1 } as unknown as Features
    })
  }
}

const payments = fc.array(payment, { minLength: 1, maxLength: 250, size: 'max' })
const cutting = fc.array(fc.record({ rows: fc.integer({ min: 1, max: 60 }), reload: fc.boolean() }), {
  minLength: 1,
  maxLength: 12,
})

async function compare(all: readonly Transaction[], cuts: readonly { rows: number; reload: boolean }[]): Promise<void> {
  const naive = featuresOfAccounts()
  const tables = new Tables()
  await tables.reload()
  for (let at = 0, cut = 0; at < all.length; cut++) {
    const { rows, reload } = cuts[cut % cuts.length]
    const some = all.slice(at, at + rows)
    const expected = some.map(naive)
    expect(await tables.feed(some)).toEqual(expected)
    at += rows
    if (reload) await tables.reload()
  }
}

it('say the same as counting everything anew', async () => {
  const property = fc.asyncProperty(payments, cutting, (drawn, cuts) => compare(transactions(drawn), cuts))
  await expect(fc.assert(property, { numRuns: 60 })).resolves.toBeUndefined()
})

it('say so of times that are 70 years apart, more seconds than 31 bits hold', async () => {
  const years = 365 * 24 * hour
  const apart = (drawn: Parameters<typeof transactions>[0]): Transaction[] =>
    transactions(drawn).map((one, i) => ({ ...one, occurredAt: one.occurredAt + [0, 35, 0, -35][i % 4] * years }))
  const property = fc.asyncProperty(payments, cutting, (drawn, cuts) => compare(apart(drawn), cuts))
  await expect(fc.assert(property, { numRuns: 20 })).resolves.toBeUndefined()
})

it('refuse a key that was not declared', async () => {
  const tables = new Tables()
  await tables.reload()
  const [one] = transactions(fc.sample(payment, { numRuns: 1, seed: 1 }))
  await tables.feed([one])
  const spec = features('account', accountFeatures).create({ stores: new Map() } as unknown as TaskContext)
  const frame = frameOf([one])
  expect(() => spec.process(new Batch(frame, Int32Array.of(0), 1), () => undefined)).toThrow(
    /column|declared|undefined/,
  )
})
