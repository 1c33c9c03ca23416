-- All that is stored, as lines: "counter <last>", "store <store_id> <last>" and "order <order_id> <store_id> <order_number>".
local lines = { 'counter ' .. (redis.call('GET', 'order_id') or '0') }
for _, key in ipairs(redis.call('KEYS', 'store:*')) do
  lines[#lines + 1] = 'store ' .. key:sub(7) .. ' ' .. redis.call('GET', key)
end
for _, key in ipairs(redis.call('KEYS', 'request:*')) do
  lines[#lines + 1] = 'order ' .. redis.call('GET', key)
end
return lines
