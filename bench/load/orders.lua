-- Sends numbered requests. Arguments: a Lua file, and "check" to look at every answer's status,
-- which costs the generator time. The file gives a table of templates, taken in turns, or a function
-- that makes the request of a number.
local make, number

local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  local loaded = dofile(args[1])
  if type(loaded) == "function" then
    make = loaded
  else
    local count = #loaded
    make = function(number)
      local template = loaded[number % count + 1]
      return template[1] .. number .. template[2]
    end
  end
  number = 1000000000
  wrong = 0
  if args[2] == "check" then
    response = function(status)
      if status ~= 201 then wrong = wrong + 1 end
    end
  end
end

function request()
  number = number + 1
  return make(number)
end

function done(summary, latency)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong") end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"refused":%d,"lost":%d,"wrong":%d,' ..
    '"p50":%f,"p90":%f,"p99":%f,"p999":%f,"max":%f}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout, wrong,
    latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000,
    latency:percentile(99.9) / 1000, latency.max / 1000))
end
