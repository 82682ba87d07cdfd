-- How much money moved against how much was owed?
-- Per cycle and currency: gross, on us, net, and the part of the gross that netting kept from moving.
-- :currency = | ISO 4217 code; empty: all
-- :last = 100 | cycles at most, the latest first
SELECT
    cycleStart, currency, sum(s.count) AS payments,
    sum(s.gross) AS grossMinor, sum(s.onUs) AS onUsMinor, sum(s.net) AS netMinor,
    if(grossMinor = 0, 0, intDiv((grossMinor - netMinor) * 10000, grossMinor)) AS savedBasisPoints
FROM settlements AS s
WHERE {currency:String} = '' OR currency = {currency:String}
GROUP BY cycleStart, currency
ORDER BY cycleStart DESC, currency
LIMIT {last:UInt32}
