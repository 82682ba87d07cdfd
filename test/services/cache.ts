/** Where services for tests keep what they fetch, what they wait for, and how they end. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A service that tests use: where it listens, and how it ends. One that was given by the environment just goes on. */
export interface Service {
  readonly endpoint: string
  readonly pid: number | null
  stop(): Promise<void>
}

/** A service, or the reason why there is none: what a skipped test prints. */
export type Found = Service | { readonly missing: string }

/** The folder for what was fetched: kept from run to run. */
export function cacheDirectory(...parts: string[]): string {
  const base = process.env.XDG_CACHE_HOME ?? tmpdir()
  const directory = join(base, 'sluice-services', ...parts)
  mkdirSync(directory, { recursive: true })
  return directory
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A port of the loopback address that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

export async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Runs a command to its end. Returns its exit code and the end of what it said; code null: it could not be started. */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<{ code: number | null; signal: NodeJS.Signals | null; said: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-20_000)))
    }
    child.once('error', (error) => resolve({ code: null, signal: null, said: error.message }))
    child.once('close', (code, signal) => resolve({ code: code ?? 1, signal, said }))
  })
}

/**
 * Runs a server that ends with this process, even when this one is killed: a shell holds it, and stops it when its own
 * standard input, which is ours, closes. Its output goes to the file.
 */
export function serve(command: string, args: readonly string[], log: string, env: NodeJS.ProcessEnv): ChildProcess {
  const script = 'log=$1; shift; "$@" >"$log" 2>&1 </dev/null & server=$!; (read -r _ <&3; kill $server) & wait $server'
  const options: SpawnOptions = { env, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] }
  return spawn('bash', ['-c', script, 'bash', log, command, ...args], options)
}

/** Ends a server that `serve` began; resolves when it is gone. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  ;(child.stdio[3] as { destroy(): void }).destroy()
  await gone
}
