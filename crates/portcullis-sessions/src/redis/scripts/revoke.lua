-- Adds an entry of a deny-list, or keeps the later of two expiries and of two times of issue. Returns whether the expiry
-- changed.
-- KEYS: entry. ARGV: lifetime, expiry, time of issue or nothing.
local stored = redis.call('HMGET', KEYS[1], 'expires_at', 'issued_before')
if ARGV[3] ~= '' and (not stored[2] or tonumber(stored[2]) < tonumber(ARGV[3])) then
  redis.call('HSET', KEYS[1], 'issued_before', ARGV[3])
end
if stored[1] and tonumber(stored[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'expires_at', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
