/** A Kafka broker for tests: one that the environment names, else one node of 4.2.1 from Maven Central, on Java 17. */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectory, end, freePort, listens, run, serve, sleep, type Found } from './cache.ts'

const VERSION = '4.2.1'
const CLUSTER = 'AAAAAAAAQACAAAAAAAAAAA'

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId><artifactId>kafka</artifactId><version>${VERSION}</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version></dependency>
  </dependencies>
</project>
`

/** The broker's jars: 54 MB, fetched once. Two that fetch at once do it twice, and the first to end is taken. */
async function jars(): Promise<string | { missing: string }> {
  const directory = cacheDirectory(`kafka-${VERSION}`)
  const lib = join(directory, 'lib')
  if (existsSync(lib)) return lib
  const java = await run('java', ['-version'])
  if (java.code !== 0) return { missing: `no Kafka: 'java' is not on the PATH, and SLUICE_KAFKA is not set` }
  const work = mkdtempSync(join(directory, 'fetch-'))
  writeFileSync(join(work, 'pom.xml'), pom)
  const args = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${join(work, 'lib')}`]
  const fetched = await run('mvn', args, { cwd: work })
  if (fetched.code !== 0) {
    rmSync(work, { recursive: true })
    const why = fetched.code === null ? `'mvn' is not on the PATH` : `mvn could not fetch it: ${fetched.said.trim()}`
    return { missing: `no Kafka: ${why}, and SLUICE_KAFKA is not set` }
  }
  try {
    renameSync(join(work, 'lib'), lib)
  } catch (error) {
    if (!existsSync(lib)) throw error
  }
  rmSync(work, { recursive: true })
  return lib
}

function properties(directory: string, port: number, controller: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=${join(directory, 'data')}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
offsets.retention.minutes=525600
log.cleaner.dedupe.buffer.size=16777216
`
}

const logging = `rootLogger.level=WARN
rootLogger.appenderRef.s.ref=STDOUT
appender.s.name=STDOUT
appender.s.type=Console
appender.s.layout.type=PatternLayout
appender.s.layout.pattern=[%d] %p %m (%c)%n
`

/** A broker for this process, or why there is none. It listens on the loopback address and ends with this process. */
export async function kafka(): Promise<Found> {
  const given = process.env.SLUICE_KAFKA
  if (given !== undefined && given !== '') return { endpoint: given, pid: null, stop: async () => undefined }
  const lib = await jars()
  if (typeof lib !== 'string') return lib
  const directory = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  const [port, controller] = [await freePort(), await freePort()]
  const files = { server: join(directory, 'server.properties'), log4j: join(directory, 'log4j2.properties') }
  writeFileSync(files.server, properties(directory, port, controller))
  writeFileSync(files.log4j, logging)
  const env = { ...process.env, CLASSPATH: `${lib}/*` }
  const logger = `-Dlog4j2.configurationFile=${files.log4j}`
  const format = await run('java', [logger, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER, '-c', files.server], {
    env,
  })
  if (format.code !== 0) return { missing: `no Kafka: its storage could not be formatted: ${format.said.trim()}` }
  const log = join(directory, 'broker.log')
  writeFileSync(log, '')
  const broker = serve('java', ['-Xmx512m', logger, 'kafka.Kafka', files.server], log, env)
  const stop = async (): Promise<void> => {
    await end(broker)
    rmSync(directory, { recursive: true, force: true })
  }
  for (let waited = 0; waited < 120_000; waited += 200) {
    if (broker.exitCode !== null) break
    if (await listens(port)) return { endpoint: `127.0.0.1:${port}`, pid: broker.pid!, stop }
    await sleep(200)
  }
  const said = readFileSync(log, 'utf8').slice(-2000)
  await stop()
  return { missing: `no Kafka: the broker did not come up: ${said}` }
}
