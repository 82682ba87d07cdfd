/** A full disk and a directory that cannot be written: nothing is acknowledged that is not durable, and it stops cleanly. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openEmbedded, type EmbeddedBackend } from '../../streams/embedded/index.ts'
import { DiskFullError } from '../../streams/errors.ts'
import { batchOf, recordsOf } from '../conformance/batches.ts'

const versions = { logicVersion: '1', ruleVersion: '1' }
const at = { topic: 't', partition: 0 }

let base: string
const mounted: string[] = []
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'sluice-full-'))
})
afterAll(() => {
  for (const path of mounted) execFileSync('umount', [path])
  rmSync(base, { recursive: true })
})

/** A small file system of its own, or why there is none. */
function mount(name: string, options: string): { path: string; why: string } {
  const path = join(base, name)
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' })
    mounted.push(path)
    return { path, why: '' }
  } catch (error) {
    return { path, why: `no file system of a given size can be mounted here: ${String(error).split('\n')[0]}` }
  }
}

/** Commits until something is refused; returns how many were acknowledged, and the error. */
async function fill(
  backend: EmbeddedBackend,
  bytes: number,
  limit: number,
): Promise<{ acknowledged: number; error: unknown }> {
  await backend.log.createTopics([{ name: 't', partitions: 1 }])
  const writer = await backend.log.writer('w')
  let acknowledged = writer.committed?.position ?? 0
  try {
    for (let n = acknowledged + 1; n <= limit; n++) {
      const batches = batchOf(String(n).padEnd(bytes))
      await writer.commit({ appends: [{ ...at, batches }], position: n, metadata: String(n) })
      acknowledged = n
    }
  } catch (error) {
    return { acknowledged, error }
  }
  return { acknowledged, error: undefined }
}

async function numbers(backend: EmbeddedBackend): Promise<number[]> {
  const found: number[] = []
  for (let offset = 0; ;) {
    const { bytes, nextOffset } = await backend.log.read(at, offset, 1 << 20, 0)
    if (bytes.length === 0) return found
    found.push(...recordsOf(bytes).map((record) => Number(record.value)))
    offset = nextOffset
  }
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1)

it('refuses when the disk is full, keeps what it acknowledged, and goes on when there is room again', async ({
  skip,
}) => {
  const { path, why } = mount('disk', 'size=12m')
  if (why !== '') skip(why)
  const directory = join(path, 'data')
  const backend = await openEmbedded({ directory, ...versions })
  const state = await backend.state.acquire('task')
  const ballast = join(path, 'ballast')
  writeFileSync(ballast, Buffer.alloc(6 << 20))
  const { acknowledged, error } = await fill(backend, 200_000, 1000)
  expect(error).toBeInstanceOf(DiskFullError)
  expect(String(error)).toContain('What to do: Free space')
  expect(acknowledged).toBeGreaterThan(3)
  expect(await numbers(backend)).toEqual(upTo(acknowledged))
  expect(await backend.log.peek('w')).toMatchObject({ position: acknowledged })

  rmSync(ballast)
  const more = await fill(backend, 200_000, acknowledged + 5)
  expect(more).toEqual({ acknowledged: acknowledged + 5, error: undefined })
  const delta = { from: 0, to: 1, metadata: '', puts: [], removes: [], dropKinds: [] }
  expect(await state.apply(delta)).toEqual({ result: 'applied' })
  await backend.close()
  const again = await openEmbedded({ directory, ...versions })
  expect(await again.log.peek('w')).toMatchObject({ position: acknowledged + 5 })
  expect(await numbers(again)).toEqual(upTo(acknowledged + 5))
  await again.close()
})

it('refuses a delta of the state that finds no room, whole', async ({ skip }) => {
  const { path, why } = mount('small', 'size=10m')
  if (why !== '') skip(why)
  const backend = await openEmbedded({ directory: join(path, 'data'), ...versions })
  const state = await backend.state.acquire('task')
  const puts = (size: number): { kind: string; key: Uint8Array; value: Uint8Array }[] => {
    return Array.from({ length: 100 }, (_, n) => ({ kind: 'k', key: Buffer.from(`${n}`), value: new Uint8Array(size) }))
  }
  const delta = { from: 0, to: 1, metadata: '', removes: [], dropKinds: [] }
  await expect(state.apply({ ...delta, puts: puts(200_000) })).rejects.toBeInstanceOf(DiskFullError)
  expect(await state.kinds()).toEqual([])
  expect(await state.apply({ ...delta, puts: puts(1000) })).toEqual({ result: 'applied' })
  expect((await state.list('k')).entries.length).toBe(100)
  await backend.close()
})

it('refuses at its own limit before the disk is full', async () => {
  const directory = join(base, 'limited')
  const backend = await openEmbedded({ directory, ...versions, maxBytes: 6 << 20 })
  const { acknowledged, error } = await fill(backend, 200_000, 1000)
  expect(error).toBeInstanceOf(DiskFullError)
  expect(acknowledged).toBeGreaterThan(10)
  expect(backend.usage().bytes).toBeLessThanOrEqual(6 << 20)
  expect(await numbers(backend)).toEqual(upTo(acknowledged))
  await backend.close()
  const larger = await openEmbedded({ directory, ...versions })
  expect(await fill(larger, 200_000, acknowledged + 1)).toMatchObject({ acknowledged: acknowledged + 1 })
  await larger.close()
})

/** A directory with a log in it that can only be read: by its mode, for root (whom modes do not hold back) by its mount. */
async function readOnly(): Promise<{ path: string; inside: string; why: string; undo: () => void }> {
  const root = process.getuid?.() === 0
  const { path, why } = root ? mount('sealed', 'size=8m') : { path: join(base, 'sealed'), why: '' }
  const inside = join(path, 'data')
  if (why !== '') return { path, inside, why, undo: () => undefined }
  await (await openEmbedded({ directory: inside, ...versions })).close()
  if (root) execFileSync('mount', ['-o', 'remount,ro', path])
  else for (const each of [inside, path]) chmodSync(each, 0o500)
  const undo = (): void => (root ? undefined : [path, inside].forEach((each) => chmodSync(each, 0o700)))
  return { path, inside, why, undo }
}

it('says that a directory cannot be written', async ({ skip }) => {
  const { path, inside, why, undo } = await readOnly()
  if (why !== '') skip(why)
  for (const directory of [inside, join(path, 'other')]) {
    await expect(openEmbedded({ directory, ...versions })).rejects.toMatchObject({ code: 'SLUICE_READ_ONLY' })
  }
  undo()
})
