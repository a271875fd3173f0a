-- Ends open sessions of one subject. Returns their number, or -1 if the list is not the one that was read before.
-- KEYS: list of the subject, sessions.
-- ARGV: time, reason, length of the list or nothing, the session that stays or nothing, the names of the sessions.
local at, reason, length, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if length ~= '' then
  if redis.call('ZCARD', KEYS[1]) ~= tonumber(length) then
    return -1
  end
  for i = 5, #ARGV do
    if not redis.call('ZSCORE', KEYS[1], ARGV[i]) then
      return -1
    end
  end
end
local count = 0
for i = 2, #KEYS do
  local name = ARGV[i + 3]
  local stored = redis.call('HMGET', KEYS[i], 'expires_at', 'ended_at')
  if name ~= keep and stored[1] and not stored[2] and tonumber(stored[1]) > tonumber(at) then
    redis.call('HSET', KEYS[i], 'ended_at', at, 'end_reason', reason)
    redis.call('HINCRBY', KEYS[i], 'version', 1)
    redis.call('ZREM', KEYS[1], name)
    count = count + 1
  end
end
return count
