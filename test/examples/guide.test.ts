/** The guide's commands do what the guide says, as a reader would type them. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { directory } from '../intake/files-harness.ts'

const root = join(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/import-your-export.md'), 'utf8')
const commands = [...guide.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block.trim().split('\n'))
const isAsk = (command: string): boolean => command.includes(' -- ask ')
/** Without the command `ask` there is nothing to type yet. */
const hasAsk = /command\(['"]ask\b/.test(readFileSync(join(root, 'cli/main.ts'), 'utf8'))

let data = ''
beforeAll(() => {
  data = directory()
})

/** Types one command of the guide, its data below a directory of the test. */
function typed(command: string, more = ''): { command: string; status: number | null; stdout: string; stderr: string } {
  const text = `${command.replaceAll('.sluice/', `${data}/`)}${more}`
  const { status, stdout, stderr } = spawnSync(text, { shell: true, cwd: root, encoding: 'utf8' })
  return { command, status, stdout, stderr }
}

const sheet = (command: string): Record<string, unknown> =>
  (JSON.parse(typed(command, ' --json').stdout) as { payments: Record<string, unknown> }).payments

describe('the guide', () => {
  it('imports and settles', () => {
    const runs = commands.filter((command) => !isAsk(command))
    expect(runs.length).toBe(3)
    for (const command of runs) expect(typed(command)).toMatchObject({ command, status: 0 })
    expect(sheet(runs[0])).toMatchObject({ received: 30, accepted: 18, skipped: 8, deadLetters: 4, settled: 18 })
    expect(sheet(runs[1])).toMatchObject({
      received: 28,
      accepted: 23,
      skipped: 1,
      deadLetters: 2,
      duplicate: 1,
      conflicting: 1,
      held: 1,
    })
    expect(typed(runs[2]).stdout).toMatch(/dead letters +2\b/)
  })

  it.skipIf(!hasAsk)('lists the dead letters with where they stood and why', () => {
    const asks = commands.filter(isAsk)
    expect(asks.length).toBe(1)
    const { status, stdout } = typed(asks[0])
    expect(status).toBe(0)
    for (const reason of ['csv-quote', 'invalid-payee-account', 'unreadable-time', 'mapping-threw'])
      expect(stdout).toContain(reason)
    expect(stdout).toContain('statement.csv')
  })
})
