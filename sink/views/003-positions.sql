-- Every member's position in every settled cycle and currency, one row each.
CREATE OR REPLACE VIEW {database}.positions AS
SELECT
    cycleStart, cycleLengthMs, currency,
    position.member AS member,
    position.debit AS debit,
    position.credit AS credit,
    position.net AS net
FROM {database}.settlements
ARRAY JOIN positions AS position;
