/** Tables are made once, changes of what was applied are refused, views follow their files. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ClickHouse } from '../../sink/clickhouse.ts'
import { migrate } from '../../sink/migrations.ts'
import { temporaryDirectory } from './temporary.ts'
import { openWarehouse } from './world.ts'

const root = temporaryDirectory('migrations')
const warehouse = await openWarehouse(root)
const { server } = warehouse
const admin = new ClickHouse({ url: () => server.endpoint().url, credentials: server.admin, database: 'default' })
afterAll(async () => {
  await admin.close()
  await warehouse.close()
})

const tables = join(root, 'tables')
const views = join(root, 'views')
mkdirSync(tables)
mkdirSync(views)
const file = (directory: string, name: string, text: string): void => writeFileSync(join(directory, name), text)
const run = (): Promise<string[]> => migrate(admin, 'other', { tables, views })

test('files run once, in order; a change of one that ran, or its absence, is refused', async () => {
  file(
    tables,
    '001-a.sql',
    '-- A; with a comment.\nCREATE TABLE IF NOT EXISTS {database}.a (x Int64) ENGINE = MergeTree ORDER BY x;\n',
  )
  file(
    tables,
    '002-b.sql',
    'ALTER TABLE {database}.a ADD COLUMN IF NOT EXISTS y Int64;\nINSERT INTO {database}.a VALUES (1, 2);\n',
  )
  file(views, 'v.sql', 'CREATE OR REPLACE VIEW {database}.v AS SELECT x + y AS z FROM {database}.a;\n')
  expect(await run()).toEqual(['001-a.sql', '002-b.sql'])
  expect(await run()).toEqual([])
  expect(await admin.rows('SELECT z FROM other.v')).toEqual([{ z: '3' }])
  file(views, 'v.sql', 'CREATE OR REPLACE VIEW {database}.v AS SELECT x * 10 AS z FROM {database}.a;\n')
  file(tables, '003-c.sql', 'INSERT INTO {database}.a VALUES (2, 2);\n')
  expect(await run()).toEqual(['003-c.sql'])
  expect(await admin.rows('SELECT z FROM other.v ORDER BY z')).toEqual([{ z: '10' }, { z: '20' }])

  file(tables, '003-c.sql', 'INSERT INTO {database}.a VALUES (3, 2);\n')
  await expect(run()).rejects.toMatchObject({
    code: 'SLUICE_SINK_MIGRATION_CHANGED',
    message: expect.stringContaining('003-c.sql'),
  })
  rmSync(join(tables, '003-c.sql'))
  await expect(run()).rejects.toMatchObject({ code: 'SLUICE_SINK_MIGRATION_CHANGED' })
  expect(await admin.rows('SELECT count() AS n FROM other.a')).toEqual([{ n: '2' }])
})

test('a statement that ClickHouse refuses stops with its file unrecorded, and runs again when it is put right', async () => {
  file(tables, '003-c.sql', 'INSERT INTO {database}.a VALUES (2, 2);\n')
  file(tables, '004-d.sql', 'CREATE TABLE {database}.d (x Nonsense) ENGINE = MergeTree ORDER BY x;\n')
  await expect(run()).rejects.toMatchObject({ code: 'SLUICE_CLICKHOUSE_REFUSED' })
  file(tables, '004-d.sql', 'CREATE TABLE {database}.d (x Int64) ENGINE = MergeTree ORDER BY x;\n')
  expect(await run()).toEqual(['004-d.sql'])
})

test('the tables of money that moves are flushed before they count, all of them remember tokens', async () => {
  const made = await admin.rows<{ name: string; text: string }>(
    "SELECT name, create_table_query AS text FROM system.tables WHERE database = 'sluice' AND engine = 'MergeTree' AND name NOT LIKE '\\_%'",
  )
  expect(made.map(({ name }) => name).sort()).toEqual([
    'alerts',
    'dead_letters',
    'decisions',
    'hold_events',
    'instructions',
    'settlements',
    'transactions',
  ])
  for (const { name, text } of made) {
    expect(text).toContain('non_replicated_deduplication_window = 10000')
    expect(text).toContain('PROJECTION hi')
    expect(text).toContain('PARTITION BY toYYYYMM(logicalTime)')
    expect(text.includes('fsync_after_insert = 1, fsync_part_directory = 1')).toBe(
      /settlements|instructions/.test(name),
    )
  }
})
