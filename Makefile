# `make` alone prints what there is. CI runs the same targets as a person (.ci/run calls `make ci`).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Each target is one command that does its own set-up: nothing to gain from running two at once.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
export VENV
PYTHON_IN_VENV := $(VENV)/bin/python
LOCAL := PYTHONPATH=deploy/local $(PYTHON_IN_VENV) -m sysndd_local
SET_UP := { [ -x $(PYTHON_IN_VENV) ] || { echo "Nothing is set up here yet; start with: make up"; exit 1; }; }
BOOTSTRAP := bash deploy/local/bootstrap.sh

# A running `make up` is looked at where it is; without one, a project of containers is started.
RUNNING = $(wildcard $(or $(RUN_DIR),.run)/system.json)
PREFLIGHT_OF = $(if $(RUNNING),--system $(RUNNING))

TESTS ?= tests/unit tests/integration tests/contract tests/e2e
# Most tests wait for a server most of the time; each worker starts servers of its own.
TEST_WORKERS ?= 5
PYTEST := $(PYTHON_IN_VENV) -m pytest -n $(TEST_WORKERS) --dist worksteal
# The folders that hold our code, each checked by ruff and mypy.
SOURCES := packages services deploy db docs tests $(wildcard bench)
MYPY_PACKAGES := packages/core/sysndd_core services/migrator/sysndd_migrator \
	services/api/sysndd_api services/backup-worker/sysndd_backup services/mailer/sysndd_mailer \
	deploy/local/sysndd_local deploy/preflight/sysndd_preflight db docs tests $(wildcard bench)

##@ Run the system
.PHONY: up
up: ## Install what is missing and start everything (HTTP_PORT=8080, RUN_DIR=.run)
	@$(BOOTSTRAP) up
	@$(LOCAL) up

.PHONY: status
status: ## Show every process; exit 0 only if all run and the site is ready
	@$(SET_UP) && $(LOCAL) status

.PHONY: logs
logs: ## Show the last log lines (SERVICE=api, LINES=50, FOLLOW=1)
	@$(SET_UP) && $(LOCAL) logs

.PHONY: seed
seed: ## Load the example data set into the running system
	@$(SET_UP) && $(LOCAL) seed

.PHONY: admin
admin: ## Run sysndd-admin on the running system (ARGS="backup", ARGS="test-mail --to me@x.org")
	@$(SET_UP) && $(LOCAL) admin -- $(ARGS)

.PHONY: preflight
preflight: ## Check whether the deployment is ready to go live (ARGS="--strict")
	@$(BOOTSTRAP) $(if $(RUNNING),up,tools)
	@$(VENV)/bin/sysndd-preflight $(PREFLIGHT_OF) $(ARGS)

.PHONY: down
down: ## Stop everything; keep data, passwords and logs
	@$(SET_UP) && $(LOCAL) down

.PHONY: reset
reset: ## Stop everything and delete its data (CONFIRM=yes skips the prompt)
	@$(SET_UP) && $(LOCAL) reset

##@ Run it in containers
.PHONY: secrets
secrets: ## Generate missing secrets of a deployment (NEW="token_key …" replaces)
	@sh deploy/secrets.sh $(NEW)

##@ Develop
.PHONY: test
test: ## Run all tests against real servers (TESTS=tests/unit, TEST_WORKERS=1, ARGS='-k name')
	@$(BOOTSTRAP) test
	@$(PYTEST) $(TESTS) $(ARGS)

.PHONY: check
check: ## Check format, lint, types and the contract tests; changes nothing
	@$(BOOTSTRAP) python
	@$(PYTHON_IN_VENV) -m ruff format --check $(SOURCES)
	@$(PYTHON_IN_VENV) -m ruff check $(SOURCES)
	@$(PYTHON_IN_VENV) -m mypy $(MYPY_PACKAGES)
	@$(PYTHON_IN_VENV) -m pytest -q tests/contract

.PHONY: format
format: ## Format the code and apply the linter's fixes
	@$(BOOTSTRAP) python
	@$(PYTHON_IN_VENV) -m ruff check --fix $(SOURCES)
	@$(PYTHON_IN_VENV) -m ruff format $(SOURCES)

# A run folder and ports of its own, so that it may run beside a running `make up`.
WALK := RUN_DIR=.run-walk HTTP_PORT=0 MAIL_HTTP_PORT=0
.PHONY: walk
walk: ## End-to-end smoke test of `make up` (in .run-walk)
	@$(BOOTSTRAP) test
	@$(WALK) CONFIRM=yes $(MAKE) reset 2>/dev/null || true
	@$(WALK) $(MAKE) up
	@$(WALK) $(MAKE) status
	@$(WALK) $(MAKE) seed
	@SYSTEM_JSON=.run-walk/system.json $(PYTHON_IN_VENV) -m pytest -q tests/e2e/test_main_path.py \
		|| { $(WALK) $(MAKE) logs; $(WALK) $(MAKE) down; exit 1; }
	@$(WALK) $(MAKE) admin ARGS="test-mail --to operator@example.org"
	@$(WALK) $(MAKE) preflight || { $(WALK) $(MAKE) down; exit 1; }
	@$(WALK) $(MAKE) down
	@$(WALK) CONFIRM=yes $(MAKE) reset

.PHONY: lane
lane: ## Run one of the long lanes (LANE=servers, ARGS='-k name'); without LANE, list them
	@$(BOOTSTRAP) test
	@$(PYTHON_IN_VENV) -m tests.lanes $(LANE) $(ARGS)

.PHONY: ci
ci: ## Run what CI runs: check, test, and several lanes
	@$(MAKE) check
	@$(BOOTSTRAP) test
	@$(PYTHON_IN_VENV) -m tests.lanes ci

.PHONY: bench
bench: ## Compare with other tools (WHAT=mail|migrations|backup|restore|pages, ARGS="--rounds 3")
	@$(BOOTSTRAP) test
	@bash bench/run.sh "$(WHAT)" $(ARGS)

# locust patches Python's sockets: an environment and a process of its own.
LOAD_VENV := .venv-load
LOAD := PYTHONPATH=packages/core:deploy/local:. $(PYTHON_IN_VENV) -m tests.load --locust $(LOAD_VENV)/bin/locust
LOAD_SET_UP := { $(BOOTSTRAP) test && { [ -x $(LOAD_VENV)/bin/locust ] || { $(PYTHON_IN_VENV) -m venv $(LOAD_VENV) \
	&& $(LOAD_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements/load.lock; }; }; }
.PHONY: load
load: ## Send a realistic load to a separate system and report (USERS=50 SECONDS=20)
	@$(LOAD_SET_UP)
	@$(LOAD) --users $(or $(USERS),50) --seconds $(or $(SECONDS),20) $(ARGS)

.PHONY: load-pool
load-pool: ## Measure pool sizes, recommend one, and print the connection budget (USERS=200 SECONDS=10)
	@$(LOAD_SET_UP)
	@$(LOAD) --pool --users $(or $(USERS),200) --seconds $(or $(SECONDS),10) $(ARGS)

.PHONY: docs
docs: ## Generate tables in docs/, and .env.example
	@$(BOOTSTRAP) python
	@$(PYTHON_IN_VENV) docs/generate.py

.PHONY: pictures
pictures: ## Take the pictures of docs/pictures anew, of a separate system
	@$(BOOTSTRAP) test
	@PYTHONPATH=deploy/local:. $(PYTHON_IN_VENV) -m tests.pictures

.PHONY: lock
lock: ## Generate the lock files from requirements/*.in (UPGRADE=1 for newer versions)
	@bash requirements/compile.sh

# The tool that writes the SBOMs has an environment of its own.
RELEASE_VENV := .venv-release
.PHONY: release
release: ## Make this tree a release: version, changelog, locks, SBOM, commit, tag (VERSION=0.9.0)
	@$(BOOTSTRAP) test
	@[ -x $(RELEASE_VENV)/bin/cyclonedx-py ] || { $(PYTHON_IN_VENV) -m venv $(RELEASE_VENV) \
		&& $(RELEASE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
			--require-hashes -r requirements/release.lock; }
	@$(PYTHON_IN_VENV) deploy/release/release.py "$(VERSION)" \
		--sbom-tool $(abspath $(RELEASE_VENV))/bin/cyclonedx-py

.PHONY: clean
clean: ## Delete caches and the virtual environment; keep the run folder
	@[ ! -f $(VENV)/.sysndd-folder ] || rm -rf $(VENV)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find packages services deploy tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
