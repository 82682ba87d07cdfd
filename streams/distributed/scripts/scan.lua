-- One piece of a kind: about a thousand entries, far below a millisecond per call.
-- Input:  KEYS[1] hash of the kind; ARGV[1] cursor, '0' to begin
-- Output: next cursor ('0' at the end), and field, value, field, value ...
return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 1000)
