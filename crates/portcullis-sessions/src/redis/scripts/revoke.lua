-- Remembers a revoked access token until the later of two expiries. Returns whether this one counts.
-- KEYS: token. ARGV: lifetime, expiry.
local stored = redis.call('HGET', KEYS[1], 'expires_at')
if stored and tonumber(stored) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'expires_at', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
