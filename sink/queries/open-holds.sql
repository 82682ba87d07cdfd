-- What is waiting for a decision?
-- Every held transaction, the oldest first.
-- :last = 100 | transactions at most
SELECT heldSince, producer, payerAccount, transactionId, kind, occurredAt, payerBank, payeeBank, amountMinor, currency, reasons
FROM open_holds
ORDER BY heldSince, payerAccount, transactionId
LIMIT {last:UInt32}
