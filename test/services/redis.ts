/** A Redis server for tests: one that the environment names, else `redis-server` of the PATH. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end, freePort, listens, run, serve, sleep, type Found } from './cache.ts'

/** A server for this process, or why there is none. `settings` go to its command line. */
export async function redis(settings: readonly string[] = []): Promise<Found> {
  const given = process.env.SLUICE_REDIS
  if (given !== undefined && given !== '' && settings.length === 0) {
    return { endpoint: given, pid: null, stop: async () => undefined }
  }
  const version = await run('redis-server', ['--version'])
  if (version.code === null) {
    return { missing: `no Redis: 'redis-server' is not on the PATH, and SLUICE_REDIS is not set` }
  }
  const directory = mkdtempSync(join(tmpdir(), 'sluice-redis-'))
  const port = await freePort()
  const base = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--appendonly', 'yes', '--save', '']
  const log = join(directory, 'redis.log')
  writeFileSync(log, '')
  const server = serve(
    'redis-server',
    [...base, '--maxmemory-policy', 'noeviction', '--daemonize', 'no', ...settings],
    log,
    process.env,
  )
  const stop = async (): Promise<void> => {
    await end(server)
    rmSync(directory, { recursive: true, force: true })
  }
  for (let waited = 0; waited < 30_000 && server.exitCode === null; waited += 50) {
    if (await listens(port)) return { endpoint: `redis://127.0.0.1:${port}`, pid: server.pid!, stop }
    await sleep(50)
  }
  const said = readFileSync(log, 'utf8').slice(-2000)
  await stop()
  return { missing: `no Redis: it did not come up: ${said}` }
}
