/** Of several that want to make tables or repair rows at once, one does at a time; who died holding it holds up nobody long. */
import { afterAll, expect, test } from 'vitest'
import { ClickHouse } from '../../sink/clickhouse.ts'
import { exclusively } from '../../sink/exclusive.ts'
import { migrate } from '../../sink/migrations.ts'
import { temporaryDirectory } from './temporary.ts'
import { openWarehouse } from './world.ts'

const warehouse = await openWarehouse(temporaryDirectory('exclusive'))
const { server } = warehouse
const clients = Array.from(
  { length: 4 },
  () => new ClickHouse({ url: () => server.endpoint().url, credentials: server.admin, database: 'default' }),
)
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()))
  await warehouse.close()
})
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('one works at a time, in whatever order, and an error of one is its own', async () => {
  let inside = 0
  let most = 0
  let done = 0
  const work = async (fails: boolean): Promise<void> => {
    most = Math.max(most, ++inside)
    await sleep(50)
    inside--
    if (fails) throw new Error('mine')
    done++
  }
  const all = clients.flatMap((client) =>
    [false, true].map((fails) => exclusively(client, { database: 'sluice' }, () => work(fails))),
  )
  const ended = await Promise.allSettled(all)
  expect([most, done]).toEqual([1, 4])
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(4)
})

test('what a dead process held is taken when it was not renewed, and not before', async () => {
  const [client] = clients
  await client.command(
    "CREATE TABLE sluice._exclusive_7 (at DateTime) ENGINE = MergeTree ORDER BY at COMMENT 'somebody that died'",
  )
  const began = performance.now()
  await exclusively(client, { database: 'sluice', abandonedSeconds: 1 }, () => Promise.resolve())
  expect(performance.now() - began).toBeGreaterThan(900)
  const left = await client.rows("SELECT name FROM system.tables WHERE database = 'sluice' AND name LIKE '%exclusive%'")
  expect(left).toEqual([])
})

test('who works long renews what it holds', async () => {
  const [one, other] = clients
  const ends: string[] = []
  const options = { database: 'sluice', renewMs: 200, abandonedSeconds: 1 }
  const long = exclusively(one, options, () => sleep(3_500)).then(() => ends.push('long'))
  await sleep(100)
  await exclusively(other, options, () => Promise.resolve()).then(() => ends.push('other'))
  await long
  expect(ends).toEqual(['long', 'other'])
})

test('tables are made once when several begin at once', async () => {
  const ran = await Promise.all(clients.map((client) => migrate(client, 'fresh')))
  expect(ran.filter((files) => files.length > 0)).toHaveLength(1)
  const rows = await clients[0].rows<{ file: string }>('SELECT file FROM fresh._migrations')
  expect(new Set(rows.map(({ file }) => file)).size).toBe(rows.length)
})
