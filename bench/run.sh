#!/usr/bin/env bash
# Runs one comparison (`make bench WHAT=…`); installs the peers that it needs.
#
#   mail         drain the outbox beside a bare aiosmtplib loop
#   migrations   apply 1,000 files beside the plain client, dbmate, yoyo-migrations and Alembic
#   backup       back up beside mariadb-dump piped into zstd and gzip
#   restore      restore beside the plain client and myloader
#   pages        load every page in Chromium, with 1,000 backups and 10,000 jobs
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
# The peers have an environment of their own; no service has any of them.
peers=.venv-bench
export PYTHONPATH=packages/core:services/migrator:services/backup-worker:services/mailer:deploy/local:.
bench() { "$venv/bin/python" -m "$@"; }

what=${1:-}
[ $# -eq 0 ] || shift
case $what in
mail | pages) bench "bench.$what" "$@" ;;
migrations)
    [ -x $peers/bin/dbmate ] || {
        "$venv/bin/python" -m venv $peers
        $peers/bin/python -m pip install --quiet --disable-pip-version-check \
            --require-hashes -r requirements/bench.lock
    }
    bench bench.migrations --peers $peers/bin "$@"
    ;;
backup) bench bench.backup "$@" ;;
restore)
    command -v myloader >/dev/null || apt-get install -y -q mydumper >/dev/null ||
        echo "without myloader: the package mydumper can't be installed"
    bench bench.backup.restoring "$@"
    ;;
*)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
