-- Which alerts should be looked at first?
-- The highest scores with their reasons.
-- :last = 20 | alerts at most
-- :account = | payer account; empty: all
SELECT
    logicalTime AS at, alert, score, reasons, producer, payerAccount, transactionId, occurredAt, amountMinor, currency
FROM alerts
WHERE {account:String} = '' OR payerAccount = {account:String}
ORDER BY score DESC, logicalTime DESC, payerAccount, transactionId
LIMIT {last:UInt32}
