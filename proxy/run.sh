#!/bin/sh
# Starts Traefik with its static configuration: listening addresses and trusted networks. The routes
# are in dynamic/. Production and `make up` use the same files; the variables are in docs/proxy.md.
#
#   run.sh              starts Traefik
#   run.sh healthcheck  exits with 0 if the Traefik of the same container is healthy
#   run.sh render       prints the configuration, one flag per line
set -eu

die() {
    printf 'proxy: %s\n' "$1" >&2
    exit 64 # EX_USAGE of sysexits(3)
}

entry_points=web
case ${SYSNDD_TLS:-off} in
off) ;;
files)
    [ -r "${SYSNDD_TLS_CERT_FILE:-}" ] && [ -r "${SYSNDD_TLS_KEY_FILE:-}" ] ||
        die "SYSNDD_TLS=files requires readable SYSNDD_TLS_CERT_FILE and SYSNDD_TLS_KEY_FILE"
    entry_points="web websecure"
    ;;
acme)
    [ -n "${SYSNDD_DOMAIN:-}" ] || die "SYSNDD_TLS=acme requires SYSNDD_DOMAIN"
    [ -n "${SYSNDD_ACME_EMAIL:-}" ] || die "SYSNDD_TLS=acme requires SYSNDD_ACME_EMAIL"
    entry_points="web websecure"
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
for address in "HTTP ${SYSNDD_HTTP_ADDRESS:-}" "HTTPS ${SYSNDD_HTTPS_ADDRESS:-}" \
    "PING ${SYSNDD_PING_ADDRESS:-}"; do
    case ${address#* } in
    *[!][0-9A-Za-z.:_-]*) die "SYSNDD_${address%% *}_ADDRESS must be host:port" ;;
    esac
done
# Traefik ignores all flags if it finds a file in one of the places where it looks for one.
for file in /etc/traefik/traefik ./traefik; do
    for suffix in toml yml yaml; do
        [ ! -e "$file.$suffix" ] || die "$file.$suffix would replace this configuration; remove it"
    done
done
export HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent

command=${1:-run}
set -- \
    --global.checkNewVersion=false \
    --global.sendAnonymousUsage=false \
    --providers.file.directory="${SYSNDD_DYNAMIC_DIR:-/etc/traefik/dynamic}" \
    --providers.file.watch=true \
    --log.level=INFO \
    --log.format=json \
    --accessLog.format=json

# Links in emails contain their token in the query. Authorization, Cookie and Referer are not logged.
set -- "$@" \
    --accessLog.fields.queryParameters.defaultMode=drop \
    --accessLog.fields.headers.defaultMode=drop \
    --accessLog.fields.headers.names.User-Agent=keep \
    --accessLog.fields.names.ClientUsername=drop

for name in $entry_points; do
    case $name in
    web) address=${SYSNDD_HTTP_ADDRESS:-:80} ;;
    websecure) address=${SYSNDD_HTTPS_ADDRESS:-:443} ;;
    esac
    entry=--entryPoints.$name
    # readTimeout is for the whole request including its body: long enough for uploads, but an end
    # to slow-loris attacks. There is no writeTimeout, for downloads of backups. idleTimeout is
    # shorter than the keep-alive of the API, like idleConnTimeout in dynamic/site.yml.
    set -- "$@" \
        "$entry.address=$address" \
        "$entry.transport.respondingTimeouts.readTimeout=${SYSNDD_UPLOAD_SECONDS:-3600}s" \
        "$entry.transport.respondingTimeouts.writeTimeout=0s" \
        "$entry.transport.respondingTimeouts.idleTimeout=90s" \
        "$entry.transport.lifeCycle.requestAcceptGraceTimeout=0s" \
        "$entry.transport.lifeCycle.graceTimeOut=20s" \
        "$entry.http.maxHeaderBytes=65536"
    # X-Forwarded-* is trusted from load balancers or CDNs in these networks and replaced in all
    # other requests.
    if [ -n "${SYSNDD_TRUSTED_NETWORKS:-}" ]; then
        set -- "$@" "$entry.forwardedHeaders.trustedIPs=$SYSNDD_TRUSTED_NETWORKS"
    fi
    # Headers such as X_Real_Ip could be mistaken for X-Real-Ip.
    set -- "$@" "$entry.http.aliasHeadersStrategy=delete"
    # Encoded characters reach the API unchanged; it rejects invalid names itself, as problem+json.
    # Literal `..` and `//` are normalized here before routing (sanitizePath), so that no spelling of
    # a path reaches anything outside of /api, /admin and /account.
    set -- "$@" "$entry.http.sanitizePath=true"
    for character in Slash BackSlash NullCharacter Semicolon Percent QuestionMark Hash; do
        set -- "$@" "$entry.http.encodedCharacters.allowEncoded$character=true"
    done
done

case ${SYSNDD_TLS:-off} in
files)
    set -- "$@" --entryPoints.websecure.http.tls=true
    ;;
acme)
    # The storage is on a volume: otherwise every restart would request a new certificate, and the
    # authority issues only a few per week. certificatesDuration, the validity of its certificates in
    # hours, determines when they are renewed. tlsChallenge requires that port 443 is reachable from
    # the internet.
    acme=--certificatesResolvers.acme.acme
    set -- "$@" \
        --entryPoints.websecure.http.tls.certResolver=acme \
        "--entryPoints.websecure.http.tls.domains[0].main=$SYSNDD_DOMAIN" \
        "$acme.email=$SYSNDD_ACME_EMAIL" \
        "$acme.caServer=${SYSNDD_ACME_SERVER:-https://acme-v02.api.letsencrypt.org/directory}" \
        "$acme.storage=${SYSNDD_ACME_STORAGE:-/var/lib/traefik/acme.json}" \
        "$acme.certificatesDuration=${SYSNDD_ACME_HOURS:-2160}" \
        "$acme.tlsChallenge=true"
    ;;
esac

# For `run.sh healthcheck` inside the container; never published.
if [ -n "${SYSNDD_PING_ADDRESS:-}" ]; then
    set -- "$@" --entryPoints.ping.address="$SYSNDD_PING_ADDRESS" --ping.entryPoint=ping
fi

case $command in
run) exec traefik "$@" ;;
healthcheck) exec traefik healthcheck "$@" ;;
render) printf '%s\n' "$@" ;;
*) die "unknown command $command; run.sh takes none, healthcheck or render" ;;
esac
