-- Returns the fields and values of sessions of one subject, and drops those that are gone from the list.
-- KEYS: list of the subject, sessions. ARGV: the names of the sessions.
local sessions = {}
for i = 2, #KEYS do
  local session = redis.call('HGETALL', KEYS[i])
  if #session == 0 then
    redis.call('ZREM', KEYS[1], ARGV[i - 1])
  else
    sessions[#sessions + 1] = session
  end
end
return sessions
