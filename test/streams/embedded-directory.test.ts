/** The data directory: who may open it, what is fixed when it is made, and what is refused afterwards. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openEmbedded, readHolder, readManifest } from '../../streams/embedded/index.ts'
import { LockedError, LogicVersionError } from '../../streams/errors.ts'

const opener = join(import.meta.dirname, 'embedded-child', 'opener.ts')
const versions = { logicVersion: '1', ruleVersion: '1' }

let base: string
let names = 0
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'sluice-directory-'))
})
afterAll(() => rmSync(base, { recursive: true }))
const fresh = (): string => join(base, `data-${++names}`)

type Child = ChildProcessByStdio<Writable, Readable, null>

function start(directory: string, endpoint: string): { child: Child; said: Promise<string>; ended: Promise<void> } {
  const child = spawn(process.execPath, [opener, directory, endpoint], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const said = new Promise<string>((resolve) =>
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
  )
  return { child, said, ended }
}

it('is for its owner only', async () => {
  const directory = fresh()
  const backend = await openEmbedded({ directory, ...versions })
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  for (const file of ['data.mdb', 'manifest.json', 'holder.json']) {
    expect([file, statSync(join(directory, file)).mode & 0o077]).toEqual([file, 0])
  }
  await backend.close()
})

it('is open in one process, which it names; another one gets it when that one ends, however it ends', async () => {
  const directory = fresh()
  const first = start(directory, 'http://127.0.0.1:1')
  expect(await first.said).toBe('open')
  const refused = await openEmbedded({ directory, ...versions }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(LockedError)
  expect(refused).toMatchObject({ code: 'SLUICE_LOCKED', pid: first.child.pid, endpoint: 'http://127.0.0.1:1' })
  expect(String(refused)).toContain(`process ${first.child.pid}`)
  first.child.kill('SIGKILL')
  await first.ended
  // What it said of itself is still there, and is not believed.
  expect(readHolder(directory)?.pid).toBe(first.child.pid)
  const backend = await openEmbedded({ directory, ...versions })
  expect(readHolder(directory)).toEqual({ pid: process.pid, endpoint: null })
  backend.setEndpoint('http://127.0.0.1:2')
  await expect(openEmbedded({ directory, ...versions })).rejects.toMatchObject({
    pid: process.pid,
    endpoint: 'http://127.0.0.1:2',
  })
  await backend.close()
  expect(readHolder(directory)).toBeNull()
})

it('names no process when the one that is named has gone', async () => {
  const directory = fresh()
  const backend = await openEmbedded({ directory, ...versions })
  const gone = start(fresh(), 'http://127.0.0.1:3')
  await gone.said
  gone.child.kill('SIGKILL')
  await gone.ended
  // As after a crash, in the moment before the new holder has written its name.
  writeFileSync(join(directory, 'holder.json'), JSON.stringify({ pid: gone.child.pid, endpoint: 'http://127.0.0.1:3' }))
  await expect(openEmbedded({ directory, ...versions })).rejects.toMatchObject({
    code: 'SLUICE_LOCKED',
    pid: null,
    endpoint: null,
  })
  await backend.close()
})

it('lets one of several starters in', async () => {
  for (let round = 0; round < 3; round++) {
    const directory = fresh()
    const starters = [1, 2, 3].map((n) => start(directory, `http://127.0.0.1:${n}`))
    const said = await Promise.all(starters.map((starter) => starter.said))
    expect(said.filter((word) => word === 'open').length).toBe(1)
    const winner = starters[said.indexOf('open')]
    const others = said.filter((word) => word !== 'open')
    const name = `SLUICE_LOCKED ${winner.child.pid} http://127.0.0.1:${said.indexOf('open') + 1}`
    expect(others).toEqual([name, name])
    for (const { child } of starters) child.stdin.end()
    await Promise.all(starters.map((starter) => starter.ended))
  }
})

it('records versions, settings and a hash key of its own when it is made', async () => {
  const [one, two] = [fresh(), fresh()]
  const settings = { partitions: 8, scheme: 'north' }
  const defaults = { partitions: 4, cycleMs: 300_000 }
  for (const directory of [one, two]) await (await openEmbedded({ directory, ...versions, settings, defaults })).close()
  const manifest = readManifest(one)!
  expect(manifest).toMatchObject({
    formatVersion: 1,
    ...versions,
    settings: { partitions: 8, scheme: 'north', cycleMs: 300_000 },
  })
  expect(manifest.hashKey).toMatch(/^[0-9a-f]{32}$/)
  expect(readManifest(two)!.hashKey).not.toBe(manifest.hashKey)
  const again = await openEmbedded({ directory: one, ...versions, defaults: { partitions: 2, cycleMs: 1 } })
  expect(again.manifest).toEqual(manifest)
  await again.close()
})

it('refuses other versions and other settings, by name, and touches nothing', async () => {
  const directory = fresh()
  await (await openEmbedded({ directory, ...versions, settings: { partitions: 4, scheme: 'a' } })).close()
  const before = readFileSync(join(directory, 'manifest.json'), 'utf8')
  const open = (options: object): Promise<unknown> => openEmbedded({ directory, ...versions, ...options })
  await expect(open({ logicVersion: '2' })).rejects.toBeInstanceOf(LogicVersionError)
  await expect(open({ logicVersion: '2' })).rejects.toThrow('has logic version 1, this program has 2')
  await expect(open({ ruleVersion: '2' })).rejects.toMatchObject({ code: 'SLUICE_RULE_VERSION' })
  const differing = open({ settings: { partitions: 3, scheme: 'b', grace: 1 } })
  await expect(differing).rejects.toThrow('partitions is 4, given 3; scheme is a, given b; grace is absent, given 1')
  await expect(open({ settings: { partitions: 3 } })).rejects.toMatchObject({ code: 'SLUICE_SETTING_DIFFERS' })
  expect(readFileSync(join(directory, 'manifest.json'), 'utf8')).toBe(before)
  await (await openEmbedded({ directory, ...versions, settings: { partitions: 4 } })).close()
  writeFileSync(join(directory, 'manifest.json'), before.replace('"formatVersion": 1', '"formatVersion": 9'))
  await expect(open({})).rejects.toMatchObject({ code: 'SLUICE_FORMAT_VERSION' })
})

it('makes nothing when it is only to be looked at', async () => {
  const directory = fresh()
  await expect(openEmbedded({ directory, ...versions, create: false })).rejects.toMatchObject({
    code: 'SLUICE_DIRECTORY_MISSING',
  })
  expect(readdirSync(base)).not.toContain(directory)
})

it('notices that data and manifest are not of one log', async () => {
  const [one, two] = [fresh(), fresh()]
  for (const directory of [one, two]) {
    const backend = await openEmbedded({ directory, ...versions })
    await backend.log.createTopics([{ name: 't', partitions: 1 }])
    await backend.close()
  }
  const foreign = readFileSync(join(two, 'manifest.json'))
  writeFileSync(join(one, 'manifest.json'), foreign)
  await expect(openEmbedded({ directory: one, ...versions })).rejects.toMatchObject({ code: 'SLUICE_STORE_DAMAGED' })
  rmSync(join(one, 'manifest.json'))
  await expect(openEmbedded({ directory: one, ...versions })).rejects.toMatchObject({ code: 'SLUICE_STORE_DAMAGED' })
  rmSync(join(two, 'data.mdb'))
  await expect(openEmbedded({ directory: two, ...versions })).rejects.toMatchObject({ code: 'SLUICE_STORE_DAMAGED' })
})

it('says what to do when the data file is not one', async () => {
  const directory = fresh()
  await (await openEmbedded({ directory, ...versions })).close()
  writeFileSync(join(directory, 'data.mdb'), 'x'.repeat(20_000))
  await expect(openEmbedded({ directory, ...versions })).rejects.toThrow(/SLUICE_STORE_(DAMAGED|FAILED).*What to do/)
})
