#!/bin/sh
# Replaces a running deployment by the version that SYSNDD_VERSION names, and drops no request.
#
#   SYSNDD_VERSION=1.1.0 sh deploy/rolling-update.sh           images are built, or taken if they are there
#
# `docker compose up -d` alone stops all replicas of a service before it starts the new ones. Here:
#   1. accounts and migrator of the new version run; if one fails, everything stays as it is;
#   2. as many new API replicas start beside the old ones; when all are healthy, the old ones are
#      stopped one after the other: each finishes what it has in hand;
#   3. `docker compose up --wait` replaces the rest. A worker that stops hands its job back or
#      finishes it.
# The previous version must be able to work on the new schema: db/migrations only adds, and takes away
# one release later. Exit code 0 when the new version serves; 1 when the old one still does.
set -eu
wait_seconds=${WAIT_SECONDS:-180}
compose() { docker compose --ansi never --progress quiet "$@"; }
image_of() { compose config --images | grep -E "(^|/)sysndd-$1:"; }
say() { printf 'update: %s\n' "$*" >&2; }

old=$(compose ps --quiet api)
replicas=$(printf '%s\n' "$old" | grep -c . || true)
if [ "$replicas" -eq 0 ]; then
    say "nothing runs here yet; start it with: docker compose up --wait"
    exit 1
fi

# Whoever can't build (a server that pulls) has the images already.
for service in migrator api backup-worker mailer; do
    docker image inspect "$(image_of "$service")" >/dev/null 2>&1 || compose build "$service"
done

say "accounts and migrations"
compose up --detach --no-build migrator || true  # said below, with its log
for service in accounts migrator; do
    container=$(compose ps --all --quiet "$service")
    code=$(docker wait "$container")
    if [ "$code" -ne 0 ]; then
        say "$service ended with exit code $code; the old version goes on. Its last lines:"
        docker logs --tail 50 "$container" >&2
        exit 1
    fi
done

say "starting $replicas new API replicas beside the $replicas old ones"
# Without --no-deps: it would make containers that the last step takes for outdated.
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
        say "the new replicas were not healthy within $wait_seconds s; the old ones go on. Their last lines:"
        for container in $new; do docker logs --tail 20 "$container" >&2; done
        # shellcheck disable=SC2086 # one word each container
        docker rm --force $new >/dev/null
        exit 1
    fi
    sleep 1
done

for container in $old; do
    say "stopping $(docker inspect --format '{{.Name}}' "$container" | tr -d /)"
    # The engine knows the service's grace period.
    docker stop "$container" >/dev/null
    docker rm "$container" >/dev/null
done

say "the rest"
compose up --detach --wait --no-build --scale "api=$replicas"
say "done: $(image_of api) serves"
