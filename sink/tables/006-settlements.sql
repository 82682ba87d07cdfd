-- One currency of one settled cycle. Fed by settlements. Money that moves: flushed to the disk before it counts as inserted.
CREATE TABLE IF NOT EXISTS {database}.settlements
(
    _src_task Int32 COMMENT 'Task that wrote the record: number of its partition.',
    _src_seq Int64 COMMENT 'Number of the record among those of the task in its topic, from 0, without gaps.',
    _sub UInt32 COMMENT 'Which row of the record; a record gives one row so far.',
    _blk Int64 COMMENT '_src_seq of the first row of the insert block.',
    _blk_rows UInt32 COMMENT 'Rows of the insert block.',
    logicalTime DateTime64(3, 'UTC') COMMENT 'Stream time of the row that caused this record; of a settlement output the cycle''s end.',
    cycleStart DateTime64(3, 'UTC') COMMENT 'Start of the cycle.',
    cycleLengthMs Int64 COMMENT 'Length of the cycle.',
    currency LowCardinality(String) COMMENT 'ISO 4217.',
    count Int64 COMMENT 'Settled transactions, on-us ones included.',
    gross Int128 COMMENT 'Sum of settled amounts, on-us ones included.',
    onUsCount Int64 COMMENT 'On-us transactions.',
    onUs Int128 COMMENT 'Sum of on-us amounts.',
    net Int128 COMMENT 'Sum of what the paying members pay.',
    bilateral Array(Tuple(debtor String, creditor String, amount Int128)) COMMENT 'Sorted by debtor, creditor.',
    positions Array(Tuple(member String, debit Int128, credit Int128, net Int128)) COMMENT 'Every member, zeros included, sorted by member.',
    PROJECTION hi (SELECT _src_task, max(_src_seq), count() GROUP BY _src_task)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(logicalTime)
ORDER BY (cycleStart, currency)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
