/** A line on real Kafka and Redis: made once, opened only as it was made, refused when it would lose something. */
import { deleteTopicsV6, metadataV12 } from '@platformatic/kafka'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { initCluster, openCluster, type ClusterLine } from '../../cli/cluster.ts'
import { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { sluice } from '../lib/sluice.ts'
import { sleep } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { redis } from '../services/redis.ts'
import { alter, configurationOn, environmentOf } from './cluster-names.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)

describe.skipIf(missing !== null)(`a line on Kafka and Redis${missing === null ? '' : ` (${missing})`}`, () => {
  const open: ClusterLine[] = []
  const kept = (line: ClusterLine): ClusterLine => {
    open.push(line)
    return line
  }
  const made = async (configuration = configurationOn(running(found)), partitions = 2) => {
    const { line } = await initCluster(configuration, { partitions })
    return { configuration, line: kept(line) }
  }
  afterEach(async () => {
    for (const line of open.splice(0)) await line.backend.close()
  })
  afterAll(() => running(found).stop())

  it('is made once; said again it changes nothing, and what was asked for otherwise is refused by name', async () => {
    const { configuration, line } = await made()
    const again = await initCluster(configuration, { partitions: 2 })
    kept(again.line)
    expect(again.made).toBe(false)
    expect(again.line.manifest).toEqual(line.manifest)
    expect(line.settings.partitions).toBe(2)
    expect(kept(await openCluster(configuration)).manifest).toEqual(line.manifest)
    await expect(initCluster(configuration, { partitions: 3, cycleMs: 60_000 })).rejects.toMatchObject({
      code: 'SLUICE_SETTING_DIFFERS',
      message: expect.stringMatching(/partitions is 2, given 3; cycleMs is 300000, given 60000/),
    })
  })

  it('is made by one of several that make it at once, and all agree', async () => {
    const configuration = configurationOn(running(found))
    const all = await Promise.allSettled([1, 2, 3].map(() => initCluster(configuration, { partitions: 1 })))
    const lines = all.flatMap((each) => (each.status === 'fulfilled' ? [kept(each.value.line)] : []))
    const refused = all.flatMap((each) => (each.status === 'rejected' ? [(each.reason as { code: string }).code] : []))
    expect(lines.length).toBeGreaterThanOrEqual(1)
    for (const code of refused) expect(['SLUICE_FENCED', 'SLUICE_WRITER_BROKEN']).toContain(code)
    const opened = kept(await openCluster(configuration))
    for (const line of lines) expect(line.manifest).toEqual(opened.manifest)
  })

  it('is not opened before it is made', async () => {
    const refused = openCluster(configurationOn(running(found)))
    await expect(refused).rejects.toMatchObject({ code: 'SLUICE_LINE_MISSING' })
  })

  it('takes acceptance times from the broker', async () => {
    const { line } = await made()
    const { log } = line.backend
    const at = { topic: 'transactions', partition: 0 }
    const { RecordBatchWriter, newFrame, walk } = await import('../../streams/records.ts')
    const batch = new RecordBatchWriter()
    batch.begin(0)
    batch.append(0, null, 0, 0, new Uint8Array(5))
    const before = Date.now()
    const writer = await log.writer('foreign')
    await writer.commit({ appends: [{ ...at, batches: batch.finish() }], position: -1, metadata: '' })
    const frame = newFrame(1)
    walk((await log.read(at, 0, 1 << 20, 1_000)).bytes, 0, frame)
    expect(frame.acceptedAt[0]).toBeGreaterThanOrEqual(before - 1)
    expect(frame.acceptedAt[0]).toBeLessThanOrEqual(Date.now() + 1)
  })

  const settings: [topic: string, setting: string, value: string, words: string][] = [
    ['transactions', 'cleanup.policy', 'compact', 'topic transactions: cleanup.policy is compact, must be delete'],
    [
      'decisions',
      'unclean.leader.election.enable',
      'true',
      'topic decisions: unclean.leader.election.enable is true, must be false',
    ],
    [
      'transactions',
      'retention.ms',
      '3600000',
      'topic transactions: retention.ms is 3600000, must be -1, or at least 604800000 (7 days)',
    ],
    ['cycle-partials', 'retention.ms', '604800000', 'topic cycle-partials: retention.ms is 604800000, must be -1'],
    ['transactions', 'retention.bytes', '1000000', 'topic transactions: retention.bytes is 1000000, must be -1'],
    [
      'transactions',
      'message.timestamp.type',
      'CreateTime',
      'topic transactions: message.timestamp.type is CreateTime, must be LogAppendTime',
    ],
    [
      'settlements',
      'message.timestamp.type',
      'LogAppendTime',
      'topic settlements: message.timestamp.type is LogAppendTime, must be CreateTime',
    ],
    [
      'transactions',
      'compression.type',
      'producer',
      'topic transactions: compression.type is producer, must be uncompressed',
    ],
    [
      'decisions',
      'min.insync.replicas',
      '2',
      'topic decisions: min.insync.replicas is 2, must be at most 1, its number of replicas',
    ],
  ]
  it('is not opened with settings under which records vanish; all are named at once', async () => {
    const { configuration } = await made()
    for (const [topic, name, value, words] of settings) {
      const whole = `${configuration.kafka.topicPrefix}${topic}`
      await alter(running(found), whole, name, value)
      await expect(openCluster(configuration)).rejects.toMatchObject({
        code: 'SLUICE_TOPIC_UNFIT',
        message: expect.stringContaining(words),
      })
    }
    const all = await openCluster(configuration).catch((error: unknown) => (error as Error).message)
    // retention.ms and message.timestamp.type of transactions were set, too.
    for (const [, , , words] of settings) expect(all).toContain(words)
  })

  it('is not opened with a topic that was deleted and made again', async () => {
    const { configuration, line } = await made()
    const name = `${configuration.kafka.topicPrefix}decisions`
    const cluster = new Cluster({ brokers: configuration.kafka.brokers, clientId: 'test' })
    await cluster.any('delete', (c) => deleteTopicsV6.api.async(c, [{ name }], 5_000))
    for (let gone = false; !gone;) {
      gone = await cluster
        .any('topics', (c) => metadataV12.api.async(c, [name], false))
        .then(
          () => false,
          () => true,
        )
      await sleep(20)
    }
    await line.backend.log.createTopics([{ name: 'decisions', partitions: 2 }])
    await cluster.close()
    await expect(openCluster(configuration)).rejects.toMatchObject({
      code: 'SLUICE_TOPIC_REPLACED',
      message: expect.stringContaining('topic decisions was'),
    })
  })

  it('warns of brokers that forget positions or make topics by themselves, and of a Redis without a file', async () => {
    const endpoints = running(found)
    const bare = running(await redis({ settings: ['--appendonly', 'no'] }))
    const { line } = await made(configurationOn({ ...endpoints, redis: bare }))
    const text = line.warnings.join('\n')
    expect(text).toMatch(/Set appendonly yes/)
    expect(text).toMatch(/topics have one replica/)
    // These two are right on the brokers of the tests.
    expect(text).not.toMatch(/offsets.retention.minutes|auto.create.topics.enable/)
    await line.backend.close()
    await bare.stop()
  })

  it('is made by a command, which says what is next, and refused by one in words', async () => {
    const env = environmentOf(running(found))
    const missed = await sluice(['init'], undefined, { ...env, SLUICE_KAFKA_BROKERS: '' })
    expect([missed.code, missed.stderr]).toEqual([2, expect.stringContaining('give kafka.brokers')])
    const first = await sluice(['init', '--partitions', '1', '--cycle', '60'], undefined, env)
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining('1 partitions, cycles of 60 s')])
    const again = await sluice(['init'], undefined, env)
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('There already')])
    const other = await sluice(['init', '--cycle', '61'], undefined, env)
    expect([other.code, other.stderr]).toEqual([3, expect.stringContaining('SLUICE_SETTING_DIFFERS')])
  })
})
