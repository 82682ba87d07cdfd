-- Tries every command that the other scripts use, so that a user who lacks one is told when it begins, and not by half a
-- delta: Redis takes nothing back. Most calls are made so that they fail behind the check of rights; what is written by
-- the two that cannot is removed at once.
-- Input:  KEYS[1] a key that nothing else uses
-- Output: names of the commands that this user may not run, and 'keys' when it may not use this key
local key = KEYS[1]
local lacks = {}
local function try(command, ...)
  local answer = redis.pcall(command, ...)
  local said = type(answer) == 'table' and answer.err
  if not said or not string.find(said, 'user executing the script') then return true end
  lacks[#lacks + 1] = string.find(said, 'keys mentioned') and 'keys' or string.lower(command)
  return false
end
try('EXISTS', key)
try('HGET', key, 'f')
try('HGETALL', key)
try('HINCRBY', key, 'f', 'not a number')
try('HKEYS', key)
try('HLEN', key)
try('HMGET', key, 'f')
try('HSCAN', key, '0')
try('HSET', key, 'f', 'v', 'f')
try('SCARD', key)
try('SISMEMBER', key, 'm')
try('SMEMBERS', key)
try('TYPE', key)
try('UNLINK', key)
if try('HDEL', key, 'f') and try('HSETNX', key, 'f', 'v') then redis.pcall('HDEL', key, 'f') end
if try('SREM', key, 'm') and try('SADD', key, 'm') then redis.pcall('SREM', key, 'm') end
return lacks
