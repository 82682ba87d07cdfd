-- Lists a kind together with the header, as one atomic picture.
-- Input:  KEYS[1] header, KEYS[2] hash of the kind; ARGV[1] what a field must begin with, may be empty
-- Output: incarnation, epoch, position, metadata, then field, value, field, value ... in no order. Position is nil when
--         the state is not whole (apply.lua)
local found = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'position', 'metadata', 'begun', 'whole')
local answer = { found[1], found[2], found[5] == found[6] and found[3], found[4] }
local entries = redis.call('HGETALL', KEYS[2])
local length = #ARGV[1]
local size = 4
for index = 1, #entries, 2 do
  if length == 0 or string.sub(entries[index], 1, length) == ARGV[1] then
    answer[size + 1] = entries[index]
    answer[size + 2] = entries[index + 1]
    size = size + 2
  end
end
return answer
