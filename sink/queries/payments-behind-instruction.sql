-- Which payments are behind an instruction, and do they add up to it?
-- Every settled transaction of the member in that cycle and currency with its sign; readdedMinor is their sum and matches says whether it is the instruction.
-- :instruction = | instruction id; empty: the largest one of the latest cycle
WITH chosen AS
(
    SELECT *
    FROM instructions
    WHERE instructionId = if(
        {instruction:String} = '',
        (SELECT argMax(instructionId, (cycleStart, amount)) FROM instructions),
        {instruction:String})
)
SELECT
    i.instructionId AS instructionId, i.member AS bank, i.direction AS direction, i.amount AS instructionMinor,
    t.transactionId AS transactionId, t.producer AS producer, t.payerAccount AS payerAccount, t.kind AS kind,
    t.occurredAt AS occurredAt, t.debtorBank AS debtorBank, t.creditorBank AS creditorBank,
    if(t.creditorBank = i.member, toInt128(t.amountMinor), -toInt128(t.amountMinor)) AS signedMinor,
    sum(signedMinor) OVER () AS readdedMinor,
    readdedMinor = if(i.direction = 'RECEIVE', i.amount, -i.amount) AS matches
FROM transaction_states AS t
INNER JOIN chosen AS i ON i.cycleStart = t.cycleStart AND i.currency = t.currency
WHERE t.state = 'settled' AND t.debtorBank != t.creditorBank AND (t.debtorBank = i.member OR t.creditorBank = i.member)
ORDER BY occurredAt, transactionId
