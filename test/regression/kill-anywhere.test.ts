/** A run killed anywhere, in batches of any size, ends with the same digest and the same rows as one that was left alone. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openServer } from '../../cli/tables.ts'
import { tableDigests } from '../../cli/verify.ts'
import type { Sheet } from '../../cli/sheet.ts'
import { sluice, sluiceJson, type KillAt } from '../lib/sluice.ts'

const scratch = mkdtempSync(join(tmpdir(), 'sluice-kill-'))
const large = join(scratch, 'payments-20000.csv')
const small = join(scratch, 'payments-2000.csv')
let directories = 0
const directory = (): string => join(scratch, `data-${directories++}`)

/** Points of progress, in order, and how far into each a kill is drawn. */
const plan: readonly (readonly KillAt[])[] = [
  [at('sort', 2), at('append', 1), at('commit', 1), at('final', 1), at('insert', 1), at('delta', 1)],
  [at('append', 2), at('committed', 1), at('final', 1), at('insert', 2), at('applied', 1), at('insert', 1)],
  [at('sort', 1), at('commit', 2), at('append', 1), at('insert', 1), at('delta', 1), at('insert', 2)],
  [at('append', 1), at('committed', 2), at('final', 1), at('delta', 1), at('insert', 1), at('insert', 1)],
  [at('append', 2), at('commit', 1), at('insert', 1), at('insert', 1), at('applied', 1), at('insert', 1)],
  [at('append', 1), at('append', 2), at('commit', 1), at('committed', 1), at('insert', 1), at('insert', 1)],
]
function at(point: string, nth: number): KillAt {
  return { point, nth }
}
/** Everything but these lies between the first append and the end. */
const beforeAppend = new Set(['spool', 'first-pass', 'sort'])

interface Outcome {
  readonly digest: string
  readonly rows: Record<string, { rows: string; digest: string }>
}

async function rowsOf(data: string): Promise<Outcome['rows']> {
  const server = await openServer(data, { say: () => undefined })
  try {
    return await tableDigests(server.analyst)
  } finally {
    await server.close()
  }
}

/** What does not depend on the number of partitions: decisions and settlements as sets. */
async function setsOf(data: string): Promise<unknown> {
  const server = await openServer(data, { say: () => undefined })
  try {
    const hash = (columns: string): string =>
      `toString(count()) AS rows, hex(sumWithOverflow(sipHash64(${columns}))) AS digest`
    const decisions =
      'producer, payerAccount, transactionId, outcome, reasons, cycleStart, late, score, toString(contributions), amount7d, payments1m'
    const settlements = 'cycleStart, currency, count, gross, net, onUs, toString(positions), toString(bilateral)'
    return await Promise.all([
      server.analyst.rows(`SELECT ${hash(decisions)} FROM decisions`),
      server.analyst.rows(`SELECT ${hash(settlements)} FROM settlements`),
      server.analyst.rows(`SELECT ${hash('instructionId, member, direction, amount')} FROM instructions`),
    ])
  } finally {
    await server.close()
  }
}

const runArgs = (file: string, data: string, partitions: number, batchRows: number): string[] => [
  'run',
  file,
  '--data',
  data,
  '--partitions',
  String(partitions),
  '--batch-rows',
  String(batchRows),
]

async function outcome(file: string, partitions: number, batchRows: number, data = directory()): Promise<Outcome> {
  const { digest, balanced } = await sluiceJson<Sheet>(runArgs(file, data, partitions, batchRows))
  if (!balanced) throw new Error('it does not balance')
  return { digest, rows: await rowsOf(data) }
}

beforeAll(async () => {
  const shares = ['--disorder', '90000', '--duplicates', '0.03', '--conflicts', '0.01', '--returns', '0.03']
  for (const [file, payments] of [
    [large, '20000'],
    [small, '2000'],
  ] as const) {
    const made = await sluice([
      'generate',
      '--payments',
      payments,
      '--seed',
      '7',
      '--rate',
      '2',
      '--out',
      file,
      ...shares,
    ])
    if (made.code !== 0) throw new Error(made.stderr)
  }
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const sets = new Map<number, unknown>()

describe.each([1, 3, 8])('with %d partitions', (partitions) => {
  test('batches of 7, 100 and 5000 rows, and 25 kills, give one digest and the same rows', async () => {
    const data = directory()
    const reference = await outcome(large, partitions, 5000, data)
    sets.set(partitions, await setsOf(data))
    for (const batchRows of [7, 100]) {
      expect({ batchRows, ...(await outcome(large, partitions, batchRows)) }).toEqual({ batchRows, ...reference })
    }
    const landed = new Map<string, number>()
    let kills = 0
    for (const kill of plan) {
      const killed = directory()
      for (const target of kill) {
        const ended = await sluice(runArgs(large, killed, partitions, 1000), target)
        if (ended.signal === 'SIGKILL') {
          kills++
          landed.set(target.point, (landed.get(target.point) ?? 0) + 1)
        } else if (ended.code !== 0) throw new Error(`it ended by itself with ${ended.code}: ${ended.stderr}`)
      }
      expect({ kill, ...(await outcome(large, partitions, 5000, killed)) }).toEqual({ kill, ...reference })
    }
    const after = [...landed].reduce((sum, [point, times]) => (beforeAppend.has(point) ? sum : sum + times), 0)
    process.stdout.write(
      `N = ${partitions}: ${kills} kills landed at ${[...landed].map(([p, n]) => `${p} ${n}`).join(', ')}\n`,
    )
    expect(after, 'kills between the first append and the end').toBeGreaterThanOrEqual(20)
    expect(kills).toBeGreaterThanOrEqual(25)
  })

  test('batches of one row give the same as large ones', async () => {
    expect(await outcome(small, partitions, 1)).toEqual(await outcome(small, partitions, 5000))
  })
})

test('across numbers of partitions decisions, settlements and instructions are equal as sets', () => {
  expect(sets.size).toBe(3)
  expect(sets.get(3)).toEqual(sets.get(1))
  expect(sets.get(8)).toEqual(sets.get(1))
})
