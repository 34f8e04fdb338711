#!/usr/bin/env bash
# Starts a sync now and watches it; in a container where the host runs Docker, else in the virtual environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=/dev/null
source ops/scripts/host.sh

usage() {
    cat <<'END'
usage: ops/scripts/run-sync.sh [--retry] [--dry-run | --no-wait]

  --retry     the products in error for over six hours, instead of the pending ones
  --dry-run   only say how much there is to do, and how long it takes
  --no-wait   start it and come back at once
  --help      this

exit codes: 0 success; 1 ended, but not every product was synced; 2 wrong usage; 69 no database; 78 wrong settings
END
}

wrong_usage() {
    usage >&2
    exit 2
}

ximilar_sync() {
    if in_docker; then
        docker compose exec worker ximilar-sync "$@"
    else
        .venv/bin/ximilar-sync "$@"
    fi
}

command=sync
how=--wait
for argument in "$@"; do
    case "$argument" in
        --retry) command=retry ;;
        --dry-run) how=--dry-run ;;
        --no-wait) how= ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) wrong_usage ;;
    esac
done
ximilar_sync "$command" ${how:+"$how"}
