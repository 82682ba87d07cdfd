/** Every named question, on a cycle that fits on one page. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openMemory } from '../../streams/memory/index.ts'
import { ask, askText, instructionsCsv, parseQuestion, prepare, questions } from '../../sink/ask.ts'
import { Sink } from '../../sink/sink.ts'
import { fedTopics } from '../../sink/topics.ts'
import { temporaryDirectory } from './temporary.ts'
import { writeCycle } from './small-cycle.ts'
import { makeTopics, openWarehouse } from './world.ts'

const warehouse = await openWarehouse(temporaryDirectory('ask'))
const { admin, analyst } = warehouse
const backend = openMemory()
afterAll(async () => {
  await backend.close()
  await warehouse.close()
})

beforeAll(async () => {
  await makeTopics(backend.log, 2)
  await writeCycle(backend.log)
  const sink = new Sink({ log: backend.log, clickHouse: admin, topics: fedTopics })
  await sink.start()
  if ((await sink.flush()) !== 0 || !(await sink.audit()).ok) throw new Error('the small data are not in the tables')
  await sink.stop()
})

/** The answer as lines of the asked columns. */
const lines = async (name: string, parameters: Record<string, string>, ...columns: string[]): Promise<string[]> =>
  (await ask<Record<string, unknown>>(analyst, name, parameters)).map((row) =>
    columns
      .map((column) => (row[column] instanceof Object ? JSON.stringify(row[column]) : String(row[column])))
      .join(' '),
  )

describe('an analyst asks', () => {
  test('the position of a bank in a cycle', async () => {
    const columns = ['bank', 'currency', 'owedMinor', 'wasOwedMinor', 'netMinor', 'instruction', 'instructionId']
    expect(await lines('position', { cycle: '2026-01-05T12:00:00Z' }, ...columns)).toEqual([
      'bank-a EUR 10000 12000 2000 RECEIVE i-bank-a',
      'bank-b EUR 5000 10000 5000 RECEIVE i-bank-b',
      'bank-c EUR 7000 0 -7000 PAY i-bank-c',
    ])
    expect(await lines('position', { bank: 'bank-c' }, ...columns)).toEqual(['bank-c EUR 7000 0 -7000 PAY i-bank-c'])
    expect(await lines('position', { cycle: '2026-01-05T12:05:00Z' }, ...columns)).toEqual([])
  })

  test('gross against net', async () => {
    expect(
      await lines(
        'gross-against-net',
        {},
        'currency',
        'payments',
        'grossMinor',
        'onUsMinor',
        'netMinor',
        'savedBasisPoints',
      ),
    ).toEqual(['EUR 5 22500 500 7000 6888'])
  })

  test('the payments behind an instruction and their sum', async () => {
    const columns = ['transactionId', 'kind', 'signedMinor', 'readdedMinor', 'instructionMinor', 'matches']
    expect(await lines('payments-behind-instruction', { instruction: 'i-bank-a' }, ...columns)).toEqual([
      'P1 PAYMENT -10000 2000 2000 1',
      'P2 PAYMENT 4000 2000 2000 1',
      'P4 PAYMENT 7000 2000 2000 1',
      'R1 REFUND 1000 2000 2000 1',
    ])
    expect(await lines('payments-behind-instruction', {}, ...columns)).toEqual(['P4 PAYMENT -7000 -7000 7000 1'])
  })

  test('whether every instruction is the sum of its payments', async () => {
    expect(
      await lines(
        'instructions-re-added',
        {},
        'bank',
        'transactions',
        'instructedMinor',
        'readdedMinor',
        'differenceMinor',
      ),
    ).toEqual(['bank-a 4 2000 2000 0', 'bank-b 3 5000 5000 0', 'bank-c 1 -7000 -7000 0'])
  })

  test('the instructions of a cycle, also as CSV', async () => {
    expect(await lines('instructions', {}, 'bank', 'direction', 'amountMinor', 'settlementAccount')).toEqual([
      'bank-a RECEIVE 2000 bank-a',
      'bank-b RECEIVE 5000 bank-b',
      'bank-c PAY 7000 bank-c',
    ])
    expect((await instructionsCsv(analyst, '2026-01-05T12:00:00Z')).split('\n').slice(0, 2)).toEqual([
      '"instructionId","scheme","cycleStart","cycleEnd","currency","bank","direction","amountMinor","settlementAccount"',
      '"i-bank-a","sluice","2026-01-05 12:00:00.000","2026-01-05 12:05:00.000","EUR","bank-a","RECEIVE",2000,"bank-a"',
    ])
  })

  test('the top alerts', async () => {
    expect(await lines('top-alerts', { last: '2' }, 'alert', 'score', 'transactionId', 'reasons')).toEqual([
      'DECLINED 100 P6 ["cardTesting"]',
      'HELD 70 P5 ["spend"]',
    ])
    expect(await lines('top-alerts', { account: 'acc-1' }, 'alert', 'transactionId')).toEqual(['CONFLICT P1'])
  })

  test('the life of one payment', async () => {
    expect(await lines('life-of-a-payment', { transaction: 'P4' }, 'event', 'detail')).toEqual([
      'ACCEPTED PAYMENT 7000 minor EUR, bank-c to bank-a',
      'DECIDED HOLD score 60, rules rules-1, cycle 2026-01-05 12:00:00.000, because velocity',
      'ALERT HELD velocity',
      'HOLD HELD velocity',
      'HOLD RELEASED kim: called the payer velocity',
      'SETTLED cycle 2026-01-05 12:00:00.000, instruction i-bank-c',
    ])
    expect(await lines('life-of-a-payment', { transaction: 'P1', account: 'acc-1' }, 'event')).toEqual([
      'ACCEPTED',
      'DECIDED APPROVE',
      'DUPLICATE',
      'CONFLICTING',
      'ALERT CONFLICT',
      'SETTLED',
    ])
  })

  test('late payments', async () => {
    expect(await lines('late-payments', {}, 'transactionId', 'joinedCycle', 'state', 'secondsLate')).toEqual([
      'P7 2026-01-05 12:05:00.000 pending 360',
    ])
  })

  test('held money by age, and one by one', async () => {
    expect(await lines('held-by-age', {}, 'currency', 'reason', 'age', 'transactions', 'amountMinorHeld')).toEqual([
      'EUR spend under 1 hour 1 99900',
    ])
    expect(await lines('open-holds', {}, 'transactionId', 'amountMinor', 'payerBank')).toEqual(['P5 99900 bank-c'])
  })

  test('volume per hour and currency', async () => {
    expect(
      await lines(
        'volume-by-hour',
        {},
        'hour',
        'currency',
        'transactions',
        'volumeMinor',
        'approved',
        'held',
        'declined',
      ),
    ).toEqual(['2026-01-05 12:00:00 EUR 7 171500 4 2 1', '2026-01-05 12:00:00 USD 1 300 1 0 0'])
  })

  test('duplicates and conflicts by producer', async () => {
    expect(
      await lines(
        'duplicates-by-producer',
        {},
        'producer',
        'received',
        'accepted',
        'duplicates',
        'conflicts',
        'basisPoints',
        'longestSecondsApart',
      ),
    ).toEqual(['acme 11 9 1 1 1818 60'])
  })

  test('the same id under several payers', async () => {
    expect(await lines('same-id-under-several-payers', {}, 'transactionId', 'payers')).toEqual(['P2 2'])
  })

  test('approval by rule version, and which rules score', async () => {
    expect(
      await lines(
        'approval-by-rule-version',
        {},
        'ruleVersion',
        'payments',
        'approved',
        'held',
        'declined',
        'approvedBasisPoints',
      ),
    ).toEqual(['rules-1 8 5 2 1 6250'])
    expect(await lines('rules-that-score', {}, 'rule', 'payments', 'points', 'held', 'declined')).toEqual([
      'cardTesting 1 100 0 1',
      'spend 1 70 1 0',
      'velocity 1 60 1 0',
    ])
  })

  test('dead letters', async () => {
    expect(await lines('dead-letters', {}, 'reason', 'file', 'line', 'offset', 'valueBegins')).toEqual([
      'csv-quote may.csv 18 17 P9,"acc',
    ])
    expect(await lines('dead-letters', { reason: 'misrouted-key' }, 'reason')).toEqual([])
  })

  test('what became of everything', async () => {
    expect(await lines('outcomes', {}, 'line', 'part', 'currency', 'transactions', 'amountMinor')).toEqual([
      'received ACCEPTED EUR 8 172500',
      'received ACCEPTED USD 1 300',
      'received CONFLICTING EUR 1 12000',
      'received DEAD LETTER  1 0',
      'received DUPLICATE EUR 1 10000',
      'accepted declined EUR 1 50000',
      'accepted held EUR 1 99900',
      'accepted pending EUR 1 100',
      'accepted pending USD 1 300',
      'accepted settled EUR 5 22500',
    ])
  })

  test('what did not balance: nothing, until a row is taken away', async () => {
    expect(await ask(analyst, 'unbalanced')).toEqual([])
    await admin.command("ALTER TABLE instructions DELETE WHERE member = 'bank-b' SETTINGS mutations_sync = 1")
    await admin.command("ALTER TABLE decisions DELETE WHERE transactionId = 'P3' SETTINGS mutations_sync = 1")
    expect((await lines('unbalanced', {}, 'currency', 'rule', 'expected', 'found')).sort()).toEqual([
      'EUR receive instructions are the net 7000 2000',
      'EUR settled payments are the count 5 4',
      'EUR settled payments are the gross 22500 22000',
    ])
  })
})

describe('the questions themselves', () => {
  test('are at least twelve, each with question, answer and explained parameters, and run with their defaults', async () => {
    const all = questions()
    expect(all.length).toBeGreaterThanOrEqual(12)
    for (const { name, question, answer } of all) {
      expect(question).toMatch(/\?$/)
      expect(answer).toMatch(/\.$/)
      expect(await askText(analyst, name, {}, 'CSVWithNames')).toContain('"')
    }
  })

  test('an unknown question or parameter is refused with what there is', () => {
    expect(() => prepare('balance', {})).toThrow(/SLUICE_ASK_UNKNOWN.*top-alerts/)
    expect(() => prepare('top-alerts', { lst: '3' })).toThrow(/SLUICE_ASK_PARAMETER.*it has last, account/)
    expect(() => parseQuestion('x', '-- A?\n-- B.\nSELECT {a:String}')).toThrow('a is not explained')
    expect(() => parseQuestion('x', '-- A?\n-- B.\n-- :b = 1 | c\nSELECT 1')).toThrow('b is not used')
  })

  test('a value of the wrong type is refused by ClickHouse, and text cannot become a statement', async () => {
    await expect(ask(analyst, 'top-alerts', { last: 'many' })).rejects.toMatchObject({
      code: 'SLUICE_CLICKHOUSE_REFUSED',
    })
    expect(await ask(analyst, 'top-alerts', { account: "' OR 1 = 1 --" })).toEqual([])
  })
})
