/**
 * A schema registry that speaks Confluent's interface, for tests: one that the environment names, else Apicurio in a
 * container, else as a process from Maven Central, on Java 17.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './cache.ts'
import { container } from './containers.ts'
import { archive } from './maven.ts'
import { Server } from './server.ts'
import { find, serviceOf, type Missing, type Service } from './service.ts'
import { versionOf } from './versions.ts'

export interface RegistryOptions {
  /** host:port of a broker: it keeps its schemas there, and has them again after a restart. Else in memory. */
  readonly kafka?: string
  /** True: a process of ours, to be killed, whatever the environment names. */
  readonly own?: boolean
}

export interface Registry extends Service {
  /** The process, when it is ours: `kill()`, `stop()`, `restart()`, `pid`. */
  readonly server: Server | null
}

/** Confluent's interface, version 7, under Apicurio's own root. */
const BASE = '/apis/ccompat/v7'

/** A registry for this process, or why there is none. `endpoint` is the base URL of Confluent's interface. */
export async function registry(options: RegistryOptions = {}): Promise<Registry | Missing> {
  const found = await find('registry', {
    own: options.own ?? options.kafka !== undefined,
    container: inContainer,
    process: () => processOf(options.kafka),
  })
  return 'missing' in found ? found : { ...found, server: found.servers[0] ?? null }
}

function inContainer(): Promise<Service> {
  return container({
    service: 'schema-registry',
    port: 8080,
    ready: { http: `${BASE}/subjects` },
    endpoint: (host, port) => `http://${host}:${port}${BASE}`,
  })
}

async function processOf(kafka: string | undefined): Promise<Service | Missing> {
  const version = versionOf('schema-registry')
  const folder = await archive(
    `apicurio-registry-${version}`,
    `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`,
  )
  if (typeof folder !== 'string') return folder
  const jar = readdirSync(folder).find((file) => file.endsWith('-runner.jar'))
  if (jar === undefined) throw new Error(`${folder} has no jar to run`)
  const base = mkdtempSync(join(tmpdir(), 'sluice-registry-'))
  const [port, management] = [await freePort(), await freePort()]
  const endpoint = `http://127.0.0.1:${port}${BASE}`
  const server = new Server({
    name: 'Apicurio Registry',
    command: 'java',
    // An hour's worth of compiling for speed is wasted on a few hundred requests.
    args: ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-jar', join(folder, jar)],
    env: { ...process.env, ...environment(port, management, kafka) },
    directory: join(base, 'node'),
    ready: () => answers(`${endpoint}/subjects`),
  })
  const service = serviceOf(endpoint, [server], () => rmSync(base, { recursive: true, force: true }))
  try {
    await server.start()
  } catch (error) {
    await service.stop()
    throw error
  }
  return service
}

function environment(port: number, management: number, kafka: string | undefined): Record<string, string> {
  const store: Record<string, string> =
    kafka === undefined
      ? { APICURIO_STORAGE_KIND: 'sql', APICURIO_STORAGE_SQL_KIND: 'h2' }
      : { APICURIO_STORAGE_KIND: 'kafkasql', APICURIO_KAFKASQL_BOOTSTRAP_SERVERS: kafka }
  return {
    ...store,
    QUARKUS_HTTP_HOST: '127.0.0.1',
    QUARKUS_HTTP_PORT: String(port),
    QUARKUS_MANAGEMENT_HOST: '127.0.0.1',
    QUARKUS_MANAGEMENT_PORT: String(management),
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}
