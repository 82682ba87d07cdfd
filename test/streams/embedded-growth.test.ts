/** The embedded store grows far beyond what it mapped at first, under readers and two writers, and frees what it is told. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openEmbedded } from '../../streams/embedded/index.ts'
import { batchOf, recordsOf } from '../conformance/batches.ts'

const COMMITS = 240
const BYTES = 400_000

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-growth-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

it('reads what is written while the map grows a hundredfold', async () => {
  const versions = { logicVersion: '1', ruleVersion: '1' }
  const backend = await openEmbedded({ directory, ...versions, mapBytes: 1 << 20 })
  await backend.log.createTopics([{ name: 't', partitions: 2 }])
  const state = await backend.state.acquire('task')

  const write = async (partition: number): Promise<void> => {
    const writer = await backend.log.writer(`w${partition}`)
    for (let n = 0; n < COMMITS; n++) {
      const batches = batchOf(`${n}`.padEnd(BYTES, String.fromCharCode(97 + (n % 26))))
      await writer.commit({ appends: [{ topic: 't', partition, batches }], position: n, metadata: '' })
    }
  }
  const read = async (partition: number): Promise<number> => {
    let offset = 0
    while (offset < COMMITS) {
      const { bytes, nextOffset } = await backend.log.read({ topic: 't', partition }, offset, 1 << 20, 5_000)
      for (const record of recordsOf(bytes)) {
        const right = `${record.offset}`.padEnd(BYTES, String.fromCharCode(97 + (record.offset % 26)))
        if (record.value !== right) throw new Error(`partition ${partition}, offset ${record.offset}: other bytes`)
      }
      offset = nextOffset
    }
    return offset
  }
  const follow = async (): Promise<void> => {
    for (let to = 1; to <= 60; to++) {
      const value = Buffer.alloc(2_000, to)
      const puts = Array.from({ length: 200 }, (_, n) => ({ kind: 'k', key: Buffer.from(`${n}`), value }))
      const delta = { from: to - 1, to, metadata: `${to}`, puts, removes: [], dropKinds: [] }
      expect((await state.apply(delta)).result).toBe('applied')
      const { header, entries } = await state.list('k')
      const seen = new Set(entries.map((entry) => Buffer.compare(entry.value, Buffer.alloc(2_000, header!.position))))
      expect([header!.position, entries.length, [...seen]]).toEqual([to, 200, [0]])
    }
  }
  const [, , ...ends] = await Promise.all([write(0), write(1), read(0), read(1), follow()])
  expect(ends.slice(0, 2)).toEqual([COMMITS, COMMITS])
  const { bytes, used } = backend.usage()
  expect(used).toBeGreaterThan(2 * COMMITS * BYTES)
  expect(statSync(join(directory, 'data.mdb')).size).toBe(bytes)

  // Retention gives pages back to the store: as much again does not make it twice as large.
  for (const partition of [0, 1]) await backend.trim({ topic: 't', partition }, COMMITS)
  const writer = await backend.log.writer('again')
  for (let n = 0; n < COMMITS; n++) {
    const batches = batchOf('x'.repeat(BYTES))
    await writer.commit({ appends: [{ topic: 't', partition: n % 2, batches }], position: n, metadata: '' })
  }
  expect(backend.usage().used).toBeLessThan(1.25 * used)
  await backend.close()

  const again = await openEmbedded({ directory, ...versions })
  expect(await again.log.bounds({ topic: 't', partition: 0 })).toEqual({ start: COMMITS, end: 1.5 * COMMITS })
  expect((await again.state.peek('task', 'k')).header).toMatchObject({ position: 60 })
  await again.close()
})
