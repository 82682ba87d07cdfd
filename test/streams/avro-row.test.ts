/** Row views over columns: cursors and text handles. */
import { expect, test } from 'vitest'
import type { Transaction } from '../../schemas/generated.ts'
import { transactionColumns } from '../../schemas/generated.ts'
import { records } from '../../schemas/topics.ts'
import { columnsOf, newColumn } from '../../streams/avro/columns.ts'
import { rowView } from '../../streams/avro/row.ts'
import type { Column } from '../../streams/batch.ts'
import { murmur2 } from '../../streams/hash.ts'

const rows = [
  { producer: 'acquirer', merchant: 'Čajovna', kind: 1, occurredAt: 5, amountMinor: 2 ** 53, timePrecision: 2 },
  { producer: 'acquirer-2', merchant: null, kind: 0, occurredAt: 6, amountMinor: 1, timePrecision: 0 },
  { producer: '', merchant: 'Cajovna', kind: 3, occurredAt: 7, amountMinor: 2, timePrecision: 1 },
]

function columnsFor(): Map<string, Column> {
  const texts = Buffer.from(rows.map((row) => row.producer + (row.merchant ?? '')).join(''))
  const columns = new Map<string, Column>()
  for (const spec of columnsOf(records.transaction.schema))
    columns.set(spec.name, newColumn(spec.kind, rows.length, texts))
  let at = 0
  rows.forEach((row, i) => {
    for (const [name, value] of Object.entries(row)) {
      const column = columns.get(name) as Column
      if (column.kind === 'text') {
        const length = value === null ? -1 : Buffer.byteLength(String(value))
        column.offsets[i] = at
        column.lengths[i] = length
        at += Math.max(0, length)
      } else if (column.kind !== 'raw') column.values[i] = Number(value)
    }
  })
  return columns
}

test('a row view shows one row after the other, as one object', () => {
  const specs = columnsOf(records.transaction.schema)
  expect(specs.map((spec) => spec.name)).toEqual([...transactionColumns])
  const view = rowView<Transaction>(specs)
  view.bind(columnsFor())
  const seen = rows.map((_, i) => {
    const row = view.moveTo(i)
    return [
      String(row.producer),
      row.merchant?.toString() ?? null,
      row.kind,
      row.occurredAt,
      row.amountMinor,
      row.timePrecision,
    ]
  })
  expect(seen).toEqual([
    ['acquirer', 'Čajovna', 'REFUND', 5, 2 ** 53, 'DAY'],
    ['acquirer-2', null, 'PAYMENT', 6, 1, 'MILLISECOND'],
    ['', 'Cajovna', 'CHARGEBACK', 7, 2, 'SECOND'],
  ])
  expect(view.moveTo(0)).toBe(view.moveTo(1))
})

test('text is compared and hashed in place', () => {
  const view = rowView<Transaction>(columnsOf(records.transaction.schema))
  view.bind(columnsFor())
  const first = view.moveTo(0)
  const hash = murmur2(Buffer.from('Čajovna'), 0, 8)
  expect(first.merchant?.hash()).toBe(hash)
  for (const [text, same] of [
    ['Čajovna', true],
    ['Cajovna', false],
    ['Čajovn', false],
    ['Čajovna ', false],
    ['', false],
  ] as const) {
    expect(first.merchant?.equals(text)).toBe(same)
  }
  for (const [text, same] of [
    ['acquirer', true],
    ['acquirer-2', false],
    ['acquire', false],
    ['acquirér', false],
  ] as const) {
    expect(first.producer.equals(text)).toBe(same)
  }
  expect(first.producer.equals(first.producer)).toBe(true)
  expect(first.producer.equals(first.payerBank)).toBe(false)
  const other = rowView<Transaction>(columnsOf(records.transaction.schema))
  other.bind(columnsFor())
  expect(other.moveTo(0).producer.equals(view.moveTo(1).producer)).toBe(false)
  expect(other.moveTo(0).producer.equals(view.moveTo(0).producer)).toBe(true)
})

test('a missing column is named', () => {
  const view = rowView<Transaction>(columnsOf(records.transaction.schema))
  const columns = columnsFor()
  columns.delete('currency')
  expect(() => view.bind(columns)).toThrow(/text column 'currency'/)
})
