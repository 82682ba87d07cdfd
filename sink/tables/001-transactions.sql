-- What became of every transaction that could be read and is valid. Fed by transaction-outcomes.
CREATE TABLE IF NOT EXISTS {database}.transactions
(
    _src_task Int32 COMMENT 'Task that wrote the record: number of its partition.',
    _src_seq Int64 COMMENT 'Number of the record among those of the task in its topic, from 0, without gaps.',
    _sub UInt32 COMMENT 'Which row of the record; a record gives one row so far.',
    _blk Int64 COMMENT '_src_seq of the first row of the insert block.',
    _blk_rows UInt32 COMMENT 'Rows of the insert block.',
    logicalTime DateTime64(3, 'UTC') COMMENT 'Stream time of the row that caused this record; of a settlement output the cycle''s end.',
    outcome Enum8('ACCEPTED' = 0, 'DUPLICATE' = 1, 'CONFLICTING' = 2) COMMENT 'ACCEPTED = first seen; DUPLICATE = identity and content known; CONFLICTING = identity known, content other.',
    firstSeenAt Nullable(DateTime64(3, 'UTC')) COMMENT 'Of a DUPLICATE or CONFLICTING one: when the first was seen: the later of its event time and stream time.',
    producer LowCardinality(String) COMMENT 'Who sends: the namespace of transaction ids. 1 to 64 characters.',
    payerAccount String COMMENT 'Account that pays; the record''s key. A return names the original''s payer account. 1 to 64 characters.',
    transactionId String COMMENT 'The producer''s own id; unique per producer and payer account. 1 to 64 characters.',
    kind Enum8('PAYMENT' = 0, 'REFUND' = 1, 'REVERSAL' = 2, 'CHARGEBACK' = 3) COMMENT 'What the transaction does.',
    occurredAt DateTime64(3, 'UTC') COMMENT 'Event time, milliseconds since 1970-01-01 UTC.',
    payerBank LowCardinality(String) COMMENT 'Bank of the payer account (a return: of the original). 1 to 64 characters.',
    payeeAccount String COMMENT 'Account that is paid (a return: of the original). 1 to 64 characters.',
    payeeBank LowCardinality(String) COMMENT 'Bank of the payee account (a return: of the original). 1 to 64 characters.',
    merchant LowCardinality(Nullable(String)) COMMENT 'Merchant, when there is one; at most 64 characters.',
    amountMinor Int64 COMMENT 'Amount in minor units of the currency, 1 to 2^53.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code, three capital letters.',
    country LowCardinality(Nullable(String)) COMMENT 'ISO 3166-1 alpha-2 code of where the payment was made, when known.',
    originalTransactionId Nullable(String) COMMENT 'The transactionId of the payment that a return returns; absent for payments.',
    timePrecision Enum8('MILLISECOND' = 0, 'SECOND' = 1, 'DAY' = 2) COMMENT 'Since version 2; what an older writer did not say is MILLISECOND.',
    INDEX byTransactionId transactionId TYPE bloom_filter(0.01) GRANULARITY 4,
    PROJECTION hi (SELECT _src_task, max(_src_seq), count() GROUP BY _src_task)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(logicalTime)
ORDER BY (payerAccount, occurredAt, transactionId)
SETTINGS non_replicated_deduplication_window = 10000;
