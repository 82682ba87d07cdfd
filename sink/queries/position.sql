-- What is the position of a bank in a cycle?
-- What it owed and was owed without on-us payments, the net, and the instruction that settles it.
-- :bank = | bank code; empty: every bank
-- :cycle = | start of the cycle, ISO 8601; empty: the latest settled one
SELECT
    p.cycleStart AS cycleStart, p.currency AS currency, p.member AS bank,
    p.debit AS owedMinor, p.credit AS wasOwedMinor, p.net AS netMinor,
    i.direction AS instruction, i.instructionId AS instructionId
FROM positions AS p
LEFT JOIN (SELECT cycleStart, currency, member, toString(direction) AS direction, instructionId FROM instructions) AS i
    ON i.cycleStart = p.cycleStart AND i.currency = p.currency AND i.member = p.member
WHERE p.cycleStart = if({cycle:String} = '', (SELECT max(cycleStart) FROM settlements), parseDateTime64BestEffortOrZero({cycle:String}, 3, 'UTC')) AND ({bank:String} = '' OR p.member = {bank:String})
ORDER BY cycleStart, currency, bank
