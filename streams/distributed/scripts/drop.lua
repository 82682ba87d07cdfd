-- Forgets a task's state whole. The epoch stays, so that it never falls; the incarnation is a new one, so that the
-- owner's next apply answers 'moved'. It counts itself as a delta does (apply.lua).
-- Input:  KEYS[1] header, KEYS[2] set of the kinds, KEYS[3..] their hashes; ARGV[1] id of the new incarnation,
--         ARGV[2..] names of the kinds as the caller has read them
-- Output: 1, or 0 when other kinds have come meanwhile: read them again
if redis.call('SCARD', KEYS[2]) ~= #ARGV - 1 then return 0 end
for index = 2, #ARGV do
  if redis.call('SISMEMBER', KEYS[2], ARGV[index]) == 0 then return 0 end
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
local begun = redis.call('HINCRBY', KEYS[1], 'begun', 1)
redis.call('HSET', KEYS[1], 'incarnation', ARGV[1])
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field ~= 'incarnation' and field ~= 'epoch' and field ~= 'begun' then redis.call('HDEL', KEYS[1], field) end
end
-- The set goes last: a drop that came back in parts can be done again.
for index = #KEYS, 2, -1 do
  redis.call('UNLINK', KEYS[index])
end
redis.call('HSET', KEYS[1], 'whole', begun)
return 1
