-- How much money is held, since when, and why?
-- Per currency, first reason and age in the time of the log.
WITH (SELECT max(logicalTime) FROM decisions) AS now
SELECT
    currency,
    reasons[1] AS reason,
    multiIf(hours < 1, 'under 1 hour', hours < 24, 'under 1 day', hours < 168, 'under 7 days', '7 days and more') AS age,
    count() AS transactions,
    sum(toInt128(amountMinor)) AS amountMinorHeld,
    min(heldSince) AS oldest
FROM (SELECT *, dateDiff('hour', heldSince, now) AS hours FROM open_holds)
GROUP BY currency, reason, age
ORDER BY currency, oldest, reason
