-- Removes an entry that expired before a time. Returns the expiry of an entry that did not.
-- KEYS: entry, for a session also the list of the subject. ARGV: time, for a session also its name.
local expires_at = redis.call('HGET', KEYS[1], 'expires_at')
if expires_at and tonumber(expires_at) >= tonumber(ARGV[1]) then
  return expires_at
end
redis.call('DEL', KEYS[1])
if KEYS[2] then
  redis.call('ZREM', KEYS[2], ARGV[2])
end
return false
