/** Making topics on Kafka, and refusing those that exist otherwise: another number of partitions, settings that lose. */
import { ConfigResourceTypes, createTopicsV7, describeConfigsV4 } from '@platformatic/kafka'
import { CodedError } from '../errors.ts'
import { type Cluster, sleep, type TopicInfo } from './wire/cluster.ts'
import { denialOf } from './wire/denial.ts'
import { brokerError, isPassing, reasonOf } from './wire/errors.ts'
import { offsetAt } from './writer.ts'

export interface WantedTopic {
  /** As the program calls it, and as Kafka does. */
  readonly topic: string
  readonly name: string
  readonly partitions: number
  /** Beside ours; they win. */
  readonly settings: Readonly<Record<string, string>>
}

/**
 * What a topic of ours needs: nothing is compacted or forgotten by time (records carry logical time, often years ago or
 * ahead), nobody is elected who lacks records, and a commit's batch may be larger than Kafka's 1 MB.
 */
function settingsFor(replicationFactor: number): Record<string, string> {
  return {
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'message.timestamp.type': 'CreateTime',
    'message.timestamp.after.max.ms': '9223372036854775807',
    'message.timestamp.before.max.ms': '9223372036854775807',
    'max.message.bytes': String(16 << 20),
    'min.insync.replicas': String(Math.min(2, replicationFactor)),
    'unclean.leader.election.enable': 'false',
  }
}

/** Settings of an existing topic with which records vanish that were committed: what they must be. */
const vital = new Map([
  ['cleanup.policy', 'delete'],
  ['unclean.leader.election.enable', 'false'],
])
/**
 * A new topic is known to all brokers, and led, a little after it was made; and a broker that others already call its
 * leader refuses requests (NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION) until it has heard of it itself.
 */
const SETTLE_TRIES = 600
const SETTLE_PAUSE_MS = 50

/** Makes those that are missing. Errors, before anything is made: SLUICE_TOPIC_PARTITIONS, SLUICE_TOPIC_UNFIT. */
export async function createTopics(
  cluster: Cluster,
  wanted: readonly WantedTopic[],
  replicationFactor: number,
): Promise<void> {
  const found = await Promise.all(wanted.map(({ name }) => existing(cluster, name)))
  for (const [index, info] of found.entries()) if (info !== null) assertPartitions(wanted[index], info)
  const there = wanted.filter((_, index) => found[index] !== null)
  await Promise.all(there.map((topic) => assertSettings(cluster, topic)))
  const missing = wanted.filter((_, index) => found[index] === null)
  await Promise.all(missing.map((topic) => create(cluster, topic, replicationFactor)))
}

async function existing(cluster: Cluster, name: string): Promise<TopicInfo | null> {
  try {
    return await cluster.topic(name)
  } catch (error) {
    if (error instanceof CodedError && error.code === 'SLUICE_TOPIC_UNKNOWN') return null
    throw brokerError(error, `topic ${name}`)
  }
}

function assertPartitions({ topic, partitions }: WantedTopic, { leaders }: TopicInfo): void {
  if (leaders.length === partitions) return
  const detail = `topic ${topic} has ${leaders.length} partitions, asked ${partitions}`
  throw new CodedError('SLUICE_TOPIC_PARTITIONS', detail)
}

async function assertSettings(cluster: Cluster, { topic, name }: WantedTopic): Promise<void> {
  const request = [
    { resourceType: ConfigResourceTypes.TOPIC, resourceName: name, configurationKeys: [...vital.keys()] },
  ]
  let answer
  try {
    answer = await cluster.any(`settings of ${topic}`, (c) => describeConfigsV4.api.async(c, request, false, false))
  } catch (error) {
    // Who may not read them is told so once, for all topics (fitness.ts).
    if (denialOf(error) !== null) return
    throw brokerError(error, `settings of topic ${topic}`)
  }
  const wrong = answer.results[0].configs.filter((config) => config.value !== vital.get(config.name))
  if (wrong.length === 0) return
  const list = wrong.map((config) => `${config.name} is ${config.value}, must be ${vital.get(config.name)}`)
  throw new CodedError('SLUICE_TOPIC_UNFIT', `topic ${topic}: ${list.join('; ')}`)
}

async function create(cluster: Cluster, wanted: WantedTopic, replicationFactor: number): Promise<void> {
  const { topic, name, partitions } = wanted
  const settings = { ...settingsFor(replicationFactor), ...wanted.settings }
  const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
  const request = [{ name, numPartitions: partitions, replicationFactor, assignments: [], configs }]
  try {
    await cluster.any(`create ${topic}`, (c) => createTopicsV7.api.async(c, request, 20_000, false))
  } catch (error) {
    // Another process was faster, or the answer to our own request was lost: what is there is checked below.
    if (reasonOf(error) !== 'TOPIC_ALREADY_EXISTS') throw brokerError(error, `create topic ${topic}`)
  }
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    const info = await existing(cluster, name)
    if (info !== null && (await isLed(cluster, name, info))) {
      assertPartitions(wanted, info)
      return assertSettings(cluster, wanted)
    }
    await sleep(SETTLE_PAUSE_MS)
  }
  throw new CodedError('SLUICE_BROKER_FAILED', `topic ${topic} was made, but its partitions have no leaders`)
}

/** True when every partition has a leader that answers as one: whoever writes to it now is not refused for being early. */
async function isLed(cluster: Cluster, name: string, { leaders }: TopicInfo): Promise<boolean> {
  if (leaders.some((leader) => leader < 0)) return false
  try {
    await Promise.all(leaders.map((_, partition) => offsetAt(cluster, name, partition, -1n)))
    return true
  } catch (error) {
    if (isPassing(error) || reasonOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return false
    throw brokerError(error, `leaders of topic ${name}`)
  }
}
