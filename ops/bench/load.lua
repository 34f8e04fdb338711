-- wrk's requests, each with its own question unless they are to repeat, and what it counted as one line of JSON.
--
--     wrk -t1 ... -s load.lua URL -- SIDE QUESTIONS CONNECTIONS [TOKEN]
--
-- SIDE is `gateway` or `upstream` (which takes Ximilar's paths); QUESTIONS 0: no two alike, else so many in turn.
-- A connection asks again at once, so request number n * CONNECTIONS is asked when (n - 1) * CONNECTIONS have been
-- answered: the rate is taken between such moments, or a slow upstream would lose what was cut off at the end.

local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int clock, moment *at);")

local monotonic, moment = 1, ffi.new("moment")
local photos = "https://cdn.example.com/catalogue/2026/photos/"
local json = '"%s%09d.jpg"'
local calls = {
    gateway = {
        {"/detect", '{"url":' .. json .. "}"},
        {"/tag", '{"url":' .. json .. "}"},
        {"/search", '{"crop_url":' .. json .. ',"category":"Jacket","top_k":10}'},
    },
    upstream = {
        {"/recognition/v2/detect", '{"records":[{"_url":' .. json .. "}]}"},
        {"/recognition/v2/classify", '{"records":[{"_url":' .. json .. "}]}"},
        {"/recognition/v2/visualSearch", '{"records":[{"_url":' .. json .. '}],"collection_id":"c","k":10}'},
    },
}
local threads = {}

local function now()
    ffi.C.clock_gettime(monotonic, moment)
    return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    side, questions, connections = calls[arguments[1]], tonumber(arguments[2]), tonumber(arguments[3])
    headers = {["Content-Type"] = "application/json"}
    if arguments[4] then headers["Authorization"] = "Bearer " .. arguments[4] end
    offset = os.time() % 1000 * 1000000 -- a run that begins a second later asks something else
    asked, began, reached, last = 0, 0, 0, 0
end

function request()
    asked = asked + 1
    if asked % connections == 0 then
        last, reached = now(), asked
        if began == 0 then began = last end
    end
    local number = questions > 0 and asked % questions or offset + asked
    local call = side[asked % 3 + 1]
    return wrk.format("POST", call[1], headers, call[2]:format(photos, number))
end

function done(summary, latency, _)
    local thread, errors = threads[1], summary.errors
    local answered, seconds = thread:get("reached") - thread:get("connections"), thread:get("last") - thread:get("began")
    if seconds == 0 then -- too slow to be asked twice over every connection
        answered, seconds = summary.requests, summary.duration / 1e6
    end
    io.write(("\n{\"rate\":%f,\"requests\":%d,\"failed\":%d,\"p50\":%f,\"p99\":%f}\n"):format(
        answered / seconds,
        summary.requests,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50) / 1e6,
        latency:percentile(99) / 1e6
    ))
end
