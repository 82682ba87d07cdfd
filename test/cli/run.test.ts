/** `run` as a user types it: the sheet, a second start, tomorrow's file, what is refused, what is asked afterwards. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Sheet } from '../../cli/sheet.ts'
import { sluice, sluiceJson } from '../lib/sluice.ts'

const scratch = mkdtempSync(join(tmpdir(), 'sluice-run-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const header =
  'transactionId,occurredAt,payerAccount,payeeAccount,payerBank,payeeBank,merchant,amount,currency,country\n'
function file(name: string, rows: readonly string[]): string {
  const path = join(scratch, name)
  writeFileSync(path, header + rows.map((row) => `${row}\n`).join(''))
  return path
}

describe('a day of payments', () => {
  const data = join(scratch, 'data')
  const today = file('today.csv', [
    'P1,2026-01-05T12:00:01Z,acc-7,acc-1,bank-a,bank-b,,100.00,EUR,DE',
    'P1,2026-01-05T12:00:01Z,acc-7,acc-1,bank-a,bank-b,,100.00,EUR,DE', // sent twice
    'P1,2026-01-05T12:00:01Z,acc-7,acc-1,bank-a,bank-b,,100.01,EUR,DE', // the same id, other content
    'P2,2026-01-05T12:03:00Z,acc-9,acc-2,bank-b,bank-a,,40.00,EUR,',
    'P3,2026-01-05T12:03:30Z,acc-9,acc-2,bank-b,bank-b,,5.00,EUR,', // on us
    'P4,2026-01-05T12:04:00Z,acc-9,acc-2,bank-b,bank-a,,7,JPY,',
    'P5,2026-01-05T12:04:10Z,acc-9,acc-2,bank-b,bank-a,,-7.00,EUR,', // a sign
    'P6,2026-01-05T12:04:20Z,acc-9,acc-2,bank-b,bank-a,,1.001,EUR,', // too many decimals
    'P7,2126-01-05T12:04:20Z,acc-9,acc-2,bank-b,bank-a,,1.00,EUR,', // a hundred years ahead
  ])
  const args = ['run', today, '--data', data]
  let first: Sheet

  test('the sheet says what became of every row, and that it balances', async () => {
    first = await sluiceJson<Sheet>(args)
    expect(first.payments).toEqual({
      received: 9,
      accepted: 4,
      duplicate: 1,
      conflicting: 1,
      late: 0,
      held: 0,
      declined: 0,
      deadLetters: 3,
      skipped: 0,
      settled: 4,
      pending: 0,
    })
    expect(first.currencies).toEqual({
      EUR: { grossMinor: '14500', netMinor: '6000', instructions: 2 },
      JPY: { grossMinor: '7', netMinor: '7', instructions: 2 },
    })
    expect(first.balanced).toBe(true)
    expect(first.digest).toMatch(/^[0-9a-f]{64}$/)
  })

  test('the same command again appends nothing and prints the same sheet', async () => {
    expect(await sluiceJson<Sheet>(args)).toEqual(first)
  })

  test("tomorrow's file goes into the same directory; an older one is refused, and taken with --late", async () => {
    const tomorrow = file('tomorrow.csv', ['P8,2026-01-06T09:00:00Z,acc-7,acc-1,bank-a,bank-b,,1.00,EUR,DE'])
    const second = await sluiceJson<Sheet>(['run', tomorrow, '--data', data])
    expect(second.payments).toMatchObject({ received: 10, accepted: 5, settled: 5 })
    const older = file('older.csv', ['P9,2026-01-05T10:00:00Z,acc-7,acc-1,bank-a,bank-b,,2.00,EUR,DE'])
    const refused = await sluice(['run', older, '--data', data])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/older than the log|--late/)
    const late = await sluiceJson<Sheet>(['run', older, '--data', data, '--late'])
    expect(late.payments).toMatchObject({ received: 11, accepted: 6, late: 1, settled: 6 })
    expect(late.balanced).toBe(true)
  })

  test('the same name with other content is refused, naming the file', async () => {
    const changed = file('today.csv', ['P1,2026-01-05T12:00:01Z,acc-7,acc-1,bank-a,bank-b,,999.00,EUR,DE'])
    const refused = await sluice(['run', changed, '--data', data])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('today.csv')
  })

  test('questions and SQL answer from the tables', async () => {
    const letters = await sluiceJson<{ reason: string }[]>(['ask', 'dead-letters', '--data', data])
    expect(letters.map(({ reason }) => reason).sort()).toEqual(['amount-precision', 'invalid-amount', 'time-too-late'])
    const counted = await sluiceJson<{ n: string }[]>(['sql', 'SELECT count() AS n FROM decisions', '--data', data])
    expect(Number(counted[0].n)).toBe(6)
    const write = await sluice(['sql', 'DROP TABLE decisions', '--data', data])
    expect(write.code).not.toBe(0)
  })

  test('verify computes everything again and finds it equal', async () => {
    const verdict = await sluiceJson<{ equal: boolean; digest: string; recomputed: string }>(['verify', '--data', data])
    expect(verdict.equal).toBe(true)
    expect(verdict.recomputed).toBe(verdict.digest)
  })
})

describe('what is held', () => {
  const data = join(scratch, 'held')
  const burst = file(
    'burst.csv',
    Array.from(
      { length: 12 },
      (_, i) => `B${i},2026-01-05T12:00:${String(i + 10)}Z,acc-7,acc-1,bank-a,bank-b,,10.00,EUR,`,
    ),
  )

  test('is listed, released with who and why, and settles with the next import', async () => {
    const sheet = await sluiceJson<Sheet>(['run', burst, '--data', data])
    expect(sheet.payments).toMatchObject({ accepted: 12, settled: 9, held: 3 })
    expect(sheet.heldMinor).toEqual({ EUR: '3000' })
    const open = await sluiceJson<{
      holds: { transactionId: string; producer: string; reasons: string[] }[]
      total: number
    }>(['holds', 'list', '--data', data])
    expect(open.holds.map(({ transactionId, reasons }) => [transactionId, ...reasons])).toEqual([
      ['B9', 'velocity-minute'],
      ['B10', 'velocity-minute'],
      ['B11', 'velocity-minute'],
    ])
    const who = [
      '--producer',
      'files',
      '--payer-account',
      'acc-7',
      '--by',
      'anna',
      '--why',
      'called the customer',
      '--data',
      data,
    ]
    const released = await sluiceJson<{ result: string }>(['holds', 'release', 'B9', ...who])
    expect(released.result).toBe('released')
    const rejected = await sluiceJson<{ result: string }>(['holds', 'reject', 'B10', ...who])
    expect(rejected.result).toBe('rejected')
    const again = await sluice(['holds', 'release', 'B9', ...who])
    expect(again.code).toBe(1)
    expect(again.stdout).toContain('refused')
    const next = file('next.csv', ['N1,2026-01-05T13:00:00Z,acc-8,acc-1,bank-a,bank-b,,1.00,EUR,'])
    const after = await sluiceJson<Sheet>(['run', next, '--data', data])
    expect(after.payments).toMatchObject({ accepted: 13, settled: 11, held: 1, declined: 1, pending: 0 })
    expect(after.balanced).toBe(true)
  })
})

describe('what cannot be done is said in words', () => {
  test.each([
    ['no such file', ['run', join(scratch, 'none.csv'), '--data', join(scratch, 'x')], /none\.csv/],
    ['no directory to ask', ['ask', 'position', '--data', join(scratch, 'nowhere')], /SLUICE_DIRECTORY_MISSING/],
    ['no such question', ['ask', 'nonsense', '--data', join(scratch, 'held')], /nonsense/],
    ['an unknown option', ['run', '--wrong'], /--wrong/],
    ['partitions that are no number', ['run', 'x.csv', '--partitions', 'four'], /whole number/],
    [
      'another number of partitions than recorded',
      ['run', join(scratch, 'next.csv'), '--data', join(scratch, 'held'), '--partitions', '7'],
      /partitions/,
    ],
    ['exit without an end', ['demo', '--exit'], /--payments/],
  ])('%s', async (_, args, words) => {
    const ended = await sluice(args)
    expect(ended.code).toBeGreaterThan(0)
    expect(ended.stderr + ended.stdout).toMatch(words)
    expect(ended.stderr).not.toMatch(/\n\s+at /)
  })
})
