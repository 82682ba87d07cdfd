/**
 * The subjects of a line in a schema registry: what is registered where, and which ids the line writes with.
 *
 * A topic carries several record types. Its first one, which others read and write, stands under TOPIC-value, where
 * producers look by themselves; each other one under TOPIC-RECORD (Confluent's TopicRecordNameStrategy).
 */
import { records, topics, type RecordType, type Topic } from '../schemas/topics.ts'
import { sameSchema } from '../streams/avro/differences.ts'
import { parseSchema } from '../streams/avro/schema.ts'
import { Registry } from '../streams/distributed/registry.ts'
import { writerLookup } from '../streams/distributed/writer-lookup.ts'
import type { WriterLookup } from '../streams/index.ts'
import type { Configuration } from './configuration/schema.ts'
import { UsageError } from './output.ts'

export interface Subject {
  readonly subject: string
  readonly topic: string
  /** Versions of ours, oldest first. */
  readonly types: readonly RecordType[]
}

/** Every subject of a line whose topics have this prefix. */
export function subjectsOf(topicPrefix: string): Subject[] {
  return Object.values(topics as Record<string, Topic>).flatMap((topic) => {
    const name = topicPrefix + topic.name
    const first = parseSchema(topic.records[0].schema).name
    const byRecord = new Map<string, RecordType[]>()
    for (const type of topic.records) {
      const record = parseSchema(type.schema).name
      byRecord.set(record, [...(byRecord.get(record) ?? []), type])
    }
    return [...byRecord].map(([record, types]) => ({
      subject: record === first ? `${name}-value` : `${name}-${record}`,
      topic: name,
      types: types.toSorted((a, b) => a.name.localeCompare(b.name)),
    }))
  })
}

/** Subjects under which a schema of transactions is one that this line reads: the default of producers, or by record. */
export const transactionSubjects = (topicPrefix: string): string[] => {
  const topic = topicPrefix + topics.transactions.name
  return [`${topic}-value`, `${topic}-${parseSchema(records.transaction.schema).name}`]
}

/** The registry of a configuration; null when none is configured. */
export function registryOf({ registry }: Pick<Configuration, 'registry'>): Registry | null {
  return registry.url === '' ? null : new Registry(registry)
}

/** Who a line asks about ids of other writers; undefined: nobody. */
export function writersOf(configuration: Pick<Configuration, 'registry' | 'kafka'>): WriterLookup | undefined {
  const registry = registryOf(configuration)
  if (registry === null) return undefined
  const subjects = transactionSubjects(configuration.kafka.topicPrefix)
  return writerLookup({ registry, subjects, reader: records.transaction.schema })
}

/**
 * Ids of every record type by its name, as they are registered; for the line's manifest. Registers nothing. Errors:
 * UsageError naming what is not registered, RegistryError.
 */
export async function registeredIds(registry: Registry, topicPrefix: string): Promise<Record<string, number>> {
  const ids: Record<string, number> = {}
  const missing: string[] = []
  for (const { subject, types } of subjectsOf(topicPrefix)) {
    const versions = await registry.versions(subject)
    for (const { name, schema } of types) {
      const version = versions.find((one) => sameSchema(one.schema, schema))
      if (version === undefined) missing.push(`${name} under ${subject}`)
      else ids[name] ??= version.id
    }
  }
  if (missing.length > 0) {
    throw new UsageError(`Not registered: ${missing.join('; ')}. Run first: sluice schemas register`)
  }
  return ids
}
