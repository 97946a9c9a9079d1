#!/usr/bin/env bash
# Runs one benchmark (`make bench WHAT=…`); installs the other tools that it needs.
#
#   mail         send the outbox, compared with a plain aiosmtplib loop
#   migrations   apply 1,000 files, compared with the client, dbmate, yoyo-migrations and Alembic
#   backup       create a backup, compared with mariadb-dump piped into zstd and gzip
#   restore      restore a backup, compared with the client and myloader
#   pages        load every page in Chromium, with 1,000 backups and 10,000 jobs
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
# The other tools have a separate environment, because no service uses them.
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
        echo "skipping myloader, because the package mydumper could not be installed"
    bench bench.backup.restore "$@"
    ;;
*)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
