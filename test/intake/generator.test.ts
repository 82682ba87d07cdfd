/** Generated payments are the same for a seed, valid unless made bad, and as many of each sort as asked. */
import { describe, expect, it } from 'vitest'
import { csvChunks, csvHeader, csvRow, labelRow } from '../../intake/generator-csv.ts'
import { generate, type Generated, type GeneratorOptions } from '../../intake/generator.ts'
import { amountMinorOf } from '../../schemas/money.ts'
import { faultOf, timeFault } from '../../schemas/validate.ts'

const all = (options: Partial<GeneratorOptions>): Generated[] => [...generate(options)]
const small = { customers: 300, terminals: 400, payments: 4000 }
const everything: Partial<GeneratorOptions> = {
  ...small,
  paymentsPerSecond: 2,
  returnShare: 0.2,
  duplicateShare: 0.05,
  conflictShare: 0.02,
  disorderMs: 5000,
  lateShare: 0.01,
  tooLateShare: 0.005,
  badShare: 0.02,
  burstShare: 0.002,
  secondShare: 0.1,
  dayShare: 0.02,
}
const identity = ({ transaction: t }: Generated): string => `${t.producer}|${t.payerAccount}|${t.transactionId}`

describe('the generator', () => {
  it('gives the same for the same seed, and other payments for another', () => {
    expect(all(everything)).toEqual(all(everything))
    expect(all({ ...everything, seed: 2 })[0]).not.toEqual(all(everything)[0])
  })

  it('emits valid transactions but for those it made bad', () => {
    for (const item of all(everything)) {
      const { transaction } = item
      const fault =
        faultOf(transaction) ?? timeFault(transaction.occurredAt, Date.UTC(2026, 1, 1), Date.UTC(1990, 0, 1), 0)
      expect([item.made === 'bad', item]).toEqual([fault !== null, item])
    }
  })

  it('in order of event time when nothing is disordered', () => {
    const payments = all({ ...small, duplicateShare: 0, conflictShare: 0, returnShare: 0 })
    expect(payments.length).toBeGreaterThanOrEqual(small.payments)
    for (let i = 1; i < payments.length; i++) {
      expect(payments[i].transaction.occurredAt).toBeGreaterThanOrEqual(payments[i - 1].transaction.occurredAt)
    }
  })

  it('makes about as many of everything as asked', () => {
    const items = all(everything)
    const count = (made: Generated['made']): number =>
      items.filter((item) => item.made === made).length / small.payments
    expect(count('payment')).toBeGreaterThanOrEqual(1)
    expect(count('duplicate')).toBeGreaterThan(0.035)
    expect(count('duplicate')).toBeLessThan(0.09)
    expect(count('conflict')).toBeGreaterThan(0.01)
    expect(count('return')).toBeGreaterThan(0.15)
    expect(count('bad')).toBeGreaterThan(0.01)
    const kinds = new Set(items.map((item) => item.transaction.kind))
    expect([...kinds].sort()).toEqual(['CHARGEBACK', 'PAYMENT', 'REFUND', 'REVERSAL'])
    expect(new Set(items.map((item) => item.transaction.timePrecision)).size).toBe(3)
  })

  it('copies exactly, and conflicts differ in content alone', () => {
    const firsts = new Map<string, Generated>()
    const items = all(everything)
    for (const item of items) if (['payment', 'return'].includes(item.made)) firsts.set(identity(item), item)
    const copies = items.filter((item) => item.made === 'duplicate')
    const conflicts = items.filter((item) => item.made === 'conflict')
    for (const copy of copies) expect(copy.transaction).toEqual(firsts.get(identity(copy))?.transaction)
    for (const conflict of conflicts) {
      expect(firsts.has(identity(conflict))).toBe(true)
      expect(conflict.transaction).not.toEqual(firsts.get(identity(conflict))?.transaction)
    }
    expect(copies.length * conflicts.length).toBeGreaterThan(0)
  })

  it('lets money flow both ways, in every currency', () => {
    const payments = all(small).filter((item) => item.made === 'payment')
    const payers = new Set(payments.map((item) => item.transaction.payerAccount))
    const both = payments.filter((item) => payers.has(item.transaction.payeeAccount))
    expect(both.length / payments.length).toBeGreaterThan(0.2)
    expect(new Set(payments.map((item) => item.transaction.currency)).size).toBe(5)
    expect(new Set(payments.map((item) => item.transaction.payerBank)).size).toBe(8)
  })

  it('knows its frauds: about as many as the handbook, and none in the records', () => {
    const items = all({ payments: 60_000, customers: 1000, terminals: 2000, burstShare: 0 })
    const frauds = items.filter((item) => item.fraud > 0).length / items.length
    expect(frauds).toBeGreaterThan(0.01)
    expect(frauds).toBeLessThan(0.12)
    expect(new Set(items.map((item) => item.fraud))).toEqual(new Set([0, 1, 2, 3]))
    expect(Object.keys(items[0].transaction)).not.toContain('fraud')
  })

  it('keeps to the rate and the days that were asked for', () => {
    const items = all({ ...small, daily: false, paymentsPerSecond: 10, payments: 5000 })
    const seconds = (items[4999].transaction.occurredAt - Date.UTC(2026, 0, 5)) / 1000
    expect(seconds).toBeGreaterThan(400)
    expect(seconds).toBeLessThan(600)
    const oneDay = all({ ...small, payments: Infinity, days: 1, returnShare: 0 })
    expect(oneDay.length).toBeGreaterThan(400)
    expect(oneDay.length).toBeLessThan(900)
  })

  it('says what is wrong with its options', () => {
    expect(() => all({ currencies: [] })).toThrow(/currency/)
    expect(() => all({ customers: 0 })).toThrow(/customers must be at least 1/)
    expect(() => all({ payments: Infinity })).toThrow(/how many/)
    expect(() => all({ paymentsPerSecond: 0 })).toThrow(/paymentsPerSecond/)
  })
})

describe('as CSV', () => {
  it('writes major units that read back to the same minor ones', () => {
    for (const { transaction } of all(small)) {
      const cells = csvRow(transaction).trimEnd().split(',')
      expect(cells.length).toBe(csvHeader.split(',').length)
      expect(amountMinorOf(cells[8], cells[9])).toBe(transaction.amountMinor)
      expect(Date.parse(cells[1])).toBe(transaction.occurredAt)
    }
  })

  it('quotes what would break a line, and writes bad records as they are', () => {
    const [{ transaction }] = all({ ...small, payments: 1 })
    expect(csvRow({ ...transaction, merchant: 'Smith, "Sons"' })).toContain(',"Smith, ""Sons""",')
    expect(csvRow({ ...transaction, currency: 'XXX', amountMinor: 5 })).toContain(',5,XXX,')
  })

  it('comes in chunks, one line a record, with labels beside it', () => {
    let labels = ''
    const chunks = [...csvChunks(generate(everything), (item) => (labels += labelRow(item)))]
    const lines = chunks.join('').trimEnd().split('\n')
    expect(chunks.length).toBeGreaterThan(1)
    expect(lines[0]).toBe(csvHeader.trimEnd())
    expect(lines.length - 1).toBe(all(everything).length)
    expect(labels.trimEnd().split('\n').length).toBe(lines.length - 1)
  })
})
