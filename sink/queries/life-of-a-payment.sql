-- What happened to a payment, from its arrival to the instruction that settles it?
-- Everything known of one transaction id, in order.
-- :transaction = | transaction id
-- :account = | payer account; empty: any
-- :producer = | producer; empty: any
WITH
    events AS
    (
        SELECT logicalTime AS at, 1 AS step, toString(outcome) AS event, producer, payerAccount, transactionId,
            concat(toString(kind), ' ', toString(amountMinor), ' minor ', currency, ', ', payerBank, ' to ', payeeBank) AS detail
        FROM transactions
        WHERE transactionId = {transaction:String}
        UNION ALL
        SELECT logicalTime, 2, concat('DECIDED ', toString(outcome)), producer, payerAccount, transactionId,
            concat('score ', toString(score), ', rules ', ruleVersion, ', cycle ', toString(cycleStart),
                if(late, ', late', ''), if(empty(reasons), '', concat(', because ', arrayStringConcat(reasons, ', '))))
        FROM decisions
        WHERE transactionId = {transaction:String}
        UNION ALL
        SELECT logicalTime, 3, concat('ALERT ', toString(alert)), producer, payerAccount, transactionId, arrayStringConcat(reasons, ', ')
        FROM alerts
        WHERE transactionId = {transaction:String}
        UNION ALL
        SELECT logicalTime, 4, concat('HOLD ', toString(event)), producer, payerAccount, transactionId,
            concat(`by`, if(`by` = '', '', ': '), why, if(why = '', '', ' '), arrayStringConcat(reasons, ', '))
        FROM hold_events
        WHERE transactionId = {transaction:String}
        UNION ALL
        SELECT s.logicalTime, 5, 'SETTLED', t.producer, t.payerAccount, t.transactionId,
            concat('cycle ', toString(t.cycleStart), if(i.instructionId = '', '', concat(', instruction ', i.instructionId)))
        FROM transaction_states AS t
        INNER JOIN settlements AS s ON s.cycleStart = t.cycleStart AND s.currency = t.currency
        LEFT JOIN instructions AS i ON i.cycleStart = t.cycleStart AND i.currency = t.currency AND i.member = t.debtorBank
        WHERE t.transactionId = {transaction:String} AND t.state = 'settled'
    )
SELECT at, event, producer, payerAccount, transactionId, detail
FROM events
WHERE ({account:String} = '' OR payerAccount = {account:String}) AND ({producer:String} = '' OR producer = {producer:String})
ORDER BY payerAccount, producer, at, step
