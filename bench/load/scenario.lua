-- The scenario's orders for wrk. Arguments: a Lua file of bench/versus/requests.ts, and "check" to
-- look at every answer's status, which costs the generator time. `pick` is that of scenario-pick.ts.
local scenario, heads, number

local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  scenario = dofile(args[1])
  heads = {}
  for token in io.lines(scenario.tokens) do
    heads[#heads + 1] = scenario.head .. token .. "\r\n"
  end
  number = scenario.number
  wrong, wrongStatus = 0, 0
  if args[2] == "check" then
    response = function(status)
      if status ~= 201 then
        wrong = wrong + 1
        wrongStatus = status
      end
    end
  end
end

local function pick(place)
  local symbols = scenario.symbols
  local account = place % #heads
  local pass = (place - account) / #heads
  local shard = (account + pass) % #symbols
  local symbol = math.floor(account / #symbols) % symbols[shard + 1]
  for before = 1, shard do symbol = symbol + symbols[before] end
  local bracket = (account + pass) % 5 == 0 and 1 or 0
  return account, 4 * symbol + 2 * (pass % 2) + bracket
end

function request()
  number = number + 1
  local account, variant = pick(number + scenario.offset)
  local order = scenario.orders[variant + 1]
  return heads[account + 1] .. order[1] .. number .. order[2]
end

function done(summary, latency)
  local wrong, wrongStatus = 0, 0
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    wrongStatus = math.max(wrongStatus, thread:get("wrongStatus"))
  end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"refused":%d,"lost":%d,"wrongStatus":%d,' ..
    '"p50":%f,"p95":%f,"p99":%f,"max":%f}\n',
    summary.requests, summary.duration, math.max(e.status, wrong),
    e.connect + e.read + e.write + e.timeout, wrongStatus,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000))
end
