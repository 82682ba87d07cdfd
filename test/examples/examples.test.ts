/** The examples are what the guide says they are: how many rows become what, and single rows field by field. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importFiles, type ImportResult, loadMapping } from '../../intake/files/index.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { contentOf, directory, now, type Seen, single } from '../intake/files-harness.ts'

const examples = join(import.meta.dirname, '../../examples')

async function imported(name: string, file: string): Promise<{ result: ImportResult; seen: Seen[] }> {
  const backend = openMemory()
  const result = await importFiles({
    log: backend.log,
    clock: { now: () => now },
    settings: single,
    files: [join(examples, name, file)],
    mapping: await loadMapping(join(examples, name, 'mapping.ts')),
    dataDirectory: directory(),
    closedThrough: 0,
  })
  return { result, seen: await contentOf(backend) }
}

const transactions = (seen: readonly Seen[]): Record<string, unknown>[] =>
  seen.filter(({ type }) => type === 'transaction').map(({ value }) => value)

describe('the Czech bank', () => {
  it('has 18 interbank payments, 4 dead letters and 8 rows without a partner bank', async () => {
    const { result, seen } = await imported('czech-bank', 'statement.csv')
    expect(result.record).toMatchObject({
      rows: 30,
      transactions: 18,
      unreadable: [
        { reason: 'csv-quote', count: 1 },
        { reason: 'invalid-payee-account', count: 1 },
        { reason: 'unreadable-time', count: 1 },
        { reason: 'mapping-threw', count: 1 },
      ],
      skipped: [{ reason: 'no partner bank: cash, card, interest or fee', count: 8 }],
    })
    const byId = new Map(transactions(seen).map((value) => [value.transactionId, value]))
    // In: the partner pays. 1993-07-01 in Prague begins at 22:00 UTC.
    expect(byId.get('701202')).toMatchObject({
      producer: 'czech-bank',
      payerAccount: 'YZ-30300313',
      payerBank: 'YZ',
      payeeAccount: 'HOME-1801',
      payeeBank: 'HOME',
      amountMinor: 543_200,
      currency: 'CZK',
      occurredAt: Date.UTC(1993, 5, 30, 22),
      timePrecision: 'DAY',
      kind: 'PAYMENT',
    })
    // Out: the bank's own account pays.
    expect(byId.get('701206')).toMatchObject({
      payerAccount: 'HOME-3834',
      payeeAccount: 'ST-89597016',
      amountMinor: 337_270,
    })
    expect(seen.filter(({ type }) => type === 'unreadable').map(({ value }) => [value.reason, value.line])).toEqual([
      ['csv-quote', 15],
      ['invalid-payee-account', 17],
      ['unreadable-time', 28],
      ['mapping-threw', 30],
    ])
  })
})

describe('the interbank file', () => {
  it('has payments both ways, returns, a copy and a conflict; rejected ones are left out', async () => {
    const { result, seen } = await imported('pacs008', 'interbank.csv')
    expect(result.record).toMatchObject({
      rows: 28,
      transactions: 25,
      unreadable: [
        { reason: 'unreadable-amount', count: 1 },
        { reason: 'unreadable-time', count: 1 },
      ],
      skipped: [{ reason: 'rejected by the clearing', count: 1 }],
    })
    const all = transactions(seen)
    expect(
      all.filter(({ kind }) => kind === 'REFUND').map(({ originalTransactionId }) => originalTransactionId),
    ).toEqual(['E2E-88120', 'E2E-88121'])
    expect(all.filter(({ transactionId }) => transactionId === 'RENT-MAY').length).toBe(3)
    expect(all.find(({ amountMinor }) => amountMinor === 1_825_000)).toMatchObject({
      producer: 'pacs008',
      transactionId: 'INV-2024-1177',
      payerBank: 'KOLBDEFX',
      payeeBank: 'SEINFRPX',
      currency: 'EUR',
      occurredAt: Date.UTC(2024, 4, 13, 7, 0, 4, 120),
      timePrecision: 'MILLISECOND',
    })
  })

  it('has IBANs that are right by their check digits', () => {
    const ibans = new Set(
      readFileSync(join(examples, 'pacs008/interbank.csv'), 'utf8').match(/\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b/g),
    )
    expect(ibans.size).toBe(9)
    for (const iban of ibans) {
      const digits = (iban.slice(4) + iban.slice(0, 4)).replaceAll(/[A-Z]/g, (letter) =>
        String(letter.charCodeAt(0) - 55),
      )
      expect(BigInt(digits) % 97n).toBe(1n)
    }
  })
})
