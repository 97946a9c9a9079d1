#!/usr/bin/env bash
# Makes this machine able to run the system: virtual environment, Python packages, server programs.
#
#   bootstrap.sh python   the Python side only, with the tools of the tests (make check)
#   bootstrap.sh tools    the Python side only, without those (make preflight of containers)
#   bootstrap.sh up       and the servers that `make up` starts itself
#   bootstrap.sh test     and the servers that the tests start themselves
#
# Needs python3 (3.11 or later) and nothing else. Does nothing, quickly, when nothing is missing;
# may run twice at once. Settings: PYTHON=<interpreter>, VENV=<directory, default .venv>.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

purpose=${1:-up}
venv=${VENV:-.venv}
stamp=$venv/.sysndd-installed
# Running the system needs less than testing it: requirements/test.in includes dev.in.
lock=test
case $purpose in up | tools) lock=dev ;; esac
PATH=$PATH:/usr/sbin:/usr/local/sbin:/sbin

say() { printf '%s\n' "setup: $*" >&2; }
die() {
    printf '%s\n' "setup: $1" >&2
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@" >&2
    exit 1
}

main() {
    local missing
    missing=$(missing_packages)
    if [ -z "$missing" ] && is_installed; then
        return
    fi
    # Whoever comes second waits here, then finds everything done. The lock file of the packages
    # is also the lock between processes: it is there on every checkout and nothing is written.
    if command -v flock >/dev/null; then
        exec 9<requirements/dev.lock
        flock 9
    fi
    missing=$(missing_packages)
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086 # one word each package
        install_packages $missing
    fi
    is_installed || install_python_side
}

# --- the Python side -------------------------------------------------------------------------------

# What the environment was made from; console scripts hold absolute paths, hence the folder.
fingerprint() {
    {
        pwd -P
        cat requirements/{dev,test}.lock {packages,services,deploy}/*/pyproject.toml \
            packages/core/sysndd_core/__init__.py 2>/dev/null ||
            true # a checkout without one of the folders
    } | cksum
}

is_installed() {
    [ -x "$venv/bin/python" ] && [ -f "$stamp" ] || return 1
    case "$(cat "$stamp")" in
    "$(fingerprint) test") ;;
    "$(fingerprint) dev") [ $lock = dev ] ;;
    *) return 1 ;;
    esac
}

install_python_side() {
    local python print
    print=$(fingerprint)
    if [ ! -f "$venv/.sysndd-folder" ] || [ "$(cat "$venv/.sysndd-folder")" != "$(pwd -P)" ] ||
        ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        # Whoever keeps an environment of their own under this name keeps its content.
        if [ -e "$venv" ] && [ ! -f "$venv/.sysndd-folder" ] && [ -n "$(ls -A "$venv")" ]; then
            die "$venv is there already and was not made by this; move it away, or choose another:" \
                "make up VENV=.venv-sysndd"
        fi
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module "$python"
        say "making the virtual environment $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv"
        pwd -P >"$venv/.sysndd-folder"
    fi
    local lock_print
    lock_print=$(cksum <requirements/$lock.lock)
    if [ "$(cat "$venv/.sysndd-lock" 2>/dev/null)" != "$lock_print" ]; then
        say "installing the locked Python packages (once; a minute or so)"
        in_venv_pip install --require-hashes -r requirements/$lock.lock ||
            die "the Python packages could not be installed; pip says why above"
        printf '%s\n' "$lock_print" >"$venv/.sysndd-lock"
    fi
    local project editable=()
    for project in packages/* services/* deploy/preflight; do
        [ ! -f "$project/pyproject.toml" ] || editable+=(-e "./$project")
    done
    if [ ${#editable[@]} -gt 0 ]; then
        say "linking our own packages into $venv"
        in_venv_pip install --no-deps --no-build-isolation --no-index "${editable[@]}" ||
            die "our own packages could not be installed; pip says why above"
    fi
    printf '%s %s\n' "$print" $lock >"$stamp"
}

in_venv_pip() {
    "$venv/bin/python" -m pip "$1" --quiet --no-input --disable-pip-version-check \
        --no-warn-script-location "${@:2}"
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "no Python 3.11 or later was found${PYTHON:+ as $PYTHON}; install one, or name it:" \
        "make up PYTHON=/path/to/python3.11"
}

install_venv_module() {
    local version
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    install_packages "python$version-venv"
}

# --- the server programs ---------------------------------------------------------------------------

# Prints the distribution's packages that are needed and not there.
missing_packages() {
    local server=yes redis=yes
    case $purpose in
    python | tools) return ;;
    up)
        [ -z "${DB_HOST:-}${DB_SOCKET:-}" ] || server=no
        [ -z "${REDIS_URL:-}" ] || redis=no
        ;;
    test)
        [ -z "${TEST_DATABASE_URL:-}" ] || server=no
        [ -z "${TEST_REDIS_URL:-}" ] || redis=no
        ;;
    *) die "unknown purpose: $purpose" ;;
    esac
    if [ $server = yes ]; then
        { have mariadbd && have mariadb-install-db; } || printf 'mariadb-server-core '
        { have mariadb && have mariadb-dump; } || printf 'mariadb-client '
    else
        # The client of the server's own flavour makes the dumps.
        { have mariadb-dump || have mysqldump; } || printf 'mariadb-client '
    fi
    if [ $redis = yes ]; then
        have redis-server || printf 'redis-server '
    fi
    # The browser that the tests of the pages click in.
    [ $purpose != test ] || have chromium || printf 'chromium '
}

have() { command -v "$1" >/dev/null; }

install_packages() {
    local command="apt-get install -y --no-install-recommends $*"
    if ! have apt-get; then
        die "these are missing: $*. This machine has no apt-get; on Debian or Ubuntu it would be" \
            "sudo $command" \
            "or use servers that are there: make up DB_HOST=… DB_USER=… DB_PASSWORD=… REDIS_URL=…"
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! have sudo || { ! sudo -n true 2>/dev/null && [ ! -t 0 ]; }; then
            die "these are missing: $*. Run this, as somebody who may, and try again:" \
                "sudo $command"
        fi
        as_root=(sudo)
    fi
    say "installing $* (${as_root[*]:+sudo }$command)"
    local redis_was_there=no
    ! have redis-server || redis_was_there=yes
    keep_services_stopped
    # An old or empty package list is the usual reason for a failure.
    if ! apt "$@" && ! { apt_update && apt "$@"; }; then
        printf '%s\n' "$failure" | tail -n 20 >&2
        die "apt-get could not install them; it says why above. The command was:" "sudo $command"
    fi
    # The distribution would start its own Redis at the next boot: we brought it, and need only
    # its program. One that was there before is left as it is.
    if [ $redis_was_there = no ] && have redis-server && have systemctl; then
        "${as_root[@]}" systemctl --quiet disable redis-server >/dev/null 2>&1 || true
    fi
    allow_services
}

# Their output is shown when they fail, and then only.
apt() {
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
}

apt_update() {
    say "fetching the distribution's package lists"
    quietly "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update
}

quietly() {
    failure=$("$@" 2>&1 </dev/null) && failure=
}

# invoke-rc.d asks /usr/sbin/policy-rc.d whether a package may start its service; 101 means no
# (Debian's README.policy-rc.d). A policy that is there already stays.
policy=/usr/sbin/policy-rc.d
policy_is_ours=no

keep_services_stopped() {
    [ ! -e $policy ] || return 0
    trap allow_services EXIT
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 755 $policy
}

allow_services() {
    [ $policy_is_ours = yes ] || return 0
    policy_is_ours=no
    "${as_root[@]}" rm -f $policy
}

main
