#!/usr/bin/env bash
# Is the gateway up, ready, and able to reach Ximilar? Free of charge; changes nothing.
#
#   ops/scripts/health-check.sh [URL]     URL: the gateway, http://127.0.0.1:8001 if left out
#
# Ends with 0: all well. 1: no answer. 2: up, but not ready (a variable is missing, or it is stopping).
# 3: up and ready, but Ximilar cannot be reached.
set -euo pipefail

url="${1:-${GATEWAY_URL:-http://127.0.0.1:${PORT:-8001}}}"

get() { curl --silent --show-error --max-time 5 "$@"; }

if ! get --fail --output /dev/null "$url/livez"; then
    echo "DOWN: no answer at $url" >&2
    exit 1
fi

ready="$(get --write-out '\n%{http_code}' "$url/readyz")"
if [[ "${ready##*$'\n'}" != 200 ]]; then
    echo "NOT READY: ${ready%$'\n'*}" >&2
    exit 2
fi

health="$(get --fail "$url/health")"
if [[ "$health" != *'"ximilar_reachable":true'* ]]; then
    echo "XIMILAR UNREACHABLE: $health" >&2
    exit 3
fi

echo "OK: $health"
