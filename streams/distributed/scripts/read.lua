-- Reads values together with the header, as one atomic picture.
-- Input:  KEYS[1] header, KEYS[2..] the hash of each kind; ARGV for each kind: number of fields, then the fields
-- Output: incarnation, epoch, position, metadata, then the values in the order of the fields; nil where there is none.
--         Position is nil, too, when the state is not whole (apply.lua)
local found = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'position', 'metadata', 'begun', 'whole')
local answer = { found[1], found[2], found[5] == found[6] and found[3], found[4] }
local size = 4
local at = 1
for kind = 2, #KEYS do
  local last = at + tonumber(ARGV[at])
  at = at + 1
  while at <= last do
    -- Lua unpacks about 8000 values at most.
    local chunk = math.min(last, at + 3999)
    local values = redis.call('HMGET', KEYS[kind], unpack(ARGV, at, chunk))
    for index = 1, #values do
      answer[size + index] = values[index]
    end
    size = size + chunk - at + 1
    at = chunk + 1
  end
end
return answer
