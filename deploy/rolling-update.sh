#!/bin/sh
# Updates a running deployment to the version that SYSNDD_VERSION names, without losing requests.
#
#   SYSNDD_VERSION=0.9.0 sh deploy/rolling-update.sh           builds the images unless they exist
#
# `docker compose up -d` alone stops all replicas of a service before it starts the new ones.
# Instead, this script
#   1. runs accounts and migrator of the new version; if one fails, nothing else changes;
#   2. starts as many new API replicas as there are old ones; when all are healthy, it stops the old
#      ones one by one, and each finishes its requests;
#   3. replaces the remaining services with `docker compose up --wait`. A worker that stops finishes
#      its job or releases it.
# The previous version must work with the new schema: migrations add columns and tables in one
# release and remove the old ones in a later release. Exit code 0 when the new version serves
# requests, 1 when the old one still does.
set -eu
wait_seconds=${WAIT_SECONDS:-180}
compose() { docker compose --ansi never --progress quiet "$@"; }
image_of() { compose config --images | grep -E "(^|/)sysndd-$1:"; }
say() { printf 'update: %s\n' "$*" >&2; }

old=$(compose ps --quiet api)
replicas=$(printf '%s\n' "$old" | grep -c . || true)
if [ "$replicas" -eq 0 ]; then
    say "no API is running, so there is nothing to update. Start the deployment with:"
    say "    docker compose up --wait"
    exit 1
fi

# A machine that pulls its images has them already.
for service in migrator api backup-worker mailer; do
    docker image inspect "$(image_of "$service")" >/dev/null 2>&1 || compose build "$service"
done

say "accounts and migrations"
compose up --detach --no-build migrator || true  # reported below, with its log
for service in accounts migrator; do
    container=$(compose ps --all --quiet "$service")
    code=$(docker wait "$container")
    if [ "$code" -ne 0 ]; then
        say "$service failed with exit code $code; the old version keeps running. Last log lines:"
        docker logs --tail 50 "$container" >&2
        exit 1
    fi
done

say "starting $replicas new API replicas in addition to the $replicas old ones"
# Without --no-deps, which would create containers that the last step considers outdated.
compose up --detach --no-recreate --no-build --scale "api=$((2 * replicas))" api
all=$(compose ps --all --quiet api)
new=$(printf '%s\n' "$all" | grep -vxF "$old")

healthy() {
    for container in $new; do
        [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ] || return 1
    done
}
deadline=$(($(date +%s) + wait_seconds))
until healthy; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
        say "the new replicas did not become healthy within $wait_seconds s, and the old ones keep"
        say "running. Last log lines of the new ones:"
        for container in $new; do docker logs --tail 20 "$container" >&2; done
        # shellcheck disable=SC2086 # one word each container
        docker rm --force $new >/dev/null
        exit 1
    fi
    sleep 1
done

for container in $old; do
    say "stopping $(docker inspect --format '{{.Name}}' "$container" | tr -d /)"
    # The engine applies the grace period of the service.
    docker stop "$container" >/dev/null
    docker rm "$container" >/dev/null
done

say "replacing the remaining services"
compose up --detach --wait --no-build --scale "api=$replicas"
say "done: $(image_of api) is serving requests"
