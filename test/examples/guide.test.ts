/** The guide's commands do what the guide says, as a reader would type them. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { directory } from '../intake/files-harness.ts'

const root = join(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/import-your-export.md'), 'utf8')
const commands = [...guide.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block.trim().split('\n'))

/** Runs one command of the guide, its data below a directory of the test. */
function typed(command: string, data: string, more = ''): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(`${command.replaceAll('.sluice/', `${data}/`)}${more}`, {
    shell: true,
    cwd: root,
    encoding: 'utf8',
  })
  return { status, output: `${stdout}${stderr}` }
}

it('has commands', () => expect(commands.length).toBe(4))

// The commands need the command line.
describe.skipIf(!existsSync(join(root, 'cli/main.ts')))('the guide', () => {
  it('can be typed from top to bottom', () => {
    const data = directory()
    for (const command of commands) expect({ command, ...typed(command, data) }).toMatchObject({ command, status: 0 })
    const sheet = (command: string): Record<string, unknown> =>
      (JSON.parse(typed(command, data, ' --json').output) as { payments: Record<string, unknown> }).payments
    expect(sheet(commands[0])).toMatchObject({ received: 30, accepted: 18, skipped: 8, deadLetters: 4 })
    expect(sheet(commands[2])).toMatchObject({ received: 28, skipped: 1, deadLetters: 2, duplicate: 1, conflicting: 1 })
    expect(typed(commands[1], data).output).toMatch(/mapping-threw[^]*statement\.csv|statement\.csv[^]*mapping-threw/)
  })
})
