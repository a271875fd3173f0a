-- Stores a key ring if the stored version is the expected one.
-- KEYS: ring. ARGV: the expected version, or nothing if none is stored; the new version; the sealed keys.
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'sealed', ARGV[3])
return 1
