/** The whole process is killed while it inserts, server and all: the next one ends with every row, each once. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openEmbedded } from '../../streams/embedded/index.ts'
import type { Audit } from '../../sink/audit.ts'
import { runs, temporaryDirectory, until } from './temporary.ts'
import { alert, makeTopics, Outputs, transaction } from './world.ts'

const directory = join(temporaryDirectory('killed-parent'), 'data')
const ROWS = 6_000
const KILLS = 6

test('killed six times over its progress', async () => {
  const backend = await openEmbedded({ directory, logicVersion: '1', ruleVersion: '1' })
  await makeTopics(backend.log, 2)
  const outputs = new Outputs(backend.log)
  for (const task of [0, 1]) {
    for (let from = 0; from < ROWS; from += 1_000) {
      const some = Array.from({ length: 1_000 }, (_, i) => ({ transactionId: `P${from + i}` }))
      outputs.add('alerts', task, ...some.map(alert)).mark('alerts', task)
      const accepted = { outcome: 'ACCEPTED', firstSeenAt: null }
      outputs.add('transaction-outcomes', task, ...some.map((tx) => ({ ...accepted, transaction: transaction(tx) })))
      outputs.mark('transaction-outcomes', task)
    }
  }
  await outputs.commit()
  await backend.close()

  const landed: number[] = []
  for (let kill = 1; kill <= KILLS; kill++) {
    const goal = Math.floor((kill * 4 * ROWS) / (KILLS + 1))
    landed.push(await carry((rows) => rows >= goal))
  }
  // A kill before the first row or after the last one would prove nothing.
  expect(landed.filter((rows) => rows > 0 && rows < 4 * ROWS).length).toBeGreaterThanOrEqual(KILLS - 1)
  const { open, audit } = await finish()
  expect(open).toBe(0)
  expect(audit.findings).toEqual([])
  const filled = audit.tables.filter(({ rows }) => rows > 0)
  expect(filled).toMatchObject([
    { table: 'transactions', rows: 2 * ROWS, unique: 2 * ROWS, expected: 2 * ROWS },
    { table: 'alerts', rows: 2 * ROWS, unique: 2 * ROWS, expected: 2 * ROWS },
  ])
})

const start = (onLine: (word: string, rest: string) => void) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'carry.ts'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) onLine(line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1))
  })
  return { child, ended: new Promise<number | null>((resolve) => child.on('close', resolve)) }
}

/** Runs until `enough` and kills it then; returns how many rows it said were in. */
async function carry(enough: (rows: number) => boolean): Promise<number> {
  let rows = 0
  let server = 0
  const { child, ended } = start((word, rest) => {
    if (word === 'server') server = Number(rest)
    if (word === 'rows') rows = Number(rest)
    if (word === 'rows' && enough(rows)) child.kill('SIGKILL')
  })
  await ended
  await until('its server ended with it', () => server === 0 || !runs(server))
  return rows
}

async function finish(): Promise<{ open: number; audit: Audit }> {
  let said = ''
  const { ended } = start((word, rest) => {
    if (word === 'end') said = rest
  })
  expect(await ended).toBe(0)
  const result = JSON.parse(said) as { open: number; audit: Audit; server: number }
  expect(runs(result.server)).toBe(false)
  return result
}
