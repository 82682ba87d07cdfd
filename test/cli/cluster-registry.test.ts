/** A line whose wire ids are a registry's: made only when they are registered, and its digest is that of a directory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sluice, sluiceJson } from '../lib/sluice.ts'
import { missingOf, running, services } from '../services/index.ts'
import { environmentOf } from './cluster-names.ts'
import { going } from './cluster-process.ts'

const found = await services('kafka', 'redis', 'registry')
const missing = missingOf(found)
const directory = mkdtempSync(join(tmpdir(), 'sluice-registry-'))

describe.skipIf(missing !== null)(`a line with a registry${missing === null ? '' : ` (${missing})`}`, () => {
  afterAll(async () => {
    await running(found).stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** An operator lists what is held and releases the oldest: the same words as on one machine. */
  async function release(env: NodeJS.ProcessEnv, held: number): Promise<void> {
    const listed = await sluice(['holds', 'list', '--json'], undefined, env)
    const { total, holds } = JSON.parse(listed.stdout) as { total: number; holds: Record<string, string>[] }
    expect(total).toBe(held)
    const [{ transactionId, producer, payerAccount }] = holds
    const names = ['--producer', producer, '--payer-account', payerAccount, '--by', 'me', '--why', 'looked at it']
    const released = await sluice(['holds', 'release', transactionId, ...names, '--json'], undefined, env)
    expect(JSON.parse(released.stdout)).toMatchObject({ result: 'released' })
    let left = held
    while (left === held) {
      const { stdout } = await sluice(['balance', '--json'], undefined, env)
      left = (JSON.parse(stdout) as { payments: { held: number } }).payments.held
    }
    expect(left).toBe(held - 1)
  }

  it('is made with the ids that were registered, keeps them, and gives the digest of a line without', async () => {
    const env = { ...environmentOf(running(found)), SLUICE_REGISTRY_URL: running(found).registry.endpoint }
    const settings = ['--partitions', '2', '--cycle', '60']
    const early = await sluice(['init', ...settings], undefined, env)
    expect([early.code, early.stderr]).toEqual([2, expect.stringContaining('sluice schemas register')])
    expect(await sluice(['schemas', 'register'], undefined, env)).toMatchObject({ code: 0 })
    const made = await sluice(['init', ...settings, '--json'], undefined, env)
    const { manifest } = JSON.parse(made.stdout) as { manifest: { schemaIds: Record<string, number> } }
    expect(Object.keys(manifest.schemaIds).length).toBeGreaterThan(10)

    const file = join(directory, 'payments.csv')
    await sluice(['generate', '--payments', '1000', '--seed', '5', '--out', file])
    const worker = going(['worker'], env)
    try {
      const ran = await sluice(['run', file, '--json'], undefined, env)
      expect([ran.code, ran.stderr]).toEqual([0, expect.anything()])
      const sheet = JSON.parse(ran.stdout) as { digest: string; payments: { held: number } }
      const here = join(directory, 'data')
      const embedded = await sluiceJson<typeof sheet>(['run', file, '--data', here, '--no-clickhouse', ...settings])
      expect([sheet.digest, sheet.payments]).toEqual([embedded.digest, embedded.payments])
      const verdict = await sluice(['verify', '--json'], undefined, env)
      expect(JSON.parse(verdict.stdout)).toMatchObject({ equal: true, digest: sheet.digest })
      await release(env, sheet.payments.held)
    } finally {
      await worker.stop()
    }
  })
})
