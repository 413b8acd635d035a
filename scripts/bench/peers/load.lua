-- wrk sends the files named in BODIES (one a line) in turn, and counts an answer only when it is a 200 that holds the pattern EXPECT.
local bodies, expect = {}, os.getenv("EXPECT")
for path in io.lines(os.getenv("BODIES")) do
  local file = io.open(path, "rb")
  bodies[#bodies + 1] = file:read("*a")
  file:close()
end
local next_body, threads = 0, {}
right, wrong = 0, 0 -- global: `done` reads them from each thread

function setup(thread)
  threads[#threads + 1] = thread
end

function request()
  next_body = next_body % #bodies + 1
  return wrk.format("POST", nil, { ["Content-Type"] = "application/octet-stream" }, bodies[next_body])
end

function response(status, headers, body)
  if status == 200 and body:find(expect) then right = right + 1 else wrong = wrong + 1 end
end

function done(summary, latency)
  local all_right, all_wrong = 0, 0
  for _, thread in ipairs(threads) do
    all_right = all_right + thread:get("right")
    all_wrong = all_wrong + thread:get("wrong")
  end
  local e = summary.errors
  all_wrong = all_wrong + e.connect + e.read + e.write + e.timeout
  io.write(string.format("RESULT %d %d %d %d %d\n", all_right, all_wrong, summary.duration, latency:percentile(50), latency:percentile(99)))
end
