/** Snapshots by the commands alone: taken by a worker and by hand, and a line that has lost Redis and the head of its log goes on. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deleteRecordsV2 } from '@platformatic/kafka'
import { Redis } from 'ioredis'
import { afterAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { sluice } from '../lib/sluice.ts'
import { sleep } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { redis } from '../services/redis.ts'
import { environmentOf } from './cluster-names.ts'
import { Processes, type Going } from './cluster-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-snapshots-'))
// Redis is our own: it is emptied here.
const [foundKafka, foundRedis] = await Promise.all([services('kafka'), redis({ own: true })])
const missing = missingOf(foundKafka) ?? missingOf(foundRedis)

interface Listed {
  readonly path: string
  readonly task: string
  readonly position: number
}

interface Sheet {
  readonly payments: Readonly<Record<string, number>>
  readonly balanced: boolean
  readonly digest: string
}

describe.skipIf(missing !== null)(`snapshots of a line on Kafka${missing === null ? '' : ` (${missing})`}`, () => {
  const processes = new Processes()
  afterAll(async () => {
    await processes.stop()
    await running(foundKafka).stop()
    await running(foundRedis).stop()
    rmSync(directory, { recursive: true, force: true })
  })
  const start = (env: NodeJS.ProcessEnv, ...args: readonly string[]): Going => processes.start(env, args)

  async function command(
    env: NodeJS.ProcessEnv,
    ...args: readonly string[]
  ): Promise<{ code: number | null; said: string; json: unknown }> {
    const { code, stdout, stderr } = await sluice([...args, '--json'], undefined, env)
    return { code, said: stderr, json: stdout === '' ? null : JSON.parse(stdout) }
  }
  const snapshots = async (
    env: NodeJS.ProcessEnv,
    what: string,
    from: string,
  ): Promise<{ code: number | null; said: string; files: Listed[] }> => {
    const { code, said, json } = await command(env, 'snapshots', what, '--directory', from)
    return { code, said, files: (json as { snapshots: Listed[] } | null)?.snapshots ?? [] }
  }

  /** Deletes the records of the input topic before these positions, as retention does. */
  async function trim(env: Record<string, string>, to: readonly number[]): Promise<void> {
    const { kafka } = running(foundKafka)
    const name = `${env.SLUICE_KAFKA_TOPIC_PREFIX}transactions`
    const cluster = new Cluster({ brokers: [kafka.endpoint], clientId: 'test' })
    const partitions = to.map((offset, partitionIndex) => ({ partitionIndex, offset: BigInt(offset) }))
    await cluster.leader(name, 0, (c) => deleteRecordsV2.api.async(c, [{ name, partitions }], 5_000))
    await cluster.close()
  }

  it('are taken on schedule and by hand, listed, and restore what store and log have lost; the line goes on and balances', async () => {
    const { kafka } = running(foundKafka)
    const env = environmentOf({ kafka, redis: running(foundRedis) })
    const scheduled = join(directory, 'scheduled')
    const byHand = join(directory, 'by-hand')
    const tasks = ['payments-0', 'payments-1', 'settlement-0']
    expect((await command(env, 'init', '--partitions', '2')).code).toBe(0)
    const first = start(
      { ...env, SLUICE_WORKER_SNAPSHOT_DIRECTORY: scheduled, SLUICE_WORKER_SNAPSHOT_EVERY_MS: '1000' },
      'worker',
    )
    const file = join(directory, 'first.csv')
    await sluice(['generate', '--payments', '4000', '--seed', '5', '--out', file])
    const before = await command(env, 'run', file)
    expect(before).toMatchObject({ code: 0, json: { balanced: true } })

    // By the worker itself, of every task, each whole, while it runs.
    const listed = async (): Promise<Listed[]> => (await snapshots(env, 'list', scheduled)).files
    while (new Set((await listed()).filter(({ position }) => position > 0).map(({ task }) => task)).size < 3)
      await sleep(300)
    // By hand, beside the worker, which comes back by itself.
    const taken = await snapshots(env, 'take', byHand)
    expect(taken).toMatchObject({ code: 0 })
    expect(taken.files.map(({ task }) => task)).toEqual(tasks)
    const checked = await snapshots(env, 'list', byHand)
    expect(checked).toMatchObject({ code: 0, files: taken.files })
    // A state that is there is never replaced.
    expect(await snapshots(env, 'restore', byHand)).toMatchObject({
      code: 0,
      files: [],
      said: expect.stringMatching(/nothing to restore/),
    })

    // More comes in behind the snapshots; then the worker ends, Redis is emptied, and the log begins where they stand.
    const further = join(directory, 'second.csv')
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    const later = await command(env, 'run', await shifted(further, lines))
    expect(later).toMatchObject({ code: 0, json: { balanced: true } })
    const whole = later.json as Sheet
    expect(whole.payments.accepted).toBeGreaterThan((before.json as Sheet).payments.accepted)
    expect(await first.stop()).toBe(0)
    const connection = new Redis(running(foundRedis).endpoint)
    await connection.flushall()
    connection.disconnect()
    const positionOf = (files: readonly Listed[], task: string): number =>
      files.find((one) => one.task === task)?.position ?? 0
    await trim(env, [positionOf(taken.files, 'payments-0'), positionOf(taken.files, 'payments-1')])

    // Without a state it halts, and says what to do.
    const lost = start(env, 'worker')
    await lost.until(/SLUICE_RETENTION_PASSED[\s\S]*sluice snapshots restore/)
    lost.kill()
    await lost.ended

    // A damaged one is named and not taken.
    const damaged = taken.files.find(({ task }) => task === 'payments-1')!.path
    const bytes = readFileSync(damaged)
    writeFileSync(damaged, bytes.subarray(0, bytes.length - 1))
    const withDamage = await snapshots(env, 'list', byHand)
    expect(withDamage.code).toBe(3)
    expect(withDamage.said).toContain(damaged)
    const half = await snapshots(env, 'restore', byHand)
    expect(half.code).toBe(3)
    expect(half.files.map(({ task }) => task)).toEqual(['payments-0', 'settlement-0'])
    expect(half.said).toMatch(/payments-1: no snapshot that fits/)
    writeFileSync(damaged, bytes)
    const restored = await snapshots(env, 'restore', byHand)
    expect(restored).toMatchObject({ code: 0, files: [{ task: 'payments-1' }] })

    // The line goes on: what lies behind the snapshots comes again to the same digest, and a third file settles.
    start(env, 'worker')
    const again = await command(env, 'run', further)
    expect(again).toMatchObject({ code: 0, json: { balanced: true, digest: whole.digest, payments: whole.payments } })
    const third = await command(env, 'run', await shifted(join(directory, 'third.csv'), lines, 2))
    expect(third).toMatchObject({ code: 0, json: { balanced: true } })
    const { payments } = third.json as Sheet
    expect(payments.received).toBe(whole.payments.received + lines.length - 1)
    expect(payments.pending).toBe(0)
    // What is deleted cannot be processed again; that is no difference.
    const verified = await command(env, 'verify')
    expect(verified).toMatchObject({ code: 2, said: expect.stringMatching(/transactions\/\d begins at offset/) })
  })
})

/** The lines of a file, days later and under other ids. */
async function shifted(path: string, lines: readonly string[], by = 1): Promise<string> {
  const [header, ...rows] = lines
  const columns = header.split(',')
  const [id, at] = [columns.indexOf('transactionId'), columns.indexOf('occurredAt')]
  const original = columns.indexOf('originalTransactionId')
  const moved = rows.map((row) => {
    const cells = row.split(',')
    cells[id] = `${cells[id]}-${by}`
    if (original >= 0 && cells[original] !== '') cells[original] = `${cells[original]}-${by}`
    cells[at] = new Date(Date.parse(cells[at]) + by * 30 * 86_400_000).toISOString()
    return cells.join(',')
  })
  writeFileSync(path, [header, ...moved].join('\n'))
  return path
}
