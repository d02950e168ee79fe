-- wrk posts the images named in IMAGES (one path a line), in turn, each thread from another place in the list;
-- as the body, or as the file of a form where IMAGES_FORM names its field.
local bodies, n, offset = {}, 0, 0
local kind, before, after = "image/jpeg", "", ""
local field, boundary = os.getenv("IMAGES_FORM"), "a-photo-ends-here"

if field and field ~= "" then
  kind = "multipart/form-data; boundary=" .. boundary
  before = "--" .. boundary .. '\r\nContent-Disposition: form-data; name="' .. field .. '"; filename="a.jpg"\r\n'
    .. "Content-Type: image/jpeg\r\n\r\n"
  after = "\r\n--" .. boundary .. "--\r\n"
end

for line in io.lines(os.getenv("IMAGES")) do
  local file = assert(io.open(line, "rb"))
  bodies[#bodies + 1] = before .. file:read("*a") .. after
  file:close()
end

local started = 0
function setup(thread)
  thread:set("offset", started * 17)
  started = started + 1
end

function request()
  n = n + 1
  return wrk.format("POST", "/predict", { ["Content-Type"] = kind }, bodies[(n + offset) % #bodies + 1])
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "requests_per_s": %.1f, "p50_ms": %.2f, "p90_ms": %.2f, "p99_ms": %.2f, "max_ms": %.2f, "errors": %d}\n',
    summary.requests, summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
