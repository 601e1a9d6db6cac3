-- Makes the requests of many accounts that trade several symbols each; bench/risk/requests.ts writes
-- what it is called with. The number says whose turn it is and what that account does in this pass.
return function(market)
  local heads, count = {}, 0
  for token in io.lines(market.tokens) do
    count = count + 1
    heads[count] = market.head .. token .. "\r\n"
  end
  local orders, choices, turns, first = market.orders, market.choices, market.turns, market.first
  return function(number)
    local place = number + first
    local account = place % count
    local pass = (place - account) / count
    local choice = choices[account % #choices + 1][(account + pass) % turns + 1]
    local order = orders[2 * choice + pass % 2 + 1]
    return heads[account + 1] .. order[1] .. number .. order[2]
  end
end
