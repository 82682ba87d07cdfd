-- How do the rules decide, version by version?
-- Approved, held and declined payments per rule version, in basis points.
SELECT
    ruleVersion, count() AS payments, countIf(outcome = 'APPROVE') AS approved, countIf(outcome = 'HOLD') AS held,
    countIf(outcome = 'DECLINE') AS declined, intDiv(approved * 10000, payments) AS approvedBasisPoints,
    min(occurredAt) AS firstPayment, max(occurredAt) AS lastPayment
FROM decisions
WHERE kind = 'PAYMENT'
GROUP BY ruleVersion
ORDER BY firstPayment
