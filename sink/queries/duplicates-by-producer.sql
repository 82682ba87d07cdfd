-- Who sends the same payment twice, and who sends another one under the same id?
-- Copies and conflicts per producer, with their share of what it sent.
SELECT
    producer, count() AS received, countIf(outcome = 'ACCEPTED') AS accepted, countIf(outcome = 'DUPLICATE') AS duplicates,
    countIf(outcome = 'CONFLICTING') AS conflicts,
    intDiv((duplicates + conflicts) * 10000, received) AS basisPoints,
    maxIf(dateDiff('second', firstSeenAt, logicalTime), outcome != 'ACCEPTED') AS longestSecondsApart
FROM transactions
GROUP BY producer
ORDER BY duplicates + conflicts DESC, producer
