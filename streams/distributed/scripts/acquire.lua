-- Takes over a task's state: raises the owner's epoch, so that an earlier owner's apply answers 'fenced'.
-- Input:  KEYS[1] header, KEYS[2] set of the kinds; ARGV[1] id of a new incarnation, used when the task has none
-- Output: incarnation, epoch, position, metadata; position and metadata are nil when the task has no state yet, position
--         also when what is there is not whole (apply.lua)
redis.call('HSETNX', KEYS[1], 'incarnation', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
local found = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'position', 'metadata', 'begun', 'whole')
if found[5] ~= found[6] then
  found[3], found[4] = false, false
  -- Nothing is left that would have to be dropped.
  if redis.call('SCARD', KEYS[2]) == 0 then
    redis.call('HDEL', KEYS[1], 'position', 'metadata')
    redis.call('HSET', KEYS[1], 'whole', found[5])
  end
end
return { found[1], found[2], found[3], found[4] }
