#!/usr/bin/env bash
# Prepares this machine for running the system: virtual environment, Python packages, servers.
#
#   bootstrap.sh python   Python packages, including the test tools (make check)
#   bootstrap.sh tools    Python packages without the test tools (make preflight of containers)
#   bootstrap.sh up       Python packages, and the servers that `make up` starts
#   bootstrap.sh test     Python packages, and the servers that the tests start
#   bootstrap.sh sites    the same, and the web applications of `make lane LANE=sites`
#
# Requires python3 (3.11 or later) only. Ends quickly when nothing is missing, and is safe to run
# concurrently. Settings: PYTHON=<interpreter>, VENV=<directory, default .venv>.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

purpose=${1:-up}
venv=${VENV:-.venv}
stamp=$venv/.sysndd-installed
# Running the system requires less than testing it: requirements/test.in includes dev.in.
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
    # A concurrent run waits here, then finds everything installed. The lock file of the packages
    # also serves as the lock between processes: it exists in every checkout, and nothing is
    # written.
    if command -v flock >/dev/null; then
        exec 9<requirements/dev.lock
        flock 9
    fi
    missing=$(missing_packages)
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086 # one word each package
        install_packages $missing
    fi
    is_installed || install_python_packages
}

# --- Python packages -------------------------------------------------------------------------------

# What the environment was created from. Includes the folder, as console scripts contain its path.
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

install_python_packages() {
    local python print
    print=$(fingerprint)
    if [ ! -f "$venv/.sysndd-folder" ] || [ "$(cat "$venv/.sysndd-folder")" != "$(pwd -P)" ] ||
        ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        # An environment that this script did not create is not touched.
        if [ -e "$venv" ] && [ ! -f "$venv/.sysndd-folder" ] && [ -n "$(ls -A "$venv")" ]; then
            die "$venv exists and was not created by this script. Move it, or use another folder:" \
                "make up VENV=.venv-sysndd"
        fi
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module "$python"
        say "creating the virtual environment $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv"
        pwd -P >"$venv/.sysndd-folder"
    fi
    local lock_print
    lock_print=$(cksum <requirements/$lock.lock)
    if [ "$(cat "$venv/.sysndd-lock" 2>/dev/null)" != "$lock_print" ]; then
        say "installing the locked Python packages (once; takes about a minute)"
        in_venv_pip install --require-hashes -r requirements/$lock.lock ||
            die "the Python packages could not be installed; see the message of pip above"
        printf '%s\n' "$lock_print" >"$venv/.sysndd-lock"
    fi
    local project editable=()
    for project in packages/* services/* deploy/preflight; do
        [ ! -f "$project/pyproject.toml" ] || editable+=(-e "./$project")
    done
    if [ ${#editable[@]} -gt 0 ]; then
        say "linking our own packages into $venv"
        in_venv_pip install --no-deps --no-build-isolation --no-index "${editable[@]}" ||
            die "our own packages could not be installed; see the message of pip above"
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
    die "Python 3.11 or later was not found${PYTHON:+ as $PYTHON}. Install it, or give its path:" \
        "make up PYTHON=/path/to/python3.11"
}

install_venv_module() {
    local version
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    install_packages "python$version-venv"
}

# --- servers ---------------------------------------------------------------------------

# Prints the missing packages of the distribution.
missing_packages() {
    local server=yes redis=yes
    case $purpose in
    python | tools) return ;;
    up)
        [ -z "${DB_HOST:-}${DB_SOCKET:-}" ] || server=no
        [ -z "${REDIS_URL:-}" ] || redis=no
        ;;
    test | sites)
        [ -z "${TEST_DATABASE_URL:-}" ] || server=no
        [ -z "${TEST_REDIS_URL:-}" ] || redis=no
        ;;
    *) die "unknown purpose: $purpose" ;;
    esac
    if [ $server = yes ]; then
        { have mariadbd && have mariadb-install-db; } || printf 'mariadb-server-core '
        { have mariadb && have mariadb-dump; } || printf 'mariadb-client '
    else
        # Dumps are created by the client of the server's vendor.
        { have mariadb-dump || have mysqldump; } || printf 'mariadb-client '
    fi
    if [ $redis = yes ]; then
        have redis-server || printf 'redis-server '
    fi
    # The browser for the tests of the pages.
    [ $purpose != test ] || have chromium || printf 'chromium '
    if [ $purpose = sites ]; then
        have php || printf 'php-cli php-mysql '
        [ -e /usr/share/wordpress/wp-load.php ] || printf 'wordpress '
        [ -e /usr/share/mediawiki/maintenance/install.php ] || printf 'mediawiki '
    fi
}

have() { command -v "$1" >/dev/null; }

install_packages() {
    local command="apt-get install -y --no-install-recommends $*"
    if ! have apt-get; then
        die "missing packages: $*. This machine has no apt-get. On Debian or Ubuntu, run" \
            "sudo $command" \
            "or use existing servers: make up DB_HOST=… DB_USER=… DB_PASSWORD=… REDIS_URL=…"
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! have sudo || { ! sudo -n true 2>/dev/null && [ ! -t 0 ]; }; then
            die "missing packages: $*. Run this as an administrator, then try again:" \
                "sudo $command"
        fi
        as_root=(sudo)
    fi
    say "installing $* (${as_root[*]:+sudo }$command)"
    local new_services=()
    have redis-server || new_services+=(redis-server)
    have apache2 || new_services+=(apache2)
    keep_services_stopped
    # An outdated or empty package list is the usual reason for a failure.
    if ! apt "$@" && ! { apt_update && apt "$@"; }; then
        printf '%s\n' "$failure" | tail -n 20 >&2
        die "apt-get failed; see its message above. The command was:" "sudo $command"
    fi
    # The package would start its service at the next boot, but only its program is needed. A
    # service that was installed before is not changed. Apache comes with WordPress and MediaWiki.
    local service
    for service in "${new_services[@]}"; do
        if have "$service" && have systemctl; then
            "${as_root[@]}" systemctl --quiet disable "$service" >/dev/null 2>&1 || true
        fi
    done
    allow_services
}

# Shows the output of apt-get only when it fails.
apt() {
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
}

apt_update() {
    say "updating the package lists of the distribution"
    quietly "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update
}

quietly() {
    failure=$("$@" 2>&1 </dev/null) && failure=
}

# invoke-rc.d asks /usr/sbin/policy-rc.d whether a package may start its service; 101 means no
# (Debian's README.policy-rc.d). An existing policy is not changed.
policy=/usr/sbin/policy-rc.d
created_policy=no

keep_services_stopped() {
    [ ! -e $policy ] || return 0
    trap allow_services EXIT
    created_policy=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 755 $policy
}

allow_services() {
    [ $created_policy = yes ] || return 0
    created_policy=no
    "${as_root[@]}" rm -f $policy
}

main
