/** What the harness itself asks of the broker: an input that is there, offsets of foreign groups, topics that go. */

import { deleteTopicsV6, metadataV12, offsetFetchV8 } from '@platformatic/kafka'
import type { Log } from '../../streams/backend.ts'
import { setBaseOffset } from '../../streams/records.ts'
import type { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { produce } from '../../streams/distributed/wire/requests.ts'

/** Appends one record batch outside of any transaction, as any producer would. */
export async function append(cluster: Cluster, topic: string, partition: number, batch: Uint8Array): Promise<void> {
  setBaseOffset(batch, 0)
  const [answer] = await cluster.leader(topic, partition, (c) =>
    produce.async(c, null, 30_000, [{ topic, partition, batch }]),
  )
  if (answer.error !== null) throw answer.error
}

/** Fills a topic once; a later call finds it. Returns the records in it. */
export async function fill(
  cluster: Cluster,
  log: Log,
  topic: string,
  partitions: number,
  batches: () => Iterable<{ readonly partition: number; readonly batch: Uint8Array }>,
): Promise<number> {
  await log.createTopics([{ name: topic, partitions }])
  const before = await recordsIn(log, topic, partitions)
  if (before > 0) return before
  for (const { partition, batch } of batches()) await append(cluster, topic, partition, batch)
  return recordsIn(log, topic, partitions)
}

async function recordsIn(log: Log, topic: string, partitions: number): Promise<number> {
  let records = 0
  for (let partition = 0; partition < partitions; partition++) records += (await log.bounds({ topic, partition })).end
  return records
}

/** Sum of what a consumer group has committed of a topic. */
export async function committedBy(cluster: Cluster, group: string, topic: string, partitions: number): Promise<number> {
  const partitionIndexes = Array.from({ length: partitions }, (_, partition) => partition)
  const request = [{ groupId: group, memberEpoch: -1, topics: [{ name: topic, partitionIndexes }] }]
  const answer = await cluster.coordinator('group', group, (c) => offsetFetchV8.api.async(c, request, false))
  const offsets = answer.groups[0].topics[0].partitions.map(({ committedOffset }) => Number(committedOffset))
  return offsets.reduce((sum, offset) => sum + Math.max(0, offset), 0)
}

/** Deletes every topic whose name begins so. */
export async function deleteTopics(cluster: Cluster, prefix: string): Promise<void> {
  const { topics } = await cluster.any('topics', (c) => metadataV12.api.async(c, null, false))
  const names = topics.flatMap(({ name }) => (name?.startsWith(prefix) === true ? [{ name, topicId: null }] : []))
  if (names.length > 0) await cluster.any('delete topics', (c) => deleteTopicsV6.api.async(c, names, 30_000))
}
