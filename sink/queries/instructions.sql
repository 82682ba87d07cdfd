-- What does each bank pay or receive in a cycle?
-- The instructions of one cycle, in the order in which they are told; as CSV this is the file for the rail.
-- :cycle = | start of the cycle, ISO 8601; empty: the latest settled one
-- :currency = | ISO 4217 code; empty: all
SELECT
    instructionId, scheme, cycleStart, addMilliseconds(cycleStart, cycleLengthMs) AS cycleEnd, currency, member AS bank,
    direction, amount AS amountMinor, settlementAccount
FROM instructions
WHERE cycleStart = if({cycle:String} = '', (SELECT max(cycleStart) FROM settlements), parseDateTime64BestEffortOrZero({cycle:String}, 3, 'UTC')) AND ({currency:String} = '' OR currency = {currency:String})
ORDER BY cycleStart, currency, bank
