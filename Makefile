# `make help` lists what there is. Everything runs in .venv, which `make venv` keeps up to date.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python on PATH that is new enough; a version manager's empty shim does not count.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 4
PIP_OPTIONS := -qq --disable-pip-version-check --no-input
CODE := $(wildcard procrastinate_app web ops tests)
LOCK := CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(if $(UPGRADE),--upgrade)

# Names that libraries call or read, for the search for dead code: falcon, http.server, gunicorn and its settings,
# procrastinate, requests and urllib3, logging, pytest, selenium, jinja2, cron_descriptor; what is read by
# getattr; and the arguments of __exit__.
CALLED_BY_OTHERS := on_* do_* process_* strip_url_path_trailing_slash log_message protocol_version \
	disable_nagle_algorithm daemon_threads close_connection request_queue_size load_config handle_* worker_* keepalive max_requests* asgi_* \
	limit_request_* forwarded_allow_ips control_socket_disable accesslog errorlog loglevel logger_class pre_fork ValueClass \
	child_exit post_worker_init _keepalive_handle _callback_parser fetch_job _get_standalone_connection get_retry_decision \
	trust_env ConnectionCls response_class pool_classes_by_scheme handlers pytest_* trace traceback \
	pytestmark filter_case GunicornLogger http_parser _is_websocket_upgrade filters read_only binary_location \
	use_24hour_time_format times_sent collect describe teardown longrepr
# Hashes of packages, and an example of a request id.
NO_SECRETS := requirements.*\.txt$$|openapi\.json$$
space := $(subst ,, )
comma := ,

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(STAMP) ## make or update .venv from the pinned requirements

$(STAMP): requirements.txt ops/requirements-dev.txt setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (apt-get install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments (apt-get install python3-venv)" >&2; exit 1; }
	@echo "installing the pinned requirements into $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --require-hashes -r ops/requirements-dev.txt
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: venv ## run the whole system once on this machine and judge the result; PROFILE=fashion, CATALOGUE=file.json
	@$(BIN)/python -m ops.local demo $(if $(PROFILE),--profile '$(PROFILE)') $(if $(CATALOGUE),--catalogue '$(CATALOGUE)') $(ARGS)

.PHONY: up
up: venv ## keep the whole system running until Ctrl-C; its state survives in .local; PROFILE=fashion, WITH=prometheus
	@$(BIN)/python -m ops.local up $(if $(PROFILE),--profile '$(PROFILE)') $(if $(CATALOGUE),--catalogue '$(CATALOGUE)') $(if $(WITH),--with '$(WITH)') $(ARGS)

.PHONY: test
test: venv ## run all tests; most of them wait for a rate limit, so several run at once, then those that measure
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m 'not timing and not drill and not soak' $(ARGS)
	@$(BIN)/python -m pytest -m 'timing and not drill' $(ARGS)

.PHONY: drills
drills: JOBS := 3
drills: venv ## play every fault that this machine can stage and print what came of each; tests/faults/README.md lists them
	@$(BIN)/python -m pytest tests/faults -n $(JOBS) --dist load -m 'not soak' $(ARGS)

.PHONY: worker-soak
worker-soak: venv ## PRODUCTS=100000 through one worker; its memory has to stay flat
	@PRODUCTS=$(or $(PRODUCTS),100000) $(BIN)/python -m pytest tests/faults/test_memory.py -m soak $(ARGS)

.PHONY: test-unit
test-unit: venv ## run the tests that need neither database nor network
	@$(BIN)/python -m pytest tests/unit -n 2 --dist worksteal $(ARGS)

.PHONY: storm
storm: venv ## random faults against everything at once, then a verdict: SECONDS=600 SEED=1 PROFILE=recognition
	@$(BIN)/python -m tests.faults.storm --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1) \
		--profile $(or $(PROFILE),recognition) $(ARGS)

.PHONY: gateway-soak
gateway-soak: venv ## 100,000 requests through the gateway; its memory has to stay flat
	@$(BIN)/python -m tests.integration.gateway.soak

.PHONY: bench
bench: venv ## measure speed beside the old design; ARGS=gateway, sync or growth runs one part
	@$(BIN)/python -m ops.bench $(ARGS)

.PHONY: check
check: venv ## style, types, layers, dead and duplicate code, secrets, advisories
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_layers.py
	$(BIN)/vulture $(CODE) --min-confidence 60 --exclude 'ops/bench/peers/*/*' --ignore-decorators '@pytest.fixture,@rule,@invariant,@precondition,@initialize' \
		--ignore-names '$(subst $(space),$(comma),$(CALLED_BY_OTHERS))'
	$(BIN)/jscpd --mode weak --min-tokens 80 --format python --exit-code 1 --no-tips --reporters console $(CODE)
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --exclude-files '$(NO_SECRETS)'
	$(BIN)/python -m ops.audit requirements.txt

.PHONY: format
format: venv ## put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: venv ## pin the requirements of setup.cfg anew; UPGRADE=1 takes the newest versions
	$(LOCK) --extra redis --output-file requirements.txt setup.cfg
	$(LOCK) --extra dev --constraint requirements.txt --output-file ops/requirements-dev.txt setup.cfg
	$(LOCK) --output-file tests/emulator/vendor/requirements.txt tests/emulator/vendor/requirements.in

.PHONY: clean
clean: ## stop the local system and delete its state and all caches
	@if test -x $(BIN)/python && test -d .local; then $(BIN)/python -m ops.local clean; fi
	@rm -rf .local .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## clean, and delete .venv
	@rm -rf $(VENV)
