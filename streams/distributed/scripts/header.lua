-- Names of the fields of a header: among them n:KIND, the number of entries of each kind.
-- Input:  KEYS[1] header
-- Output: the names, in no order
return redis.call('HKEYS', KEYS[1])
