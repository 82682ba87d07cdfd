/**
 * The producers of examples/producers, as they stand there, against a real broker, registry and Redis: what they send
 * settles, what goes astray says so, and other languages' readers see committed outputs only.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, describe, expect, it } from 'vitest'
import { initCluster } from '../../cli/cluster.ts'
import { registeredIds, transactionSubjects } from '../../cli/subjects.ts'
import { records, topics } from '../../schemas/topics.ts'
import { openDistributed, type DistributedBackend } from '../../streams/distributed/index.ts'
import { Registry } from '../../streams/distributed/registry.ts'
import { writerLookup } from '../../streams/distributed/writer-lookup.ts'
import { schemaIds } from '../../streams/schema-ids.ts'
import type { TestDriver, Written } from '../../streams/testing.ts'
import { configurationOn } from '../cli/cluster-names.ts'
import { sluice } from '../lib/sluice.ts'
import { cacheDirectory, run } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { jars } from '../services/maven.ts'
import { program } from '../services/programs.ts'
import { versionOf } from '../services/versions.ts'
import { close, lineOver } from './writers.ts'

const examples = join(import.meta.dirname, '../../examples/producers')
const found = await services('kafka', 'redis', 'registry')
const missing = missingOf(found)
const partitions = 4
const topicPrefix = `${randomUUID().slice(0, 8)}.`
const input = topicPrefix + topics.transactions.name
const directory = mkdtempSync(join(tmpdir(), 'sluice-producers-'))

/** Builds a tool in the cache; words when it cannot be. */
async function built(names: readonly string[], build: () => Promise<string>): Promise<string> {
  for (const name of names) {
    const there = await program(name)
    if ('missing' in there) return there.missing
  }
  return missing === null ? build() : missing
}
const venv = cacheDirectory('producers-python')
const python = await built(['python3'], async () => {
  const made = await run('python3', ['-m', 'venv', venv])
  const installed = await run(join(venv, 'bin/pip'), ['install', '-q', '-r', join(examples, 'python/requirements.txt')])
  return made.code === 0 && installed.code === 0
    ? ''
    : `no confluent-kafka: ${made.said}${installed.said}`.slice(0, 200)
})
const javaBuild = cacheDirectory('producers-java')
const java = await built(['java', 'mvn'], async () => {
  mkdirSync(javaBuild, { recursive: true })
  const packaged = await run('mvn', [
    '-q',
    '-B',
    '-f',
    join(examples, 'java/pom.xml'),
    `-Dbuild=${javaBuild}`,
    'package',
  ])
  return packaged.code === 0 ? '' : `the Java example is not built: ${packaged.said.slice(-200)}`
})
const kcatProgram = await program('kcat')
const kcat = missing ?? ('missing' in kcatProgram ? kcatProgram.missing : '')

let backend: DistributedBackend | null = null
let line: TestDriver | null = null
let closings = 0
afterAll(async () => {
  await backend?.close()
  rmSync(directory, { recursive: true, force: true })
  if (missing === null) await running(found).stop()
})

/** The line on Kafka, with its schemas registered and its topics made; once. */
async function opened(): Promise<{ backend: DistributedBackend; line: TestDriver; ids: ReturnType<typeof schemaIds> }> {
  const { kafka, redis, registry: service } = running(found)
  const registry = new Registry({ url: service.endpoint })
  if (backend === null) {
    const args = ['--registry-url', service.endpoint, '--kafka-topic-prefix', topicPrefix]
    const { code, stderr } = await sluice(['schemas', 'register', ...args])
    if (code !== 0) throw new Error(stderr)
    const prefix = topicPrefix.slice(0, -1)
    backend = await openDistributed({
      brokers: [kafka.endpoint],
      redis: redis.endpoint,
      prefix,
      topicPrefix,
      replicationFactor: 1,
    })
  }
  const ids = schemaIds(await registeredIds(registry, topicPrefix))
  const subjects = transactionSubjects(topicPrefix)
  const lookup = writerLookup({ registry, subjects, reader: records.transaction.schema })
  const fresh = line === null
  line ??= lineOver(backend, partitions, lookup, { schemas: ids })
  if (fresh) await line.create()
  return { backend, line, ids }
}

/** Everything is closed and processed; what of it is under ids that begin so. */
async function outcome(prefix: string): Promise<{ accepted: number; settledAfter: number; dead: Written[] }> {
  const { backend: log, line: driver, ids } = await opened()
  const settled = async (): Promise<number> =>
    (await driver.read(topics.settlements.name)).reduce(
      (sum, { type, value }) => sum + (type === records.settlement.name ? Number(value['count']) : 0),
      0,
    )
  const before = await settled()
  // Each time further on: what comes after a close is late, and settles with the next one.
  await close(log, partitions, log.clock.now() + ++closings * 3_600_000, ids)
  await driver.run()
  const accepted = (await driver.read(topics.transactionOutcomes.name)).filter(({ value }) => {
    const { transactionId } = (value['transaction'] ?? {}) as { transactionId?: string }
    return value['outcome'] === 'ACCEPTED' && transactionId?.startsWith(prefix) === true
  })
  const dead = (await driver.read(topics.deadLetters.name)).filter(({ type }) => type === records.deadLetter.name)
  return { accepted: accepted.length, settledAfter: (await settled()) - before, dead }
}

const because = (why: string): string => (why === '' ? '' : ` (${why})`)

describe.skipIf(missing !== null)(`producers of other languages${because(missing ?? '')}`, () => {
  const addresses = (): [string, string] => {
    const { kafka, registry } = running(found)
    return [kafka.endpoint, registry.endpoint]
  }

  it('a line is made with the ids that the registry gave, and not at all before everything is registered', async () => {
    const { registry: service, ...endpoints } = running(found)
    const configuration = configurationOn(endpoints, undefined, { SLUICE_REGISTRY_URL: service.endpoint })
    const registry = new Registry({ url: service.endpoint })
    await expect(initCluster(configuration, { partitions: 1 })).rejects.toThrow(/Not registered: .*schemas register/)
    const prefix = configuration.kafka.topicPrefix
    const args = ['--registry-url', service.endpoint, '--kafka-topic-prefix', prefix]
    expect(await sluice(['schemas', 'register', ...args])).toMatchObject({ code: 0 })
    const { line: made } = await initCluster(configuration, { partitions: 1 })
    const ids = await registeredIds(registry, prefix)
    expect(made.manifest.schemaIds).toEqual(ids)
    expect(made.schemas?.idOf(records.tick)).toBe(ids[records.tick.name])
    expect(made.writers).toBeDefined()
    await made.backend.close()
  })

  it.skipIf(python !== '')(`Python, with murmur2: all of it settles${because(python)}`, async () => {
    await opened()
    const script = join(examples, 'python/payments_producer.py')
    const sent = await run(join(venv, 'bin/python'), [script, ...addresses(), input, '40', 'PY'])
    expect(sent).toMatchObject({ code: 0, said: expect.stringContaining('sent 40') as string })
    expect(await outcome('PY')).toMatchObject({ accepted: 40, settledAfter: 40, dead: [] })
  })

  it.skipIf(java !== '')(`Java: all of it settles${because(java)}`, async () => {
    await opened()
    const path = `${join(javaBuild, 'classes')}:${join(javaBuild, 'lib')}/*`
    const sent = await run('java', ['-cp', path, 'example.PaymentsProducer', ...addresses(), input, '40', 'JA'])
    expect(sent).toMatchObject({ code: 0, said: expect.stringContaining('sent 40') as string })
    expect(await outcome('JA')).toMatchObject({ accepted: 40, settledAfter: 40, dead: [] })
  })

  it.skipIf(kcat !== '')(`kcat, with bytes made before: it settles${because(kcat)}`, async () => {
    const { ids } = await opened()
    const send = (id: string, ...more: string[]): ReturnType<typeof run> =>
      run(join(examples, 'kcat/send.sh'), [
        addresses()[0],
        input,
        String(ids.idOf(records.transaction)),
        id,
        'acc-7',
        ...more,
      ])
    expect(await send('KC1')).toMatchObject({ code: 0 })
    expect(await outcome('KC')).toMatchObject({ accepted: 1, settledAfter: 1, dead: [] })
  })

  it.skipIf(python !== '')(
    `librdkafka's own partitioner sends payments astray, and each is a dead letter that says so${because(python)}`,
    async () => {
      await opened()
      const script = join(examples, 'python/payments_producer.py')
      await run(join(venv, 'bin/python'), [script, ...addresses(), input, '26', 'AS', 'consistent_random'])
      const { accepted, dead } = await outcome('AS')
      expect(accepted + dead.length).toBe(26)
      expect(dead.length).toBeGreaterThan(6)
      for (const { value } of dead) {
        expect(value['reason']).toBe('misrouted-partition')
        expect(value['message']).toMatch(/murmur2/)
      }
    },
  )

  /** Decisions with three records beside them that were given up; how many decisions there are. */
  let decided: Promise<number> | null = null
  const withGivenUp = (): Promise<number> => (decided ??= giveUp())
  async function giveUp(): Promise<number> {
    const { line: driver } = await opened()
    const committed = (await driver.read(topics.decisions.name)).length
    const client = new Kafka({ brokers: [running(found).kafka.endpoint], logLevel: logLevel.NOTHING })
    const producer = client.producer({
      transactionalId: `gives-up-${topicPrefix}`,
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({
      topic: decisions,
      messages: [0, 1, 2].map((n) => ({ partition: n, value: `given up ${n}` })),
    })
    await transaction.abort()
    await producer.disconnect()
    expect((await driver.read(topics.decisions.name)).length).toBe(committed)
    expect(committed).toBeGreaterThan(0)
    return committed
  }
  const decisions = topicPrefix + topics.decisions.name

  it.skipIf(kcat !== '')(`kcat sees committed outputs only, when it asks for that${because(kcat)}`, async () => {
    const committed = await withGivenUp()
    const { path, env } = running(kcatProgram)
    const read = async (level: string): Promise<number> => {
      const from = ['-C', '-q', '-b', addresses()[0], '-t', decisions, '-o', 'beginning', '-e', '-f', '%o\n']
      const { said, code } = await run(path, [...from, '-X', `isolation.level=${level}`], { env })
      expect(code).toBe(0)
      return said.trim().split('\n').length
    }
    expect(await read('read_committed')).toBe(committed)
    expect(await read('read_uncommitted')).toBe(committed + 3)
  })

  it.skipIf(java !== '')(`the Java console consumer sees committed outputs only, too${because(java)}`, async () => {
    const committed = await withGivenUp()
    const lib = await consoleJars()
    const tool = [
      '-cp',
      `${lib}/*`,
      'org.apache.kafka.tools.consumer.ConsoleConsumer',
      '--bootstrap-server',
      addresses()[0],
    ]
    const read = async (level: string, ...more: string[]): Promise<string> => {
      const args = ['--topic', decisions, '--from-beginning', '--timeout-ms', '30000', '--isolation-level', level]
      return (await run('java', [...tool, ...args, '--formatter-property', 'print.value=false', ...more])).said
    }
    expect(await read('read_committed')).toContain(`Processed a total of ${committed} messages`)
    const all = await read('read_uncommitted', '--max-messages', String(committed + 3))
    expect(all).toContain(`Processed a total of ${committed + 3} messages`)
  })
})

/** The broker's own jars hold the console tools; the same folder as the broker's, when it runs from them. */
async function consoleJars(): Promise<string> {
  const version = versionOf('kafka')
  const kafka = ['kafka_2.13', 'kafka-tools'].map((artifact) => `org.apache.kafka:${artifact}:${version}`)
  const lib = await jars(`kafka-${version}`, [...kafka, 'org.apache.logging.log4j:log4j-slf4j-impl:2.25.1'])
  if (typeof lib !== 'string') throw new Error(lib.missing)
  return lib
}
