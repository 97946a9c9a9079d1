#!/usr/bin/env bash
# Writes every lock file from its .in file (`make lock`).
#
#   make lock              keeps the locked versions where the .in files still allow them
#   make lock UPGRADE=1    takes the newest versions that the .in files allow
#
# A lock holds versions and hashes only: no index, no download address, no path of the machine that
# wrote it, so that any mirror of the package index serves it. The services' locks are resolved
# under the development lock, so an image never holds a version that the tests did not see.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --require-hashes -r requirements/lock-tool.lock

compile() {
    local source=$1 lock=$2
    shift 2
    "$scratch/venv/bin/uv" --quiet pip compile --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make lock" ${UPGRADE:+--upgrade} "$@" \
        "$source" --output-file "$lock"
    echo "wrote $lock"
}

compile requirements/lock-tool.in requirements/lock-tool.lock
compile requirements/dev.in requirements/dev.lock
compile requirements/test.in requirements/test.lock --constraint requirements/dev.lock
compile requirements/build.in requirements/build.lock --constraint requirements/dev.lock
compile requirements/bench.in requirements/bench.lock
compile requirements/load.in requirements/load.lock
compile requirements/release.in requirements/release.lock
for service in migrator api backup-worker mailer; do
    compile "requirements/$service.in" "services/$service/requirements.lock" \
        --constraint requirements/dev.lock
done
