#!/bin/sh
# Fills in proxy/traefik.yml from the environment and starts Traefik; `run.sh render` only prints
# the result. Requires a POSIX shell and awk, which the official image contains.
set -eu
here=$(dirname "$0")

die() {
    printf 'proxy: %s\n' "$1" >&2
    exit 64 # EX_USAGE of sysexits(3)
}

check() {
    case ${SYSNDD_TLS:-off} in
    off) ;;
    files)
        [ -r "${SYSNDD_TLS_CERT_FILE:-}" ] && [ -r "${SYSNDD_TLS_KEY_FILE:-}" ] ||
            die "SYSNDD_TLS=files requires readable SYSNDD_TLS_CERT_FILE and SYSNDD_TLS_KEY_FILE"
        ;;
    acme)
        [ -n "${SYSNDD_DOMAIN:-}" ] || die "SYSNDD_TLS=acme requires SYSNDD_DOMAIN"
        [ -n "${SYSNDD_ACME_EMAIL:-}" ] || die "SYSNDD_TLS=acme requires SYSNDD_ACME_EMAIL"
        ;;
    *) die "SYSNDD_TLS must be off, files or acme" ;;
    esac
    case ${SYSNDD_TRUSTED_NETWORKS:-} in
    *0.0.0.0/0* | *::/0*)
        die "SYSNDD_TRUSTED_NETWORKS must not include all addresses; list your load balancers"
        ;;
    *[!0-9A-Fa-f.:/,]*)
        die "SYSNDD_TRUSTED_NETWORKS must be a comma-separated list of networks"
        ;;
    esac
}

render() {
    awk '
    function value(name) { return (name in ENVIRON) ? ENVIRON[name] : "" }
    function holds(condition,    at, name, options, i) {
        at = index(condition, "=")
        if (!at) return value(condition) != ""
        name = substr(condition, 1, at - 1)
        split(substr(condition, at + 1), options, "|")
        for (i in options) if (value(name) == options[i]) return 1
        return 0
    }
    BEGIN { depth = 0; hidden = 0 }
    /^ *#if / { depth++; if (!hidden && !holds($2)) hidden = depth; next }
    /^ *#end$/ { if (hidden == depth) hidden = 0; depth--; next }
    hidden || /^ *#/ { next }
    {
        line = $0
        while (match(line, /\$\{[A-Z_]+:-[^}]*\}/)) {
            name = substr(line, RSTART + 2, RLENGTH - 3)
            at = index(name, ":-")
            text = value(substr(name, 1, at - 1))
            if (text == "") text = substr(name, at + 2)
            if (text ~ /["\\\n${}]/) {
                name = substr(name, 1, at - 1)
                print "proxy: " name " contains a character that is not allowed" > "/dev/stderr"
                exit 64
            }
            # Lists of networks are the only values with commas; each network is quoted.
            gsub(/,/, "\", \"", text)
            line = substr(line, 1, RSTART - 1) text substr(line, RSTART + RLENGTH)
        }
        print line
    }' "$here/traefik.yml"
}

check
if [ "${1:-}" = render ]; then
    render
    exit
fi
rendered=${SYSNDD_RENDERED:-${TMPDIR:-/tmp}/traefik.yml}
render >"$rendered"
exec traefik --configFile="$rendered"
