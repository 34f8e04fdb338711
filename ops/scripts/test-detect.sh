#!/usr/bin/env bash
# Sends one photo to /detect and shows the answer. Costs what one call to Ximilar costs, unless it is cached.
#
#   ops/scripts/test-detect.sh PHOTO_URL [URL]     URL: the gateway, http://127.0.0.1:8001 if left out
#
# GATEWAY_TOKEN, when set, is sent as the bearer token. Ends with 0 when the answer is a 200.
set -euo pipefail

if (($# < 1)); then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
photo="$1"
url="${2:-${GATEWAY_URL:-http://127.0.0.1:${PORT:-8001}}}"

# The token goes by a file descriptor: what stands in arguments, others on the machine can read.
headers() {
    echo "Content-Type: application/json"
    if [[ -n "${GATEWAY_TOKEN:-}" ]]; then echo "Authorization: Bearer $GATEWAY_TOKEN"; fi
}
escaped="${photo//\\/\\\\}"
body="{\"url\":\"${escaped//\"/\\\"}\"}"

answer="$(curl --silent --show-error --max-time 40 --header @<(headers) --data "$body" \
    --write-out '\n%{http_code} after %{time_total} s' "$url/detect")"
echo "$answer"
[[ "${answer##*$'\n'}" == 200\ * ]]
