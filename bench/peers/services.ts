/** Kafka and Redis for a measurement: those that the environment names, else the ones that `npm run services` starts. */

import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { pidListening } from './processes.ts'

export interface BenchServices {
  readonly brokers: string
  readonly redis: string
  /** Null where they do not run on this machine: their CPU is not measured then. */
  readonly brokerPid: number | null
  readonly redisPid: number | null
  stop(): Promise<void>
}

const start = fileURLToPath(new URL('../../test/services/start.ts', import.meta.url))

/** The services, or why there are none. */
export async function benchServices(): Promise<BenchServices | { readonly missing: string }> {
  const { SLUICE_KAFKA_BROKERS: brokers, SLUICE_REDIS_URL: redis } = process.env
  if (brokers && redis) return servicesAt(brokers, redis)
  // The shell ends them when its fourth descriptor closes: with this process, even when it is killed.
  const script = '"$@" & services=$!; (read -r _ <&3; kill $services) & wait $services'
  const child = spawn('bash', ['-c', script, 'bash', process.execPath, start, 'kafka', 'redis'], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const [, out, err, held] = child.stdio as unknown as [null, Readable, Readable, Writable]
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  let [said, errors] = ['', '']
  err.setEncoding('utf8').on('data', (more: string) => (errors += more))
  const found = await new Promise<{ brokers: string; redis: string } | null>((resolve) => {
    out.setEncoding('utf8').on('data', (more: string) => {
      said += more
      const kafka = /^SLUICE_KAFKA(?:_BROKERS)?=(\S+)\n/m.exec(said)?.[1]
      const state = /^SLUICE_REDIS(?:_URL)?=(\S+)\n/m.exec(said)?.[1]
      if (kafka !== undefined && state !== undefined) resolve({ brokers: kafka, redis: state })
    })
    void exited.then(() => resolve(null))
  })
  if (found === null) return { missing: errors.trim() }
  const stop = async (): Promise<void> => {
    held.destroy()
    await exited
  }
  return { ...servicesAt(found.brokers, found.redis), stop }
}

/** Services that are there and stay. */
export function servicesAt(brokers: string, redis: string): BenchServices {
  const [host, port] = brokers.split(',')[0].split(':')
  const store = new URL(redis)
  return {
    brokers,
    redis,
    brokerPid: isHere(host) ? pidListening(Number(port)) : null,
    redisPid: isHere(store.hostname) ? pidListening(Number(store.port || 6379)) : null,
    stop: () => Promise.resolve(),
  }
}

const isHere = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')
