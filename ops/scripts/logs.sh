#!/usr/bin/env bash
# Shows what this host's programs log, newest last.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=/dev/null
source ops/scripts/host.sh

usage() {
    cat <<'END'
usage: ops/scripts/logs.sh [--follow] [--since TIME] [worker|exporter|gateway|console]...

  --follow       go on until Ctrl-C
  --since TIME   "2026-01-31 10:00" or "2 hours ago" with systemd; "2h" or "2026-01-31T10:00:00" with Docker
  --help         this

Without a program: all of this host. Each line of a program is JSON; for people: ... | jq -R 'fromjson? // .'
END
}

wrong_usage() {
    usage >&2
    exit 2
}

options=()
programs=()
while (($#)); do
    case "$1" in
        --follow | -f) options+=(--follow) ;;
        --since)
            (($# > 1)) || wrong_usage
            options+=(--since "$2")
            shift
            ;;
        --help | -h)
            usage
            exit 0
            ;;
        worker | exporter | gateway | console) programs+=("$1") ;;
        *) wrong_usage ;;
    esac
    shift
done

if in_docker; then
    exec docker compose logs --no-log-prefix "${options[@]}" "${programs[@]}"
fi
((${#programs[@]})) || programs=('*')
exec journalctl --output cat --no-pager "${options[@]}" "${programs[@]/#/--unit=ximilar-}"
