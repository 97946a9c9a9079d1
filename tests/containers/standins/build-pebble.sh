#!/bin/sh
# Prints the path of Pebble, the ACME test server of Let's Encrypt; builds it from its Go
# module if there is none. Requires Go like deploy/local/mailpit.sh.
set -eu

VERSION=v2.10.1
PATH=$PATH:/usr/local/go/bin:/usr/lib/go/bin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sysndd
built=$cache/pebble-$VERSION
if [ ! -x "$built" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/pebble-build.XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
    cd "$work"
    go mod init sysndd.example/pebble >&2
    go mod edit -require "github.com/letsencrypt/pebble/v2@$VERSION"
    GOFLAGS=-mod=mod CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o pebble \
        github.com/letsencrypt/pebble/v2/cmd/pebble >&2
    mv pebble "$built"
fi
printf '%s\n' "$built"
