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
TEST_WORKERS ?= 3
PYTEST := $(PYTHON_IN_VENV) -m pytest -n $(TEST_WORKERS) --dist loadfile
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

# What depends on the database server; it is run with each server of tests/servers/recipes.py.
SERVER_TESTS ?= tests/servers $(addprefix tests/integration/,schema migrator core api backup mailer)
.PHONY: test-servers
test-servers: ## Run the database tests on MySQL 9.7 and MariaDB 11.8 (SERVERS=mysql-9.7, ARGS='-k name')
	@$(BOOTSTRAP) test
	@$(PYTHON_IN_VENV) -m tests.servers $(SERVERS) -- $(PYTEST) $(SERVER_TESTS) $(ARGS)

.PHONY: test-containers
test-containers: ## Build the images and test them in a container engine (ARGS='-k rolling')
	@$(BOOTSTRAP) test
	@$(PYTHON_IN_VENV) -m tests.containers $(ARGS)

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

# The tests that read mails, and the walk, once more with the real Mailpit in the built-in catcher's stead.
MAILPIT := mailpit=$$(bash deploy/local/mailpit.sh)
.PHONY: test-mailpit
test-mailpit: ## Run the tests that read emails with Mailpit (builds it once; Go 1.25 or later)
	@$(BOOTSTRAP) test
	@$(MAILPIT) && TEST_MAILPIT=$$mailpit $(PYTHON_IN_VENV) -m pytest -m reads_mail tests/integration $(ARGS)

# What differs most between servers; all of SERVER_TESTS takes a quarter of an hour.
CI_SERVER_TESTS := tests/servers $(addprefix tests/integration/,schema migrator core \
	$(addprefix backup/,test_round_trip.py test_split_load.py test_proof.py test_schema_changes_meanwhile.py))

.PHONY: ci
ci: ## Run what CI runs: check, test, test-servers (migrations and backups), test-mailpit, walk, test-containers
	@$(MAKE) check
	@$(MAKE) test
	@$(MAKE) test-servers SERVER_TESTS="$(CI_SERVER_TESTS)"
	@$(MAKE) test-mailpit
	@$(MAILPIT) && MAILPIT_BIN=$$mailpit $(MAKE) walk
	@$(MAKE) test-containers

.PHONY: chaos-migrations
chaos-migrations: ## Kill migrator and server at seeded times and statements (KILLS=100 SEED=4)
	@$(BOOTSTRAP) test
	@KILLS=$(or $(KILLS),100) SEED=$(or $(SEED),4) $(PYTHON_IN_VENV) -m pytest -q -s \
		tests/integration/migrator/test_seeded_kills.py \
		tests/integration/migrator/test_killed_at_every_statement.py

.PHONY: chaos-mail
chaos-mail: ## Kill the mailer at seeded times while mail server and Redis fail (KILLS=30 SEED=6)
	@$(BOOTSTRAP) test
	@KILLS=$(or $(KILLS),30) SEED=$(or $(SEED),6) $(PYTHON_IN_VENV) -m pytest -q -s \
		tests/integration/mailer/test_mail_chaos.py

.PHONY: bench-mail
bench-mail: ## Compare sending 10,000 emails with a bare aiosmtplib loop (ARGS="--mails 2000")
	@$(BOOTSTRAP) up
	@PYTHONPATH=packages/core:services/migrator:services/mailer:deploy/local:. $(PYTHON_IN_VENV) \
		-m bench.mail $(ARGS)
.PHONY: chaos-backups
chaos-backups: ## Kill worker and server at every step of backup, restore and undo (KILLS=100 SEED=7)
	@$(BOOTSTRAP) test
	@KILLS=$(or $(KILLS),100) SEED=$(or $(SEED),7) $(PYTHON_IN_VENV) -m pytest -q -s -n 0 \
		tests/integration/backup/test_restore_killed.py
.PHONY: chaos-accounts
chaos-accounts: ## Compare timing for known and unknown addresses; kill the API at every step (SAMPLES=500)
	@$(BOOTSTRAP) test
	@SAMPLES=$(or $(SAMPLES),500) KILLS=all $(PYTHON_IN_VENV) -m pytest -q -s -p no:logging \
		tests/chaos tests/integration/api/test_account_kills.py

# The peers have an environment of their own; nothing of theirs reaches a service.
BENCH_VENV := .venv-bench
.PHONY: bench-migrations
bench-migrations: ## Compare applying 1,000 migrations with dbmate, yoyo and Alembic (ARGS="--rounds 1")
	@$(BOOTSTRAP) python
	@[ -x $(BENCH_VENV)/bin/dbmate ] || { $(PYTHON_IN_VENV) -m venv $(BENCH_VENV) \
		&& $(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
			--require-hashes -r requirements/bench.lock; }
	@PYTHONPATH=packages/core:services/migrator:deploy/local:. $(PYTHON_IN_VENV) -m bench.migrations \
		--peers $(BENCH_VENV)/bin $(ARGS)

.PHONY: bench-backup
bench-backup: ## Compare backups with mariadb-dump piped into zstd and gzip (ARGS="--megabytes 1000 --rounds 3")
	@$(BOOTSTRAP) python
	@PYTHONPATH=packages/core:services/migrator:services/backup-worker:deploy/local:. \
		$(PYTHON_IN_VENV) -m bench.backup $(ARGS)
.PHONY: bench-restore
bench-restore: ## Compare restores with zstd -dc | mariadb and with myloader (ARGS="--megabytes 200 --rounds 1")
	@$(BOOTSTRAP) python
	@command -v myloader >/dev/null || apt-get install -y -q mydumper >/dev/null \
		|| echo "without myloader: the package mydumper can't be installed"
	@PYTHONPATH=packages/core:services/migrator:services/backup-worker:deploy/local:. \
		$(PYTHON_IN_VENV) -m bench.backup.restoring $(ARGS)

.PHONY: bench-pages
bench-pages: ## Measure the first load of every page with 1,000 backups and 10,000 jobs (ARGS="--rounds 3")
	@$(BOOTSTRAP) test
	@PYTHONPATH=deploy/local:. $(PYTHON_IN_VENV) -m bench.pages $(ARGS)

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

.PHONY: lock
lock: ## Generate the lock files from requirements/*.in (UPGRADE=1 for newer versions)
	@bash requirements/compile.sh

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
