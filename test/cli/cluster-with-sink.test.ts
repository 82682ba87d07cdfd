/** `worker --with-sink`: workers that also feed ClickHouse, killed and started again; every row is in the tables once. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ClickHouse } from '../../sink/clickhouse.ts'
import { startClickHouse, type ClickHouseServer } from '../../sink/server.ts'
import { fedTopics } from '../../sink/topics.ts'
import { sluice, surroundings, type KillAt } from '../lib/sluice.ts'
import { sleep } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { environmentWith } from './cluster-names.ts'
import { Processes, type Going } from './cluster-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-with-sink-'))
const found = await services('kafka', 'redis')
const server = await startClickHouse({ directory, environment: surroundings() }).catch(
  (error: unknown) => error as Error,
)
const missing = missingOf(found) ?? (server instanceof Error ? server.message : null)

interface Sheet {
  readonly payments: Readonly<Record<string, number>>
  readonly currencies: Readonly<Record<string, { readonly instructions: number }>>
  readonly balanced: boolean
}

describe.skipIf(missing !== null)(`worker --with-sink${missing === null ? '' : ` (${missing})`}`, () => {
  const processes = new Processes()
  afterAll(async () => {
    await processes.stop()
    await (server as ClickHouseServer).stop()
    await running(found).stop()
    rmSync(directory, { recursive: true, force: true })
  })
  const start = (env: NodeJS.ProcessEnv, args: readonly string[], kill?: KillAt): Going =>
    processes.start(env, args, kill)

  async function json<T>(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<T> {
    const ended = await sluice([...args, '--json'], undefined, env)
    if (ended.code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${ended.code}:\n${ended.stderr}`)
    return JSON.parse(ended.stdout) as T
  }

  /** Rows of each table, and how many different records they are of. */
  async function tables(client: ClickHouse): Promise<Record<string, { rows: number; unique: number }>> {
    const all: Record<string, { rows: number; unique: number }> = {}
    for (const { table } of fedTopics) {
      const [{ rows, unique }] = await client.rows<{ rows: string; unique: string }>(
        `SELECT count() AS rows, uniqExact(_src_task, _src_seq, _sub) AS unique FROM ${table}`,
      )
      all[table] = { rows: Number(rows), unique: Number(unique) }
    }
    return all
  }

  const expectedOf = ({ payments, currencies }: Sheet): Record<string, number> => ({
    transactions: payments.received - payments.deadLetters - payments.skipped,
    decisions: payments.accepted,
    dead_letters: payments.deadLetters,
    instructions: Object.values(currencies).reduce((sum, { instructions }) => sum + instructions, 0),
  })

  it('feeds the tables beside its tasks; killed in an insert, in a commit, and with ClickHouse, rows = unique = expected', async () => {
    const clickHouse = server as ClickHouseServer
    const { admin } = clickHouse
    const env = environmentWith(clickHouse, running(found))
    const client = new ClickHouse({
      url: () => clickHouse.endpoint().url,
      credentials: admin,
      database: env.SLUICE_KAFKA_PREFIX,
    })
    expect(await sluice(['init', '--partitions', '2'], undefined, env)).toMatchObject({ code: 0 })
    const without = await sluice(['worker', '--with-sink'], undefined, { ...env, SLUICE_CLICKHOUSE_URL: '' })
    expect(without.code).toBe(2)
    expect(without.stderr).toMatch(/clickhouse\.url/)
    const file = join(directory, 'payments.csv')
    await sluice(['generate', '--payments', '6000', '--seed', '23', '--out', file])

    // Two that die: one between two commits, asked for by the flag, one in an insert, asked for by the environment.
    const inCommit = start(env, ['worker', '--with-sink'], { point: 'committed', nth: 2 })
    const importing = json<Sheet>(env, 'run', file)
    expect(await inCommit.ended).toBeNull()
    const inInsert = start({ ...env, SLUICE_WORKER_WITH_SINK: 'true' }, ['worker'], { point: 'insert', nth: 3 })
    expect(await inInsert.ended).toBeNull()
    // Two that live feed at the same time, and ClickHouse dies under them.
    const living = [start(env, ['worker', '--with-sink']), start(env, ['worker', '--with-sink'])]
    await Promise.all(living.map((one) => one.until(/The worker runs/)))
    process.kill(clickHouse.pid!, 'SIGKILL')
    const sheet = await importing
    expect(sheet.balanced).toBe(true)
    const expected = expectedOf(sheet)
    expect(Math.min(...['transactions', 'decisions', 'instructions'].map((table) => expected[table]))).toBeGreaterThan(
      100,
    )

    const complete = async (): Promise<Record<string, { rows: number; unique: number }> | null> => {
      // ClickHouse is started again by who holds it; until then nobody answers.
      const now = await tables(client).catch(() => null)
      return now !== null && Object.entries(expected).every(([table, rows]) => now[table].rows >= rows) ? now : null
    }
    let all = await complete()
    while (all === null) {
      await sleep(300)
      all = await complete()
    }
    // What would come twice would come now.
    await sleep(2_000)
    const after = await tables(client)
    for (const [table, { rows, unique }] of Object.entries(after)) {
      expect({ table, rows }).toEqual({ table, rows: unique })
      expect({ table, rows }).toEqual({ table, rows: expected[table] ?? rows })
    }
    // And they are the right rows: made again from the input, each table is the same.
    const verdict = await json<{ equal: boolean; tables: Record<string, { recorded: { rows: string } }> }>(
      env,
      'verify',
    )
    expect(verdict.equal).toBe(true)
    expect(Number(verdict.tables.decisions.recorded.rows)).toBe(expected.decisions)
    expect(await Promise.all(living.map((one) => one.stop()))).toEqual([0, 0])
    await client.close()
  })
})
