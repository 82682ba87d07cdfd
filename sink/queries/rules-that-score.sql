-- Which rules add points, how often, and to what end?
-- Per rule: payments it scored and what was decided on them.
SELECT
    ruleVersion, contribution.rule AS rule, count() AS payments, sum(contribution.points) AS points,
    countIf(outcome = 'HOLD') AS held, countIf(outcome = 'DECLINE') AS declined
FROM decisions
ARRAY JOIN contributions AS contribution
GROUP BY ruleVersion, rule
ORDER BY payments DESC, rule
