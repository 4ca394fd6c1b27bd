-- SPDX-License-Identifier: MIT
-- What wrk asks for, and its result as a line of JSON.
--
--     wrk -s wrk.lua ... URL -- [METHOD BODY_BYTES HEADERS PIPELINED]

function init(arguments)
  wrk.method = arguments[1] or "GET"
  local size = tonumber(arguments[2] or "0")
  if size > 0 then
    wrk.body = string.rep("x", size)
    wrk.headers["Content-Type"] = "application/json"
  end
  for number = 0, tonumber(arguments[3] or "0") - 1 do
    wrk.headers["X-Bench-" .. number] = "value number " .. number
  end
  pipelined = tonumber(arguments[4] or "1")
  if pipelined > 1 then
    local all = string.rep(wrk.format(), pipelined)
    request = function() return all end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"operations": %d, "seconds": %.6f, "errors": %d, "p50_us": %.1f, "p99_us": %.1f}\n',
    summary.requests,
    summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50),
    latency:percentile(99)))
end
