/** Killed at any moment, the embedded store keeps what it acknowledged and holds no half of anything. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openEmbedded, type EmbeddedBackend } from '../../streams/embedded/index.ts'
import { recordsOf } from '../conformance/batches.ts'
import { expectedState } from './embedded-child/model.ts'

const KILLS = 25
const committer = join(import.meta.dirname, 'embedded-child', 'committer.ts')

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-kill-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Waits of a round, spread over the life of the process; the same in every run. */
function* waits(): Generator<number> {
  for (let state = 20_240_601; ;) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    yield state / 2_147_483_648
  }
}

/** Runs the process and kills it a while after it said that it is open (or after its start); returns what it said last. */
async function runAndKill(at: string, afterMs: number, since: 'start' | 'open'): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [committer, at], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  let opened: () => void
  const open = new Promise<void>((resolve) => (opened = resolve))
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.includes('open')) opened()
  })
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)))
  if (since === 'open') await Promise.race([open, ended])
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  child.kill('SIGKILL')
  expect({ signal: await ended, errors }).toEqual({ signal: 'SIGKILL', errors: '' })
  const last = new Map<string, number>()
  for (const [, what, n] of output.matchAll(/^(\w+) (\d+)$/gm)) last.set(what, Math.max(last.get(what) ?? 0, Number(n)))
  return last
}

async function numbersIn(backend: EmbeddedBackend, topic: string, partition: number): Promise<number[]> {
  const numbers: number[] = []
  for (let offset = 0; ;) {
    const { bytes, nextOffset } = await backend.log.read({ topic, partition }, offset, 1 << 20, 0)
    if (bytes.length === 0) return numbers
    for (const record of recordsOf(bytes)) {
      if (record.offset !== numbers.length)
        throw new Error(`${topic}/${partition}: offset ${record.offset} at ${numbers.length}`)
      numbers.push(Number(record.value))
    }
    offset = nextOffset
  }
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1)

it(`keeps every acknowledged commit, whole commits only, and a prefix of the state, over ${KILLS} kills`, async () => {
  const wait = waits()
  const landed = { commits: 0, unheard: 0, behind: 0, deltas: 0 }
  for (let kill = 0; kill < KILLS; kill++) {
    const said = await runAndKill(directory, 5 + wait.next().value! * 250, 'open')
    // The lock of the killed process is gone with it.
    const backend = await openEmbedded({ directory, logicVersion: '1', ruleVersion: '1' })
    try {
      const position = (await backend.log.peek('task'))?.position ?? 0
      expect(position).toBeGreaterThanOrEqual(said.get('commit') ?? 0)
      for (const partition of [0, 1]) expect(await numbersIn(backend, 'pair', partition)).toEqual(upTo(position))
      const taken = Number((await backend.log.peek('intake'))?.metadata ?? 0)
      expect(taken).toBeGreaterThanOrEqual(said.get('intake') ?? 0)
      expect(await numbersIn(backend, 'inbox', 0)).toEqual(upTo(taken))

      const state = await backend.state.acquire('task')
      const reached = state.header?.position ?? 0
      expect(reached).toBeGreaterThanOrEqual(said.get('delta') ?? 0)
      expect(reached).toBeLessThanOrEqual(position)
      const found = new Map<string, string>()
      for (const kind of await state.kinds()) {
        for (const { key, value } of (await state.list(kind)).entries) {
          found.set(`${kind}/${Buffer.from(key).toString()}`, Buffer.from(value).toString())
        }
      }
      expect(found).toEqual(expectedState(reached))
      landed.commits = position
      landed.unheard += position - Math.max(said.get('commit') ?? position, 0) > 0 ? 1 : 0
      landed.behind += reached < position ? 1 : 0
      landed.deltas += said.has('delta') ? 1 : 0
    } finally {
      await backend.close()
    }
  }
  console.info(
    `kills=${KILLS} commits=${landed.commits} durable but unacknowledged in ${landed.unheard}, ` +
      `state behind the log in ${landed.behind}, deltas acknowledged in ${landed.deltas}`,
  )
  // Else the kills met an idle process and showed nothing.
  expect(landed.commits).toBeGreaterThan(KILLS * 10)
  expect(landed.deltas).toBeGreaterThan(KILLS / 2)
})

it('opens again after a kill at any moment of its creation', async () => {
  const wait = waits()
  let unfinished = 0
  for (let kill = 0; kill < 20; kill++) {
    const fresh = join(directory, `new-${kill}`)
    await runAndKill(fresh, 40 + wait.next().value! * 120, 'start')
    if (!existsSync(join(fresh, 'manifest.json'))) unfinished++
    const backend = await openEmbedded({ directory: fresh, logicVersion: '1', ruleVersion: '1' })
    expect(backend.manifest.hashKey).toMatch(/^[0-9a-f]{32}$/)
    await backend.log.createTopics([{ name: 'pair', partitions: 2 }])
    await backend.close()
  }
  console.info(`creations killed: 20, of them before the manifest was written: ${unfinished}`)
})
