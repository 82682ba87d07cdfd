/** A ClickHouse server of our own: found, started, shown, guarded, started again when killed, gone with its parent. */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ClickHouse } from '../../sink/clickhouse.ts'
import { findServer } from '../../sink/find-server.ts'
import { openWarehouse } from '../../sink/open.ts'
import { startClickHouse, type ClickHouseServer } from '../../sink/server.ts'
import { runs, temporaryDirectory, until } from './temporary.ts'

const root = temporaryDirectory('server')
const noProgram = { environment: { PATH: '' } }
const client = (server: ClickHouseServer, user: 'admin' | 'analyst'): ClickHouse =>
  new ClickHouse({ url: () => server.endpoint().url, credentials: server[user], database: 'default' })

async function withServer(
  options: Omit<Parameters<typeof startClickHouse>[0], 'directory'> & { name: string },
  run: (server: ClickHouseServer, admin: ClickHouse, analyst: ClickHouse) => Promise<void>,
): Promise<void> {
  const server = await startClickHouse({ ...noProgram, ...options, directory: join(root, options.name) })
  const admin = client(server, 'admin')
  const analyst = client(server, 'analyst')
  try {
    await run(server, admin, analyst)
  } finally {
    await admin.close()
    await analyst.close()
    await server.stop()
  }
}

describe('a server from the npm package', () => {
  test('starts, says what it is, and answers with the printed endpoint', async () => {
    await withServer({ name: 'start' }, async (server, admin) => {
      expect(server.how).toBe('library')
      expect(server.origin).toContain('@chdb/lib')
      expect(server.version).toMatch(/^\d+\.\d+/)
      expect(server.endpoint().tcpPort).toBeGreaterThan(0)
      expect(await admin.rows('SELECT version() AS v')).toEqual([{ v: server.version }])
      const answer = await fetch(server.analystUrl().replace(/\/\/.*@/, '//'), {
        method: 'POST',
        body: 'SELECT currentUser()',
        headers: { authorization: `Basic ${btoa(`${server.analyst.user}:${server.analyst.password}`)}` },
      })
      expect((await answer.text()).trim()).toBe('analyst')
    })
  })

  test('lets nobody in who was not told, and the analyst only read', async () => {
    await withServer({ name: 'users' }, async (server, admin, analyst) => {
      await admin.command('CREATE TABLE sluice.t (a Int64) ENGINE = MergeTree ORDER BY a')
      await admin.command('INSERT INTO sluice.t VALUES (1)')
      expect(await analyst.rows('SELECT a FROM sluice.t')).toEqual([{ a: '1' }])
      const refused = { code: 'SLUICE_CLICKHOUSE_REFUSED' }
      await expect(analyst.command('INSERT INTO sluice.t VALUES (2)')).rejects.toMatchObject(refused)
      await expect(analyst.command('DROP TABLE sluice.t')).rejects.toMatchObject(refused)
      await expect(analyst.rows("SELECT * FROM file('/etc/hostname', 'LineAsString')")).rejects.toMatchObject(refused)
      await expect(analyst.rows("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')")).rejects.toMatchObject(
        refused,
      )
      for (const query of ['SELECT 1', 'SYSTEM STOP LISTEN HTTP']) {
        const url = `${server.endpoint().url}/?query=${encodeURIComponent(query)}`
        expect((await fetch(url, { method: 'POST' })).ok).toBe(false)
        expect((await fetch(`${url}&user=analyst`, { method: 'POST' })).ok).toBe(false)
      }
      const directory = join(root, 'users', 'clickhouse')
      expect(statSync(directory).mode & 0o777).toBe(0o700)
      for (const file of ['access.json', 'users.xml', 'config.xml']) {
        expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
      }
    })
  })

  test('adds up 128-bit amounts right, however often one asks', async () => {
    await withServer({ name: 'exact' }, async (_server, admin, analyst) => {
      await admin.command('CREATE TABLE sluice.nets (net Int128) ENGINE = MergeTree ORDER BY net')
      await admin.command('INSERT INTO sluice.nets VALUES (2000), (5000), (-7000)')
      for (let i = 0; i < 8; i++) {
        const query =
          'SELECT sum(greatest(-net, toInt128(0))) AS pay, sum(-least(net, toInt128(0))) AS same FROM sluice.nets'
        expect(await analyst.rows(query)).toEqual([{ pay: '7000', same: '7000' }])
      }
    })
  })

  test('lets the printed user write when it is asked to', async () => {
    await withServer({ name: 'writable', writable: true }, async (_server, _admin, analyst) => {
      await analyst.command('CREATE TABLE sluice.mine (a Int64) ENGINE = MergeTree ORDER BY a')
      await analyst.command('INSERT INTO sluice.mine VALUES (2)')
      expect(await analyst.rows('SELECT a FROM sluice.mine')).toEqual([{ a: '2' }])
      await expect(analyst.command('CREATE DATABASE other')).rejects.toMatchObject({
        code: 'SLUICE_CLICKHOUSE_REFUSED',
      })
    })
  })

  test('killed, it comes back on the same endpoint with every acknowledged row', async () => {
    const events: string[] = []
    await withServer({ name: 'killed', onEvent: (text) => events.push(text) }, async (server, admin) => {
      const { url } = server.endpoint()
      await admin.command('CREATE TABLE default.t (a Int64) ENGINE = MergeTree ORDER BY a')
      for (let i = 1; i <= 3; i++) {
        await admin.command(`INSERT INTO default.t SELECT number FROM numbers(1000) SETTINGS async_insert = 0`)
        process.kill(server.pid!, 'SIGKILL')
        await until('started again', () => server.restarts === i && server.pid !== null)
        await until('answers', () =>
          admin.rows('SELECT 1').then(
            () => true,
            (error: { retry: boolean }) => {
              expect(error.retry).toBe(true)
              return false
            },
          ),
        )
        expect(await admin.rows('SELECT count() AS n FROM default.t')).toEqual([{ n: String(i * 1000) }])
      }
      expect(server.endpoint().url).toBe(url)
      expect(events).toHaveLength(3)
    })
  })

  test('a second server on the same directory is refused in words, and the first goes on', async () => {
    await withServer({ name: 'locked' }, async (_server, admin) => {
      const second = startClickHouse({ ...noProgram, directory: join(root, 'locked'), lockWaitMs: 500 })
      await expect(second).rejects.toMatchObject({ code: 'SLUICE_CLICKHOUSE_LOCKED' })
      expect(await admin.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
    })
  })

  test('ends when its parent is killed, and the next parent takes over at once', async () => {
    const directory = join(root, 'orphan')
    const module = pathToFileURL(join(import.meta.dirname, '../../sink/server.ts')).href
    const script = `const { startClickHouse } = await import(${JSON.stringify(module)})
      const server = await startClickHouse({ directory: ${JSON.stringify(directory)}, environment: { PATH: '' } })
      process.stdout.write(server.pid + '\\n'); setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (data) => resolve(Number(String(data)))),
    )
    expect(runs(pid)).toBe(true)
    parent.kill('SIGKILL')
    await withServer({ name: 'orphan' }, async (_server, admin) => {
      expect(await admin.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
    })
    await until('the first server has ended', () => !runs(pid))
  })
})

test('a `clickhouse` program on the PATH comes before the package, and is ended even when its launcher was killed', async () => {
  const library = findServer(noProgram)
  if (library.how !== 'library') throw new Error('this test needs the npm package as the engine behind its program')
  const bin = join(root, 'bin')
  mkdirSync(bin)
  const launcher = join(import.meta.dirname, '../../sink/launcher.ts')
  writeFileSync(
    join(bin, 'clickhouse'),
    `#!/bin/sh
if [ "$2" = --version ]; then echo "ClickHouse server version 26.7.2.1 (official build)."; exit 0; fi
config="\${2#--config-file=}"
mkfifo "$config.stdin" 2>/dev/null
exec ${process.execPath} ${launcher} library ${library.path} "$config" "$config.ports" 0<>"$config.stdin"
`,
  )
  chmodSync(join(bin, 'clickhouse'), 0o700)
  const environment = { PATH: `${bin}:${process.env['PATH']}` }
  let programPid = 0
  await withServer({ name: 'program', environment }, async (server, admin) => {
    expect(server.how).toBe('program')
    expect(server.origin).toBe(join(bin, 'clickhouse'))
    await admin.command('CREATE TABLE default.t (a Int64) ENGINE = MergeTree ORDER BY a')
    const pidFile = join(root, 'program', 'clickhouse', 'server.pid')
    programPid = Number(readFileSync(pidFile, 'utf8'))
    process.kill(server.pid!, 'SIGKILL')
    await until('the program without launcher has ended', () => !runs(programPid))
    await until('started again', () => server.restarts === 1 && existsSync(pidFile))
    await until('answers', () =>
      admin.rows('SELECT count() FROM default.t').then(
        () => true,
        () => false,
      ),
    )
    programPid = Number(readFileSync(pidFile, 'utf8'))
  })
  expect(runs(programPid)).toBe(false)
})

test('a configured endpoint is used as it is; a wrong one is refused with what to do', async () => {
  await withServer({ name: 'configured' }, async (own) => {
    const environment = {
      SLUICE_CLICKHOUSE_URL: own.endpoint().url,
      SLUICE_CLICKHOUSE_USER: own.admin.user,
      SLUICE_CLICKHOUSE_PASSWORD: own.admin.password,
    }
    const server = await startClickHouse({ directory: join(root, 'unused'), environment })
    expect(server).toMatchObject({ how: 'configured', version: own.version, pid: null })
    await server.stop()
    expect(existsSync(join(root, 'unused'))).toBe(false)
    // One user for both there: what is asked is read only all the same.
    const warehouse = await openWarehouse({ directory: join(root, 'unused'), environment, database: 'elsewhere' })
    expect(warehouse.migrated).toContain('001-transactions.sql')
    expect(await warehouse.analyst.rows('SELECT count() AS n FROM transaction_states')).toEqual([{ n: '0' }])
    await expect(warehouse.analyst.command('TRUNCATE TABLE alerts')).rejects.toMatchObject({
      code: 'SLUICE_CLICKHOUSE_REFUSED',
    })
    await warehouse.close()
    const at = (wrong: Record<string, string>) =>
      startClickHouse({ directory: root, environment: { ...environment, ...wrong } })
    await expect(at({ SLUICE_CLICKHOUSE_PASSWORD: 'x' })).rejects.toMatchObject({ code: 'SLUICE_CLICKHOUSE_REFUSED' })
    const nobody = at({ SLUICE_CLICKHOUSE_URL: 'http://127.0.0.1:1' })
    await expect(nobody).rejects.toMatchObject({ code: 'SLUICE_CLICKHOUSE_UNREACHABLE' })
  })
})

test('without any ClickHouse the error says what was looked for and what to set', () => {
  const find = (): unknown => findServer({ ...noProgram, libraryPackage: '@chdb/lib-nowhere' })
  expect(find).toThrow(
    /no endpoint is configured.*no `clickhouse` program.*@chdb\/lib-nowhere is not installed.*SLUICE_CLICKHOUSE_URL/s,
  )
})
