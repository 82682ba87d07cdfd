-- Which transaction ids did a producer use for several payers?
-- They are different transactions to the line (the payer account is part of the identity), and may be one payment sent with a wrong account.
-- :last = 100 | ids at most
SELECT
    producer, transactionId, uniqExact(payerAccount) AS payers, groupUniqArray(10)(payerAccount) AS payerAccounts,
    groupUniqArray(10)(currency) AS currencies, groupUniqArray(10)(amountMinor) AS amountsMinor
FROM transactions
WHERE outcome = 'ACCEPTED'
GROUP BY producer, transactionId
HAVING payers > 1
ORDER BY payers DESC, producer, transactionId
LIMIT {last:UInt32}
