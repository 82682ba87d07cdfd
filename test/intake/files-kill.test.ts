/** no-lost-row: an import whose process is killed at any moment ends with the same log as one that was never killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readImports } from '../../intake/files/index.ts'
import { openEmbedded } from '../../streams/embedded/index.ts'
import { directory, header, line, logBytes, now, write } from './files-harness.ts'

const program = join(import.meta.dirname, 'files-kill-process.ts')
const started = new Set<ChildProcess>()
afterAll(() => started.forEach((child) => child.kill('SIGKILL')))

const start = Date.UTC(2024, 0, 5)
const rows = 20_000
/** In order, newest first, and with what cannot be read. */
const files = {
  'a.csv': [
    header,
    ...Array.from({ length: rows / 2 }, (_, i) => line(`a${i}`, String(start + i * 1000), `A-${i % 97}`)),
    '',
  ].join('\n'),
  'b.csv': [
    header,
    ...Array.from({ length: rows / 2 }, (_, i) =>
      line(`b${i}`, i % 50 === 0 ? '' : String(start + 5_000_000 - i * 500), `B-${i % 89}`),
    ),
    '',
  ].join('\n'),
}

/** Runs the program; kills it when it has said `killAt` words. Returns the last word and whether it was killed. */
async function attempt(
  data: string,
  paths: string[],
  clock: number,
  killAt: number,
): Promise<{ last: string; killed: boolean }> {
  const child = spawn(process.execPath, [program, data, String(clock), ...paths], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.add(child)
  let last = 'start'
  let words = 0
  child.stdout.on('data', (chunk: Buffer) => {
    for (const word of chunk.toString().split('\n')) {
      if (word === '') continue
      last = word
      if (++words === killAt) child.kill('SIGKILL')
    }
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  started.delete(child)
  expect(signal === null ? code : 0).toBe(0)
  return { last, killed: signal === 'SIGKILL' }
}

async function content(data: string): Promise<string> {
  const backend = await openEmbedded({ directory: data, logicVersion: 'test', ruleVersion: 'test' })
  try {
    const imports = await readImports(backend.log)
    expect(imports.map(({ state }) => state)).toEqual(['BEGUN', 'FINISHED'])
    expect(imports[1]).toMatchObject({
      rows,
      transactions: rows - 200,
      unreadable: [{ reason: 'unreadable-time', count: 200 }],
    })
    return await logBytes(backend)
  } finally {
    await backend.close()
  }
}

describe('an import in a process of its own', () => {
  it('is killed again and again, and ends with the same bytes', async () => {
    const paths = write(files)
    const whole = directory()
    expect(await attempt(whole, paths, now, -1)).toEqual({ last: 'done imported', killed: false })
    const expected = await content(whole)
    const landed: string[] = []
    // Each directory is killed three times, at words spread over all phases, with a clock that goes on in between.
    for (const first of [1, 2, 3, 4, 5, 8, 12, 20]) {
      const data = directory()
      let clock = now
      for (const killAt of [first, first + 9, first + 14]) {
        const { last, killed } = await attempt(data, paths, clock, killAt)
        if (killed) landed.push(last)
        const backend = await openEmbedded({ directory: data, logicVersion: 'test', ruleVersion: 'test' })
        if ((await backend.log.peek('import')) !== null) clock = now + 1_000_000
        await backend.close()
      }
      await attempt(data, paths, clock, -1)
      expect(await content(data)).toBe(expected)
    }
    expect(landed.length).toBeGreaterThan(12)
    expect(new Set(landed)).toEqual(new Set(['first-pass', 'sort', 'append']))
  })
})
