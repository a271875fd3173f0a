-- Removes a purpose token. Returns its expiry if there was one.
-- KEYS: token.
local expires_at = redis.call('HGET', KEYS[1], 'expires_at')
redis.call('DEL', KEYS[1])
return expires_at
