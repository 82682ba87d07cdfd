-- What is held now: the last event of each held transaction is HELD.
CREATE OR REPLACE VIEW {database}.open_holds AS
SELECT
    producer, payerAccount, transactionId,
    assumeNotNull(argMax(h.kind, _src_seq)) AS kind,
    assumeNotNull(h.occurredAt) AS occurredAt,
    assumeNotNull(argMax(h.payerBank, _src_seq)) AS payerBank,
    assumeNotNull(argMax(h.payeeBank, _src_seq)) AS payeeBank,
    assumeNotNull(argMax(h.amountMinor, _src_seq)) AS amountMinor,
    assumeNotNull(argMax(h.currency, _src_seq)) AS currency,
    argMax(h.reasons, _src_seq) AS reasons,
    minIf(h.logicalTime, event = 'HELD') AS heldSince
FROM {database}.hold_events AS h
WHERE event != 'REFUSED'
GROUP BY producer, payerAccount, transactionId, h.occurredAt
HAVING argMax(event, _src_seq) = 'HELD';
