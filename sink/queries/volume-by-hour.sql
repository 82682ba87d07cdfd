-- How much was paid, by hour and currency?
-- Accepted payments by event time; approved, held and declined apart.
-- :currency = | ISO 4217 code; empty: all
-- :last = 168 | rows at most, the latest first
SELECT
    toStartOfHour(occurredAt) AS hour, currency, count() AS transactions,
    sum(toInt128(amountMinor)) AS volumeMinor,
    countIf(outcome = 'APPROVE') AS approved, countIf(outcome = 'HOLD') AS held, countIf(outcome = 'DECLINE') AS declined
FROM decisions
WHERE kind = 'PAYMENT' AND ({currency:String} = '' OR currency = {currency:String})
GROUP BY hour, currency
ORDER BY hour DESC, currency
LIMIT {last:UInt32}
