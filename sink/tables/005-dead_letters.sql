-- Input records that could not be processed. Fed by dead-letters.
CREATE TABLE IF NOT EXISTS {database}.dead_letters
(
    _src_task Int32 COMMENT 'Task that wrote the record: number of its partition.',
    _src_seq Int64 COMMENT 'Number of the record among those of the task in its topic, from 0, without gaps.',
    _sub UInt32 COMMENT 'Which row of the record; a record gives one row so far.',
    _blk Int64 COMMENT '_src_seq of the first row of the insert block.',
    _blk_rows UInt32 COMMENT 'Rows of the insert block.',
    logicalTime DateTime64(3, 'UTC') COMMENT 'Stream time of the row that caused this record; of a settlement output the cycle''s end.',
    reason LowCardinality(String) COMMENT 'Code from schemas/reasons.ts.',
    message String COMMENT 'In plain words, what was wrong and what to do.',
    rawKey Nullable(String) COMMENT 'Key as it came.',
    rawValue Nullable(String) COMMENT 'Value as it came, or the first 4 KiB of an unreadable row.',
    topic LowCardinality(String) COMMENT 'Diagnostic.',
    partition Int32 COMMENT 'Diagnostic.',
    offset Int64 COMMENT 'Diagnostic.',
    file LowCardinality(String) COMMENT 'Diagnostic: base name of the file; empty when it did not come from a file.',
    line Int64 COMMENT 'Diagnostic: line; 0 when it did not come from a file.',
    PROJECTION hi (SELECT _src_task, max(_src_seq), count() GROUP BY _src_task)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(logicalTime)
ORDER BY (reason, logicalTime)
SETTINGS non_replicated_deduplication_window = 10000;
