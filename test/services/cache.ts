/** What services for tests stand on: where fetched files are kept, free ports, commands that run to their end. */
import { spawn, type SpawnOptions } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder for what was fetched: kept from run to run. */
export function cacheDirectory(...parts: string[]): string {
  const base = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const directory = join(base, 'sluice-services', ...parts)
  mkdirSync(directory, { recursive: true })
  return directory
}

/**
 * Puts into the cache, once, what `fetch` leaves in the folder that it is given, and returns where it is. Two that fetch
 * at once do it twice, and the first to end is taken. Null: `fetch` returned false.
 */
export async function cached(name: string, fetch: (into: string) => Promise<boolean>): Promise<string | null> {
  const kept = join(cacheDirectory(), name)
  if (existsSync(kept)) return kept
  const work = mkdtempSync(join(cacheDirectory(), 'fetch-'))
  const into = join(work, 'files')
  mkdirSync(into)
  try {
    if (!(await fetch(into))) return null
    renameSync(into, kept)
  } catch (error) {
    if (!existsSync(kept)) throw error
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return kept
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Below the ports that systems give to outgoing connections: one of those would keep a server from starting again. */
const PORTS = [15_000, 32_000] as const
/** Handed out by this process: a server that is down at the moment keeps its port. */
const given = new Set<number>()

/** A port of the loopback address that is free now, and that no outgoing connection will take meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...PORTS)
    if (given.has(port)) continue
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    given.add(port)
    return port
  }
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

export interface Ended {
  /** Null: it could not be started, or a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it said. */
  readonly said: string
}

/** Runs a command to its end. */
export async function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-200_000)))
    }
    child.once('error', (error) => resolve({ code: null, signal: null, said: error.message }))
    child.once('close', (code, signal) => resolve({ code, signal, said }))
  })
}
