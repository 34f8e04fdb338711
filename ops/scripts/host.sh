#!/usr/bin/env bash
# How this host runs the programs. Sourced by the other scripts, from the project's root; does nothing by itself.
set -euo pipefail

# With containers, since compose is told its files by .env; else with systemd, in the virtual environment.
in_docker() {
    grep -qs '^COMPOSE_FILE=' .env
}
