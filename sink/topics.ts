/** The topics of the payments line that feed tables. */
import { records, topics, type Topic } from '../schemas/topics.ts'
import type { FedTopic } from './feed.ts'

/** Every topic with a table: its first record type gives the rows, the mark the cuts. */
export const fedTopics: readonly FedTopic[] = Object.values(topics).flatMap((topic: Topic) =>
  topic.table === null
    ? []
    : [{ name: topic.name, table: topic.table, record: topic.records[0], markId: records.mark.id }],
)
