/** The topics of the payments line that feed tables. */
import { records, topics, type Topic } from '../schemas/topics.ts'
import { pinnedIds, type SchemaIds } from '../streams/schema-ids.ts'
import type { FedTopic } from './feed.ts'

/** Every topic with a table: its first record type gives the rows, the mark the cuts. `ids`: those of the log. */
export const fedTopicsUnder = (ids: SchemaIds): readonly FedTopic[] =>
  Object.values(topics).flatMap(({ name, table, records: [record] }: Topic) =>
    table === null
      ? []
      : [{ name, table, record: { ...record, id: ids.idOf(record) }, markId: ids.idOf(records.mark) }],
  )

export const fedTopics = fedTopicsUnder(pinnedIds)
