/** Runs the real program as a process of its own: to its end, or until it passes a named point and is killed there. */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** How often each traced point was passed. */
  readonly points: ReadonlyMap<string, number>
}

export interface KillAt {
  readonly point: string
  /** Killed when the point is passed for this time, from 1. */
  readonly nth: number
}

/** The environment without the services of other tests: with brokers in it a command works on Kafka. */
export function surroundings(): NodeJS.ProcessEnv {
  const {
    SLUICE_KAFKA_BROKERS: _kafka,
    SLUICE_REDIS_URL: _redis,
    SLUICE_REGISTRY_URL: _registry,
    ...rest
  } = process.env
  return rest
}

/** Starts `sluice ARGS`; with `kill` it is traced and killed with SIGKILL at that point, if it gets there. */
export function sluice(args: readonly string[], kill?: KillAt, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...surroundings(), ...env, ...(kill === undefined ? {} : { SLUICE_TRACE: '1' }) },
  })
  const points = new Map<string, number>()
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('@')) {
      stderr += `${line}\n`
      return
    }
    const point = line.slice(1)
    const times = (points.get(point) ?? 0) + 1
    points.set(point, times)
    if (kill !== undefined && kill.point === point && times === kill.nth) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, points }))
  })
}

/** As `sluice`, but it has to end well; its standard output as JSON. */
export async function sluiceJson<T>(args: readonly string[]): Promise<T> {
  const ended = await sluice([...args, '--json'])
  if (ended.code !== 0)
    throw new Error(`sluice ${args.join(' ')} ended with ${ended.code}:\n${ended.stderr}${ended.stdout}`)
  return JSON.parse(ended.stdout) as T
}
