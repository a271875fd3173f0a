-- Replaces a session if it has the version before, or adds one if there is none. Returns 0 if not, 1, or 2 if the expiry
-- changed.
-- KEYS: list of the subject, session.
-- ARGV: lifetime, expiry, name, whether it is open (1 or 0), version before (empty for a new session),
-- fields and values.
local stored = redis.call('HMGET', KEYS[2], 'version', 'expires_at')
if (stored[1] or '') ~= ARGV[5] then
  return 0
end
redis.call('HDEL', KEYS[2], 'previous', 'rotated_at', 'key_version', 'acr', 'label', 'ended_at', 'end_reason')
redis.call('HSET', KEYS[2], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[2], ARGV[1])
if ARGV[4] == '1' then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
  end
else
  redis.call('ZREM', KEYS[1], ARGV[3])
end
if stored[2] == ARGV[2] then
  return 1
end
return 2
