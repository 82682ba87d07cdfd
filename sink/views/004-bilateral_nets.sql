-- What each pair of banks owes after bilateral netting, one row each.
CREATE OR REPLACE VIEW {database}.bilateral_nets AS
SELECT
    cycleStart, cycleLengthMs, currency,
    pair.debtor AS debtor,
    pair.creditor AS creditor,
    pair.amount AS amount
FROM {database}.settlements
ARRAY JOIN bilateral AS pair;
