-- Removes a name if it still leads to the same session.
-- KEYS: name. ARGV: where it leads.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
