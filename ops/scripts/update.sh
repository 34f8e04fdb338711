#!/usr/bin/env bash
# Brings this host to the newest version: fetch, install, migrate, restart, wait until all is well.
set -Eeuo pipefail

usage() {
    cat <<'END'
usage: ops/scripts/update.sh [--to REVISION]

  --to REVISION   a tag or a commit, instead of the newest of this branch; also the way back
                  (forward again: git checkout main, then without --to)
  --help          this

The programs go on while the new version is installed; each is then stopped in order (a worker ends its products
first) and started again. The schema is migrated before: the old release's workers go on with the new schema.

exit codes: 0 all is well; 1 a program did not come back, see ops/scripts/logs.sh; 2 wrong usage
END
}

wrong_usage() {
    usage >&2
    exit 2
}

has_database() {
    grep -qs '^STAGING_DB_URL=postgres' .env
}

fetch() {
    if [[ -n "$1" ]]; then
        git fetch --tags --quiet
        git checkout --quiet --detach "$1"
    else
        git pull --ff-only --quiet
    fi
    git log -1 --format='version: %h %s'
}

update_containers() {
    docker compose build
    if has_database; then
        docker compose run --rm --no-deps worker python -m procrastinate_app migrate
    fi
    # Waits until the health checks pass.
    docker compose up --detach --remove-orphans --wait --wait-timeout 180
}

update_units() {
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r ops/compose/requirements-build.txt
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --editable .
    if has_database; then
        .venv/bin/python -m procrastinate_app migrate
    fi
    local units
    mapfile -t units < <(systemctl list-units --type=service --plain --no-legend 'ximilar-*' | awk '{ print $1 }')
    if ((${#units[@]} == 0)); then
        echo "no program of this project runs here"
        return
    fi
    cp -r ops/systemd/. /etc/systemd/system/
    systemctl daemon-reload
    systemctl restart "${units[@]}"
    systemctl is-active "${units[@]}"
}

# In a function, because the script may replace itself while it runs.
main() {
    local revision=
    while (($#)); do
        case "$1" in
            --to)
                (($# > 1)) || wrong_usage
                revision=$2
                shift
                ;;
            --help | -h)
                usage
                exit 0
                ;;
            *) wrong_usage ;;
        esac
        shift
    done
    cd "$(dirname "${BASH_SOURCE[0]}")/../.."
    # shellcheck source=/dev/null
    source ops/scripts/host.sh
    trap 'echo "the update did not end well; ops/scripts/logs.sh may say why" >&2; exit 1' ERR
    fetch "$revision"
    if in_docker; then
        update_containers
    else
        update_units
    fi
    echo "updated"
    exit
}

main "$@"
