-- Does every instruction of a cycle equal the sum of the payments behind it?
-- The settled transactions added up anew against the instruction; differenceMinor must be 0 everywhere.
-- :cycle = | start of the cycle, ISO 8601; empty: the latest settled one
WITH moved AS
(
    SELECT cycleStart, currency, debtorBank AS bank, -toInt128(amountMinor) AS signedMinor
    FROM transaction_states WHERE state = 'settled' AND debtorBank != creditorBank AND cycleStart = if({cycle:String} = '', (SELECT max(cycleStart) FROM settlements), parseDateTime64BestEffortOrZero({cycle:String}, 3, 'UTC'))
    UNION ALL
    SELECT cycleStart, currency, creditorBank AS bank, toInt128(amountMinor) AS signedMinor
    FROM transaction_states WHERE state = 'settled' AND debtorBank != creditorBank AND cycleStart = if({cycle:String} = '', (SELECT max(cycleStart) FROM settlements), parseDateTime64BestEffortOrZero({cycle:String}, 3, 'UTC'))
),
readded AS (SELECT cycleStart, currency, bank, sum(signedMinor) AS net, count() AS transactions FROM moved GROUP BY cycleStart, currency, bank),
told AS
(
    SELECT cycleStart, currency, member AS bank, sum(if(direction = 'RECEIVE', amount, -amount)) AS net
    FROM instructions WHERE cycleStart = if({cycle:String} = '', (SELECT max(cycleStart) FROM settlements), parseDateTime64BestEffortOrZero({cycle:String}, 3, 'UTC')) GROUP BY cycleStart, currency, bank
)
SELECT
    if(t.bank != '', t.cycleStart, r.cycleStart) AS cycleStart, if(t.bank != '', t.currency, r.currency) AS currency,
    if(t.bank != '', t.bank, r.bank) AS bank, r.transactions AS transactions,
    t.net AS instructedMinor, r.net AS readdedMinor, instructedMinor - readdedMinor AS differenceMinor
FROM told AS t
FULL OUTER JOIN readded AS r ON r.cycleStart = t.cycleStart AND r.currency = t.currency AND r.bank = t.bank
ORDER BY cycleStart, currency, bank
