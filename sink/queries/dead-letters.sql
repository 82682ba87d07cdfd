-- What could not be processed, why, and where did it stand?
-- One row each, the latest first, with what to do.
-- :reason = | code of the reason; empty: all
-- :last = 100 | records at most
SELECT
    reason, message, file, line, topic, partition, offset,
    substring(toValidUTF8(ifNull(rawKey, '')), 1, 64) AS keyBegins,
    substring(toValidUTF8(ifNull(rawValue, '')), 1, 120) AS valueBegins
FROM dead_letters
WHERE {reason:String} = '' OR reason = {reason:String}
ORDER BY logicalTime DESC, _src_task, _src_seq DESC
LIMIT {last:UInt32}
