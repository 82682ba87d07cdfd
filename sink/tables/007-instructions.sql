-- What each member pays or receives. Fed by instructions. Money that moves: flushed to the disk before it counts as inserted.
CREATE TABLE IF NOT EXISTS {database}.instructions
(
    _src_task Int32 COMMENT 'Task that wrote the record: number of its partition.',
    _src_seq Int64 COMMENT 'Number of the record among those of the task in its topic, from 0, without gaps.',
    _sub UInt32 COMMENT 'Which row of the record; a record gives one row so far.',
    _blk Int64 COMMENT '_src_seq of the first row of the insert block.',
    _blk_rows UInt32 COMMENT 'Rows of the insert block.',
    logicalTime DateTime64(3, 'UTC') COMMENT 'Stream time of the row that caused this record; of a settlement output the cycle''s end.',
    instructionId String COMMENT '32 hex digits: hash of (scheme, cycle id, member, currency).',
    scheme LowCardinality(String) COMMENT 'Scheme name, fixed when the log was created.',
    cycleStart DateTime64(3, 'UTC') COMMENT 'Start of the cycle.',
    cycleLengthMs Int64 COMMENT 'Length of the cycle.',
    member LowCardinality(String) COMMENT 'Bank.',
    currency LowCardinality(String) COMMENT 'ISO 4217.',
    direction Enum8('PAY' = 0, 'RECEIVE' = 1) COMMENT 'PAY when the net position is negative.',
    amount Int128 COMMENT 'Minor units, positive.',
    settlementAccount LowCardinality(String) COMMENT 'Account from the member list, or the bank code when every bank is a member.',
    PROJECTION hi (SELECT _src_task, max(_src_seq), count() GROUP BY _src_task)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(logicalTime)
ORDER BY (cycleStart, currency, member)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
