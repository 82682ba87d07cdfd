-- Applies a delta: compare-and-set on (incarnation, epoch, position). Everything is checked before the first write,
-- for Redis takes nothing back; only HINCRBY, HSET, HDEL, HLEN, UNLINK, SADD, SREM follow, on keys whose types were checked.
-- A delta that was cut off in the append-only file is left out when Redis loads it, and its begin comes back at the next
-- load, as part of the transaction that was written after it (Redis 7.0, 8; docs/decisions/0040). So a delta counts itself
-- twice: `begun` is incremented by its first write, `whole` set by its last. A state where they differ is none.
-- Input:  KEYS[1] header, KEYS[2] set of the kinds, KEYS[3..] the hash of each kind that the delta touches
--         ARGV[1] incarnation, [2] epoch, [3] from, [4] to, [5] metadata, then for each kind: its name,
--         1 to drop it first or 0, number of fields to remove, number of fields to put, the fields, field and value pairs
-- Output: 'applied' | 'repeated' (the state is at `to` already)
--         | 'fenced' or 'moved', then incarnation, epoch, position, metadata as they are
local header = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'position', 'metadata', 'begun', 'whole')
local whole = header[5] == header[6]
local function refuse(result)
  return { result, header[1], header[2], whole and header[3], header[4] }
end
if not header[2] then return refuse('moved') end
if header[2] ~= ARGV[2] then return refuse('fenced') end
if header[1] ~= ARGV[1] or not whole then return refuse('moved') end
if (header[3] or '0') ~= ARGV[3] then
  if header[3] == ARGV[4] then return { 'repeated' } end
  return refuse('moved')
end
for index = 3, #KEYS do
  local kind = redis.call('TYPE', KEYS[index]).ok
  if kind ~= 'hash' and kind ~= 'none' then
    return redis.error_reply('SLUICE key ' .. KEYS[index] .. ' holds a ' .. kind)
  end
end

local begun = redis.call('HINCRBY', KEYS[1], 'begun', 1)

-- Lua unpacks about 8000 values at most; an even number, so that no pair is cut.
local CHUNK = 4000
local at = 6
local function each(command, key, count)
  local last = at + count - 1
  while at <= last do
    local chunk = math.min(last, at + CHUNK - 1)
    redis.call(command, key, unpack(ARGV, at, chunk))
    at = chunk + 1
  end
end
for index = 3, #KEYS do
  local name, drop = ARGV[at], ARGV[at + 1]
  local removes, puts = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  if drop == '1' then redis.call('UNLINK', KEYS[index]) end
  -- Before its entries: what is known of a delta in parts can be dropped whole.
  if puts > 0 then redis.call('SADD', KEYS[2], name) end
  each('HDEL', KEYS[index], removes)
  each('HSET', KEYS[index], 2 * puts)
  -- Counted in the header, so that a takeover sees entries that are gone.
  local entries = redis.call('HLEN', KEYS[index])
  if entries > 0 then
    redis.call('HSET', KEYS[1], 'n:' .. name, entries)
  else
    redis.call('SREM', KEYS[2], name)
    redis.call('HDEL', KEYS[1], 'n:' .. name)
  end
end
redis.call('HSET', KEYS[1], 'position', ARGV[4], 'metadata', ARGV[5], 'whole', begun)
return { 'applied' }
