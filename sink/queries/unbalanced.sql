-- What did not balance?
-- Cycles whose positions, instructions or payments do not add up; no row is the good answer.
WITH
    told AS
    (
        SELECT cycleStart, currency, sumIf(amount, direction = 'PAY') AS pay, sumIf(amount, direction = 'RECEIVE') AS receive
        FROM instructions GROUP BY cycleStart, currency
    ),
    paid AS
    (
        SELECT cycleStart, currency, sum(toInt128(amountMinor)) AS gross, count() AS transactions
        FROM transaction_states WHERE state = 'settled' GROUP BY cycleStart, currency
    ),
    checks AS
    (
        SELECT s.cycleStart AS cycleStart, s.currency AS currency,
            arrayJoin([
                ('positions add up to 0', toInt128(0), arraySum(p -> p.net, s.positions)),
                ('the paying positions are the net', s.net, arraySum(p -> if(p.net < 0, -p.net, toInt128(0)), s.positions)),
                ('pay instructions are the net', s.net, t.pay),
                ('receive instructions are the net', s.net, t.receive),
                ('settled payments are the gross', s.gross, p.gross),
                ('settled payments are the count', toInt128(s.count), toInt128(p.transactions))
            ]) AS check
        FROM settlements AS s
        LEFT JOIN told AS t ON t.cycleStart = s.cycleStart AND t.currency = s.currency
        LEFT JOIN paid AS p ON p.cycleStart = s.cycleStart AND p.currency = s.currency
    )
SELECT cycleStart, currency, check.1 AS rule, check.2 AS expected, check.3 AS found
FROM checks
WHERE expected != found
UNION ALL
SELECT cycleStart, currency, 'instructions belong to a settlement', toInt128(0), pay
FROM told
WHERE (cycleStart, currency) NOT IN (SELECT cycleStart, currency FROM settlements)
