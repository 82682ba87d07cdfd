/** A file larger than one sorted run comes out in the order that a stable sort in memory gives. */
import { expect, it } from 'vitest'
import { seeded } from '../../intake/random.ts'
import { header, imported, line } from './files-harness.ts'

it('sorts by (time, row), over several runs, with rows that are long, broken or without a time', async () => {
  const random = seeded(11)
  const start = Date.UTC(2023, 0, 1)
  const rows: { id: string; time: number }[] = []
  const text = [header]
  let before = 0
  let size = 0
  // Three runs of 24 MiB; few distinct times, so that many are equal.
  for (let index = 0; size < 60 << 20; index++) {
    const readable = random.chance(0.95)
    const time = start + random.below(20_000) * 1_500_000
    if (readable) before = time
    const id = `t${index}`
    const payer = random.chance(0.01)
      ? `"${'x'.repeat(random.below(200_000))}\n${'y'.repeat(100)}"`
      : `A-${random.below(1000)}`
    const row = line(id, readable ? String(time) : 'never', payer)
    rows.push({ id, time: before })
    text.push(row)
    size += row.length
  }
  const expected = rows
    .map((row, index) => ({ ...row, index }))
    .toSorted((a, b) => a.time - b.time || a.index - b.index)
  const { result, seen } = await imported({ 'a.csv': `${text.join('\n')}\n` })
  expect(result.record).toMatchObject({ rows: rows.length, files: [{ sorted: true }] })
  const found = seen
    .filter(({ type }) => type !== 'tick')
    .map(({ type, value }) =>
      type === 'transaction'
        ? String(value.transactionId)
        : Buffer.from(value.raw as Uint8Array)
            .toString()
            .split(',')[0],
    )
  expect(found.length).toBe(rows.length)
  expect(found.findIndex((id, at) => id !== expected[at].id)).toBe(-1)
  expect(result.record.unreadable.map(({ reason }) => reason).toSorted()).toEqual([
    'invalid-payer-account',
    'record-too-large',
    'unreadable-time',
  ])
})
