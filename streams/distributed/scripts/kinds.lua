-- Names of the kinds that have entries.
-- Input:  KEYS[1] set of the kinds
-- Output: the names, in no order
return redis.call('SMEMBERS', KEYS[1])
