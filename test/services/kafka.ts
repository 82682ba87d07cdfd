/**
 * Kafka for tests: brokers that the environment names, else one in a container, else one or three nodes (KRaft) as
 * processes from Maven Central, on Java 17. Three nodes are always processes of ours: each can be killed and started again.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, run, sleep } from './cache.ts'
import { container } from './containers.ts'
import { ready } from './kafka-ready.ts'
import { environmentOf, logging, propertiesOf, settingsOf } from './kafka-settings.ts'
import { jars } from './maven.ts'
import { Server } from './server.ts'
import { find, serviceOf, type Missing, type Service } from './service.ts'
import { versionOf } from './versions.ts'

export interface KafkaOptions {
  readonly brokers?: 1 | 3
  /** Default: the version in docker-compose.yml. */
  readonly version?: string
  /** Settings of every broker, over ours. */
  readonly properties?: Readonly<Record<string, string>>
  /** Heap of each broker; 384m when nothing is said. */
  readonly heap?: string
  /** True: processes of ours, to be killed, whatever the environment names. */
  readonly own?: boolean
  /** Listeners beside the plain one, called as their protocol (SSL, SASL_SSL): kafka-secured.ts. One broker only. */
  readonly listeners?: readonly { readonly name: string; readonly port: number }[]
  /** More arguments of `kafka-storage format`. */
  readonly format?: readonly string[]
}

export interface Kafka extends Service {
  /** Brokers that were started here, node 1 first: `kill()`, `stop()`, `restart()`, `pid`. */
  readonly nodes: readonly Server[]
}

const CLUSTER = 'AAAAAAAAQACAAAAAAAAAAA'

/** Brokers for this process, or why there are none. They listen on the loopback address and end with this process. */
export async function kafka(options: KafkaOptions = {}): Promise<Kafka | Missing> {
  const special = options.brokers === 3 || options.version !== undefined || options.properties !== undefined
  const found = await find('kafka', {
    own: options.own ?? special,
    container: inContainer,
    process: () => processes(options),
  })
  return 'missing' in found ? found : { ...found, nodes: found.servers }
}

async function inContainer(): Promise<Service> {
  const settings = (port: number): Record<string, string> =>
    settingsOf({
      id: 1,
      brokers: 1,
      listeners: 'PLAINTEXT://:9092,CONTROLLER://:9093',
      advertised: `PLAINTEXT://127.0.0.1:${port}`,
      voters: '1@localhost:9093',
      logDirectory: '/var/lib/kafka/data',
    })
  const service = await container({
    service: 'kafka',
    port: 9092,
    environment: (port) => environmentOf(settings(port)),
    ready: { log: /Kafka Server started/ },
    endpoint: (_host, port) => `127.0.0.1:${port}`,
  })
  while (!(await ready(Number(service.endpoint.split(':')[1]), 1))) await sleep(100)
  return service
}

async function processes(options: KafkaOptions): Promise<Service | Missing> {
  const version = options.version ?? versionOf('kafka')
  const kafkaJars = ['kafka_2.13', 'kafka-tools'].map((artifact) => `org.apache.kafka:${artifact}:${version}`)
  const lib = await jars(`kafka-${version}`, [...kafkaJars, 'org.apache.logging.log4j:log4j-slf4j-impl:2.25.1'])
  if (typeof lib !== 'string') return lib
  const base = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  const removed = (): void => rmSync(base, { recursive: true, force: true })
  try {
    return await cluster(options, lib, base, removed)
  } catch (error) {
    removed()
    throw error
  }
}

async function cluster(options: KafkaOptions, lib: string, base: string, removed: () => void): Promise<Service> {
  const ids = Array.from({ length: options.brokers ?? 1 }, (_, index) => index + 1)
  const ports = await Promise.all(ids.map(async () => ({ broker: await freePort(), controller: await freePort() })))
  const voters = ids.map((id, index) => `${id}@127.0.0.1:${ports[index].controller}`).join(',')
  const nodes = await Promise.all(
    ids.map((id, index) => node({ ...options, base, lib, id, of: ids.length, voters, ...ports[index] })),
  )
  const service = serviceOf(ports.map(({ broker }) => `127.0.0.1:${broker}`).join(','), nodes, removed)
  try {
    await Promise.all(nodes.map((each) => each.start()))
    for (const { broker } of ports) while (!(await ready(broker, ids.length))) await sleep(100)
  } catch (error) {
    await service.stop()
    throw error
  }
  return service
}

interface NodeSpec extends KafkaOptions {
  readonly base: string
  readonly lib: string
  readonly id: number
  readonly of: number
  readonly voters: string
  readonly broker: number
  readonly controller: number
}

/** A formatted node that does not run yet. */
async function node(spec: NodeSpec): Promise<Server> {
  const { base, lib, id, broker, controller } = spec
  const directory = join(base, `node-${id}`)
  mkdirSync(directory)
  const files = { server: join(directory, 'server.properties'), log4j: join(directory, 'log4j2.properties') }
  const open = [{ name: 'PLAINTEXT', port: broker }, ...(spec.listeners ?? [])]
  const advertised = open.map(({ name, port }) => `${name}://127.0.0.1:${port}`).join(',')
  const settings = settingsOf({
    id,
    brokers: spec.of,
    listeners: `${advertised},CONTROLLER://127.0.0.1:${controller}`,
    advertised,
    voters: spec.voters,
    logDirectory: join(directory, 'data'),
  })
  writeFileSync(files.server, propertiesOf({ ...settings, ...spec.properties }))
  writeFileSync(files.log4j, logging)
  const env = { ...process.env, CLASSPATH: `${lib}/*` }
  const java = ['-XX:+UseSerialGC', `-Dlog4j2.configurationFile=${files.log4j}`]
  const format = ['-XX:TieredStopAtLevel=1', 'kafka.tools.StorageTool', 'format', '-t', CLUSTER, '-c', files.server]
  format.push(...(spec.format ?? []))
  const formatted = await run('java', [...java, ...format], { env })
  if (formatted.code !== 0) throw new Error(`storage could not be formatted: ${formatted.said.trim()}`)
  return new Server({
    name: `broker ${id} of Kafka`,
    command: 'java',
    args: [`-Xmx${spec.heap ?? '384m'}`, ...java, 'kafka.Kafka', files.server],
    env,
    directory,
    // One that is started again while another is down is ready too.
    ready: () => ready(broker, Math.floor(spec.of / 2) + 1),
  })
}
