-- Makes the requests of order entry: each one is the next account's, and all its orders have the
-- request's number in their ids. bench/order-entry/requests.ts writes what it is called with and
-- says which variant is whose turn. Gives also how many orders a request has.
return function(entry)
  local heads, count = {}, 0
  for token in io.lines(entry.tokens) do
    count = count + 1
    heads[count] = entry.head .. token .. "\r\n"
  end
  local variants, choices, passes = entry.variants, entry.choices, entry.passes
  local first = entry.first
  return function(number)
    local place = number + first
    local account = place % count
    local pass = (place - account) / count % passes
    local pieces = variants[account % choices * passes + pass + 1]
    return heads[account + 1] .. table.concat(pieces, number)
  end, entry.batch
end
