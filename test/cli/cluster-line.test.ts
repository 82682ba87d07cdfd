/**
 * The line as processes on real Kafka, Redis and ClickHouse: made, run, killed and verified by its commands alone.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ClickHouse } from '../../sink/clickhouse.ts'
import { startClickHouse, type ClickHouseServer } from '../../sink/server.ts'
import { fedTopics } from '../../sink/topics.ts'
import { sluice, surroundings } from '../lib/sluice.ts'
import { sleep } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { environmentWith } from './cluster-names.ts'
import { Processes, type Going } from './cluster-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-cluster-'))
const found = await services('kafka', 'redis')
const server = await startClickHouse({ directory, environment: surroundings() }).catch(
  (error: unknown) => error as Error,
)
const missing = missingOf(found) ?? (server instanceof Error ? server.message : null)

describe.skipIf(missing !== null)(`the line on a cluster${missing === null ? '' : ` (${missing})`}`, () => {
  const processes = new Processes()
  afterAll(async () => {
    await processes.stop()
    await (server as ClickHouseServer).stop()
    await running(found).stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** Names of its own, the ClickHouse of this file, and cycles that settle while one waits. */
  const environment = (): NodeJS.ProcessEnv => environmentWith(server as ClickHouseServer, running(found))

  const start = (env: NodeJS.ProcessEnv, args: readonly string[], kill?: { point: string; nth: number }): Going =>
    processes.start(env, args, kill)

  async function json<T>(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<T> {
    const ended = await sluice([...args, '--json'], undefined, env)
    if (ended.code !== 0)
      throw new Error(`sluice ${args.join(' ')} ended with ${ended.code}:\n${ended.stderr}${ended.stdout}`)
    return JSON.parse(ended.stdout) as T
  }

  interface SheetJson {
    readonly payments: Readonly<Record<string, number>>
    readonly balanced: boolean
    readonly digest: string
  }

  const payment = (index: number) => ({
    producer: 'shop',
    transactionId: `T${index}`,
    payerAccount: `acc-${index}`,
    payeeAccount: `payee-${index % 31}`,
    payerBank: `bank-${index % 5}`,
    payeeBank: `bank-${(index + 1) % 5}`,
    amount: `${1 + (index % 90)}.50`,
    currency: 'EUR',
    occurredAt: new Date(Date.now()).toISOString(),
  })

  async function post(url: string, from: number, to: number): Promise<number> {
    let accepted = 0
    let next = from
    const client = async (): Promise<void> => {
      for (let index = next++; index < to; index = next++) {
        const response = await fetch(`${url}/v1/transactions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(payment(index)),
        })
        if (response.status === 202) accepted++
        await response.body?.cancel()
      }
    }
    await Promise.all(Array.from({ length: 20 }, client))
    return accepted
  }

  it('settles a file and 2,000 posts, each once, though workers and a sink are killed; verify finds it equal', async () => {
    const env = environment()
    const made = await sluice(['init', '--partitions', '2', '--cycle', '2', '--grace', '1'], undefined, env)
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining('one replica')])
    const file = join(directory, 'payments.csv')
    await sluice(['generate', '--payments', '3000', '--seed', '11', '--out', file])

    // The only worker and the only sink die in the middle of their work; others take over.
    const dyingSink = start(env, ['sink'], { point: 'insert', nth: 2 })
    const dying = start(env, ['worker'], { point: 'committed', nth: 2 })
    const importing = json<SheetJson>(env, ['run', file])
    expect(await dying.ended).toBeNull()
    const worker = start(env, ['worker'])
    const first = await importing
    expect(first.balanced).toBe(true)
    expect(first.payments.received).toBeGreaterThan(3000)
    expect(first.payments.pending).toBe(0)
    const again = await json<SheetJson>(env, ['run', file])
    expect(again).toMatchObject({ digest: first.digest, payments: first.payments })
    expect(await dyingSink.ended).toBeNull()
    const sinks = [start(env, ['sink']), start(env, ['sink'])]

    // Two doors; a worker dies while payments come in, and another one takes over.
    const doors = await Promise.all(
      [0, 1].map(async () => {
        const door = start(env, ['serve', '--members', 'any', '--port', '0'])
        const [, url] = await door.until(/API +(http:\/\/\S+?)\/v1/)
        return { door, url }
      }),
    )
    const another = start(env, ['worker'])
    const posting = Promise.all(doors.map(({ url }, index) => post(url, index * 1000, index * 1000 + 1000)))
    worker.kill()
    expect(await posting.catch((error: unknown) => [error, ...doors.map(({ door }) => door.said())])).toEqual([
      1000, 1000,
    ])
    const received = first.payments.received + 2000
    let sheet: SheetJson
    do {
      await sleep(500)
      sheet = (await (await fetch(`${doors[0].url}/v1/balance`)).json()) as SheetJson
    } while (sheet.payments.received < received || sheet.payments.pending > 0)
    expect(sheet).toMatchObject({ balanced: true, payments: { received, duplicate: first.payments.duplicate } })
    expect(await json<SheetJson>(env, ['balance'])).toMatchObject({ balanced: true, payments: sheet.payments })
    expect(doors.map(({ door }) => door.said()).join('')).not.toMatch(/sluice: /)
    const looked = await fetch(`${doors[1].url}/v1/transactions/shop/T1`)
    expect(await looked.json()).toMatchObject({ transactions: [{ state: 'settled', amountMinor: '250' }] })

    await onlyOnce(env)
    const verdict = await json<{ equal: boolean; digest: string; recomputed: string; tables: object }>(env, ['verify'])
    expect(verdict).toMatchObject({ equal: true, recomputed: verdict.digest })
    expect(verdict.tables).toMatchObject({ decisions: { recorded: { rows: expect.stringMatching(/^[1-9]\d{3}/) } } })
    expect(await Promise.all([another, ...sinks, ...doors.map(({ door }) => door)].map((one) => one.stop()))).toEqual([
      0, 0, 0, 0, 0,
    ])
  })

  /** Rows of every table are the records with numbers 0 to the highest, each once. */
  async function onlyOnce(env: NodeJS.ProcessEnv): Promise<void> {
    const clickHouse = server as ClickHouseServer
    const client = new ClickHouse({
      url: () => clickHouse.endpoint().url,
      credentials: clickHouse.admin,
      database: String(env.SLUICE_CLICKHOUSE_DATABASE),
    })
    let rows = 0
    for (const { table } of fedTopics) {
      const [{ wrong, all }] = await client.rows<{ wrong: string; all: string }>(
        `SELECT countIf(n != highest + 1 OR n != distinct) AS wrong, sum(n) AS all FROM
         (SELECT _src_task, count() AS n, max(_src_seq) AS highest, uniqExact(_src_seq) AS distinct FROM ${table} GROUP BY _src_task)`,
      )
      expect({ table, wrong }).toEqual({ table, wrong: '0' })
      rows += Number(all)
    }
    await client.close()
    expect(rows).toBeGreaterThan(5_000)
  }
})
