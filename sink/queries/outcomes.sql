-- What became of everything that was received?
-- The balance sheet as far as ClickHouse has it: accepted = settled + pending + held + declined.
SELECT line, part, currency, transactions, amountMinor
FROM
(
    SELECT 'received' AS line, toString(outcome) AS part, toString(currency) AS currency, count() AS transactions,
        sum(toInt128(amountMinor)) AS amountMinor
    FROM transactions
    GROUP BY part, currency
    UNION ALL
    SELECT 'received', 'DEAD LETTER', '', count(), toInt128(0)
    FROM dead_letters
    HAVING count() > 0
    UNION ALL
    SELECT 'accepted', state, toString(currency), count(), sum(toInt128(amountMinor))
    FROM transaction_states
    GROUP BY state, currency
)
ORDER BY line DESC, part, currency
