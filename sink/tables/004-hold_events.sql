-- The life of held transactions, as events. Fed by hold-events.
CREATE TABLE IF NOT EXISTS {database}.hold_events
(
    _src_task Int32 COMMENT 'Task that wrote the record: number of its partition.',
    _src_seq Int64 COMMENT 'Number of the record among those of the task in its topic, from 0, without gaps.',
    _sub UInt32 COMMENT 'Which row of the record; a record gives one row so far.',
    _blk Int64 COMMENT '_src_seq of the first row of the insert block.',
    _blk_rows UInt32 COMMENT 'Rows of the insert block.',
    logicalTime DateTime64(3, 'UTC') COMMENT 'Stream time of the row that caused this record; of a settlement output the cycle''s end.',
    event Enum8('HELD' = 0, 'RELEASED' = 1, 'REJECTED' = 2, 'REFUSED' = 3) COMMENT 'REFUSED = a resolution that could not be carried out; see why.',
    resolutionId String COMMENT 'The resolution that caused it; empty for HELD.',
    by LowCardinality(String) COMMENT 'Who; empty for HELD.',
    why String COMMENT 'Why released or rejected, or why the resolution was refused.',
    reasons Array(String) COMMENT 'Why it was held.',
    notSettledElsewhere Bool COMMENT 'As said by the resolution.',
    producer LowCardinality(String) COMMENT 'Identity.',
    payerAccount String COMMENT 'Identity.',
    transactionId String COMMENT 'Identity.',
    originalCycleStart Nullable(DateTime64(3, 'UTC')) COMMENT 'Cycle it would have joined; null when REFUSED.',
    cycleStart Nullable(DateTime64(3, 'UTC')) COMMENT 'RELEASED: the cycle that it joins.',
    kind Nullable(Enum8('PAYMENT' = 0, 'REFUND' = 1, 'REVERSAL' = 2, 'CHARGEBACK' = 3)) COMMENT 'What the transaction does.',
    occurredAt Nullable(DateTime64(3, 'UTC')) COMMENT 'Event time, milliseconds since 1970-01-01 UTC.',
    payerBank LowCardinality(Nullable(String)) COMMENT 'Bank of the payer account (a return: of the original). 1 to 64 characters.',
    payeeAccount Nullable(String) COMMENT 'Account that is paid (a return: of the original). 1 to 64 characters.',
    payeeBank LowCardinality(Nullable(String)) COMMENT 'Bank of the payee account (a return: of the original). 1 to 64 characters.',
    merchant LowCardinality(Nullable(String)) COMMENT 'Merchant, when there is one; at most 64 characters.',
    amountMinor Nullable(Int64) COMMENT 'Amount in minor units of the currency, 1 to 2^53.',
    currency LowCardinality(Nullable(String)) COMMENT 'ISO 4217 code, three capital letters.',
    country LowCardinality(Nullable(String)) COMMENT 'ISO 3166-1 alpha-2 code of where the payment was made, when known.',
    originalTransactionId Nullable(String) COMMENT 'The transactionId of the payment that a return returns; absent for payments.',
    timePrecision Nullable(Enum8('MILLISECOND' = 0, 'SECOND' = 1, 'DAY' = 2)) COMMENT 'Since version 2; what an older writer did not say is MILLISECOND.',
    INDEX byTransactionId transactionId TYPE bloom_filter(0.01) GRANULARITY 4,
    PROJECTION hi (SELECT _src_task, max(_src_seq), count() GROUP BY _src_task)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(logicalTime)
ORDER BY (payerAccount, transactionId, logicalTime)
SETTINGS non_replicated_deduplication_window = 10000;
