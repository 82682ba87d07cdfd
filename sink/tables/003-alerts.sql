-- What a person should look at. Fed by alerts.
CREATE TABLE IF NOT EXISTS {database}.alerts
(
    _src_task Int32 COMMENT 'Task that wrote the record: number of its partition.',
    _src_seq Int64 COMMENT 'Number of the record among those of the task in its topic, from 0, without gaps.',
    _sub UInt32 COMMENT 'Which row of the record; a record gives one row so far.',
    _blk Int64 COMMENT '_src_seq of the first row of the insert block.',
    _blk_rows UInt32 COMMENT 'Rows of the insert block.',
    logicalTime DateTime64(3, 'UTC') COMMENT 'Stream time of the row that caused this record; of a settlement output the cycle''s end.',
    alert Enum8('HELD' = 0, 'DECLINED' = 1, 'CONFLICT' = 2) COMMENT 'HELD and DECLINED by the rules; CONFLICT = same identity, other content.',
    producer LowCardinality(String) COMMENT 'Identity.',
    payerAccount String COMMENT 'Identity.',
    transactionId String COMMENT 'Identity.',
    occurredAt DateTime64(3, 'UTC') COMMENT 'Event time.',
    amountMinor Int64 COMMENT 'Minor units.',
    currency LowCardinality(String) COMMENT 'ISO 4217.',
    score Int32 COMMENT 'Score; 0 for a conflict.',
    reasons Array(String) COMMENT 'Names of the rules that added points, or what else.',
    PROJECTION hi (SELECT _src_task, max(_src_seq), count() GROUP BY _src_task)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(logicalTime)
ORDER BY (logicalTime, payerAccount)
SETTINGS non_replicated_deduplication_window = 10000;
