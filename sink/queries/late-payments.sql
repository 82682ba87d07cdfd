-- Which payments came after their cycle was closed?
-- Late ones with the cycle that they joined instead, the latest first.
-- :last = 100 | payments at most
SELECT
    producer, payerAccount, transactionId, occurredAt, decidedAt, cycleStart AS joinedCycle, state, amountMinor, currency,
    dateDiff('second', occurredAt, decidedAt) AS secondsLate
FROM transaction_states
WHERE late
ORDER BY decidedAt DESC, payerAccount, transactionId
LIMIT {last:UInt32}
