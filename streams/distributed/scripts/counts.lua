-- Compares the number of entries of each kind with what the header says.
-- Input:  KEYS[1] header, KEYS[2..] the hash of each kind; ARGV names of the kinds as the caller has read them
-- Output: what differs, one text per kind; 0 when the header has other kinds now: read them again
local kinds = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 2) == 'n:' then kinds = kinds + 1 end
end
if kinds ~= #ARGV then return 0 end
local differ = {}
for index = 1, #ARGV do
  local said = redis.call('HGET', KEYS[1], 'n:' .. ARGV[index])
  if not said then return 0 end
  local found = redis.call('HLEN', KEYS[index + 1])
  if found ~= tonumber(said) then differ[#differ + 1] = ARGV[index] .. ': ' .. found .. ' of ' .. said end
end
return differ
