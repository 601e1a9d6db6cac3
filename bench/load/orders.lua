-- Sends numbered requests. Arguments: a Lua file, and "check" to look at every answer's status and
-- at each order of a batch's answer, which costs the generator time. The file gives a table of
-- templates, taken in turns, or a function that makes the request of a number, and how many orders
-- such a request has.
local make, number

local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  local loaded, batch = dofile(args[1])
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
  wrong, shed = 0, 0
  if args[2] == "check" then
    batch = batch or 1
    response = function(status, _, body)
      if status == 503 then shed = shed + 1 end
      local accepted = status == 201 and 1 or 0
      if batch > 1 and status == 200 then _, accepted = body:gsub('"status":201', "") end
      wrong = wrong + batch - accepted
    end
  end
end

function request()
  number = number + 1
  return make(number)
end

function done(summary, latency)
  local wrong, shed = 0, 0
  for _, thread in ipairs(threads) do
    wrong, shed = wrong + thread:get("wrong"), shed + thread:get("shed")
  end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"refused":%d,"lost":%d,"wrong":%d,"shed":%d,' ..
    '"p50":%f,"p90":%f,"p99":%f,"p999":%f,"max":%f}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout, wrong, shed,
    latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000,
    latency:percentile(99.9) / 1000, latency.max / 1000))
end
