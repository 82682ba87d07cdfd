-- The state of every accepted transaction, from its events: pending, settled, held or declined, and in which cycle.
CREATE OR REPLACE VIEW {database}.transaction_states AS
WITH
    lastHold AS
    (
        SELECT
            payerAccount, producer, transactionId, occurredAt,
            argMax(event, (_src_seq, _sub)) AS holdEvent,
            argMax(cycleStart, (_src_seq, _sub)) AS releasedInto,
            argMax(reasons, (_src_seq, _sub)) AS holdReasons,
            argMax(`by`, (_src_seq, _sub)) AS holdBy,
            argMax(why, (_src_seq, _sub)) AS holdWhy,
            minIf(logicalTime, event = 'HELD') AS heldSince
        FROM {database}.hold_events
        WHERE event != 'REFUSED'
        GROUP BY payerAccount, producer, transactionId, occurredAt
    ),
    settledCycle AS
    (
        SELECT DISTINCT cycleStart, currency, 1 AS isSettled
        FROM {database}.settlements
    )
SELECT
    d.producer AS producer,
    d.payerAccount AS payerAccount,
    d.transactionId AS transactionId,
    d.kind AS kind,
    d.occurredAt AS occurredAt,
    d.payerBank AS payerBank,
    d.payeeBank AS payeeBank,
    d.amountMinor AS amountMinor,
    d.currency AS currency,
    d.outcome AS decision,
    d.late AS late,
    d.score AS score,
    d.ruleVersion AS ruleVersion,
    multiIf(
        d.outcome = 'DECLINE', 'declined',
        d.outcome = 'HOLD' AND h.holdEvent = 'REJECTED', 'declined',
        d.outcome = 'HOLD' AND h.holdEvent != 'RELEASED', 'held',
        s.isSettled = 1, 'settled',
        'pending') AS state,
    -- The cycle that it joins; of a held or declined one the cycle that it would have joined.
    if(d.outcome = 'HOLD' AND h.holdEvent = 'RELEASED', ifNull(h.releasedInto, d.cycleStart), d.cycleStart) AS cycleStart,
    d.cycleStart AS originalCycleStart,
    -- The decision's own, or why the hold still stands.
    if(notEmpty(h.holdReasons), h.holdReasons, d.reasons) AS reasons,
    h.holdBy AS resolvedBy,
    h.holdWhy AS resolvedWhy,
    if(d.outcome = 'HOLD', h.heldSince, NULL) AS heldSince,
    d.logicalTime AS decidedAt,
    -- Who owes: a return turns the obligation round.
    if(d.kind = 'PAYMENT', d.payerBank, d.payeeBank) AS debtorBank,
    if(d.kind = 'PAYMENT', d.payeeBank, d.payerBank) AS creditorBank
FROM {database}.decisions AS d
LEFT JOIN lastHold AS h
    ON h.payerAccount = d.payerAccount AND h.producer = d.producer AND h.transactionId = d.transactionId
        AND h.occurredAt = d.occurredAt
LEFT JOIN settledCycle AS s
    ON s.currency = d.currency
        AND s.cycleStart = if(d.outcome = 'HOLD' AND h.holdEvent = 'RELEASED', ifNull(h.releasedInto, d.cycleStart), d.cycleStart)
SETTINGS join_use_nulls = 0;
