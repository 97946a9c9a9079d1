#!/bin/sh
# First stage of every service's image: fills /opt/venv (or $VENV).
#
#   install.sh backend               the build tools for our own packages
#   install.sh locked services/api   the packages in its lock file
#   install.sh own services/api      core and the service
#
# The environment does not contain pip. Every package is installed from a wheel whose hash is in a
# lock file; nothing is compiled, so no compiler is needed.
set -eu
what=$1 service=${2:-} venv=${VENV:-/opt/venv}
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
into_venv() { python3 -m pip --python "$venv/bin/python" install --quiet "$@"; }
build=/tmp/build/bin/python

case $what in
backend)
    python3 -m venv /tmp/build
    $build -m pip install --quiet --require-hashes --only-binary :all: -r requirements/build.lock
    ;;
locked)
    python3 -m venv --without-pip "$venv"
    into_venv --require-hashes --only-binary :all: -r "$service/requirements.lock"
    ;;
own)
    $build -m pip wheel --quiet --no-deps --no-build-isolation --no-index \
        --wheel-dir /tmp/wheels ./packages/core "./$service"
    into_venv --no-deps --no-index /tmp/wheels/*.whl
    ;;
*)
    echo "install.sh: usage: install.sh backend | locked SERVICE | own SERVICE (not: $what)" >&2
    exit 2
    ;;
esac
