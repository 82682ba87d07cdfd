-- Which log the tables are filled from: a topic with another id, or another number of partitions, is another log.
CREATE TABLE IF NOT EXISTS {database}._sources
(
    topic String,
    topicId String,
    partitions UInt32
)
ENGINE = MergeTree
ORDER BY topic;
