-- Numbers one order; a retry gets what the first one got. Scripts are atomic in Redis: nothing comes in between.
-- KEYS[1]: the key of the request. ARGV[1] % ARGV[2]: its store.
-- Returns "<order_id> <store_id> <order_number>".
local stored = redis.call('GET', KEYS[1])
if stored then
  return stored
end
local store = ARGV[1] % ARGV[2]
local order_id = redis.call('INCR', 'order_id')
local order_number = redis.call('INCR', 'store:' .. store)
local row = order_id .. ' ' .. store .. ' ' .. order_number
redis.call('SET', KEYS[1], row, 'NX')
return row
