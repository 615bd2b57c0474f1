"""What Redis does in one step, in Lua. Numbers that are times stay text until they are compared: Redis turns
Lua's numbers to integers. Amounts are whole and below 2^53, which Lua's numbers hold exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NAME: Final = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
local born = redis.call('GET', KEYS[1])
"""

PING: Final = f"""
{_NAME}
return born
"""

RESERVE: Final = f"""
{_NAME}
local held, id, claims = KEYS[2], ARGV[2], tonumber(ARGV[3])
local at, till = ARGV[4], ARGV[5]
if redis.call('EXISTS', held) == 1 then return {{born, 0}} end
for i = 1, claims do
  local used = tonumber(redis.call('GET', KEYS[2 + i]) or '0')
  if used + tonumber(ARGV[3 + 3 * i]) > tonumber(ARGV[4 + 3 * i]) then return {{born, i}} end
end
local seats, more = #KEYS - 2 - claims, 5 + 3 * claims
for i = 1, seats do
  local key = KEYS[2 + claims + i]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', at)
  if redis.call('ZCARD', key) + 1 > tonumber(ARGV[more + 2 * i - 1]) then return {{born, claims + i}} end
end
for i = 1, claims do
  redis.call('INCRBY', KEYS[2 + i], ARGV[3 + 3 * i])
  redis.call('EXPIRE', KEYS[2 + i], ARGV[5 + 3 * i])
end
for i = 1, seats do
  redis.call('ZADD', KEYS[2 + claims + i], till, id)
  redis.call('EXPIRE', KEYS[2 + claims + i], ARGV[more + 2 * i])
end
redis.call('SET', held, '1', 'EX', 86400)
return {{born, 0}}
"""

SETTLE: Final = f"""
{_NAME}
local held, id, claims, where = KEYS[2], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local anew = 0
if redis.call('DEL', held) == 0 then
  if where == '' or where == born then return {{born, 0}} end
  anew = 1  -- it was held in a data set that is lost: the whole of it is counted in this one, once
  if not redis.call('SET', held .. ':anew', '1', 'NX', 'EX', 86400) then return {{born, 0}} end
end
for i = 1, claims do
  local change = tonumber(ARGV[2 + 3 * i]) + anew * tonumber(ARGV[3 + 3 * i])
  if change ~= 0 then
    redis.call('INCRBY', KEYS[2 + i], string.format('%.0f', change))
    redis.call('EXPIRE', KEYS[2 + i], ARGV[4 + 3 * i])
  end
end
for i = 3 + claims, #KEYS do redis.call('ZREM', KEYS[i], id) end
return {{born, 1}}
"""

EXTEND: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[1], 86400)
for i = 2, #KEYS do
  redis.call('ZADD', KEYS[i], 'XX', ARGV[2], ARGV[1])
  redis.call('EXPIRE', KEYS[i], ARGV[3])
end
return 1
"""

PUT_MARKS: Final = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
if #ARGV > 2 then
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[2])
  for i = 3, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
end
return 1
"""

FOLD: Final = """
local last = redis.call('GET', KEYS[1])
if last and tonumber(ARGV[1]) <= tonumber(last) then
  redis.call('DEL', KEYS[3])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('RENAME', KEYS[3], KEYS[2])
redis.call('PERSIST', KEYS[2])
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
for _, window in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', ARGV[1])) do
  redis.call('DEL', ARGV[2] .. window)
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[1])
return 1
"""

ALL: Final[Mapping[str, str]] = {
    "ping": PING,
    "reserve": RESERVE,
    "settle": SETTLE,
    "extend": EXTEND,
    "put_marks": PUT_MARKS,
    "fold": FOLD,
}
