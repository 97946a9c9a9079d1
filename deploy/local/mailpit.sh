#!/usr/bin/env bash
# Prints the path of a Mailpit program; builds it from its Go module when there is none yet.
#
#   mailpit=$(bash deploy/local/mailpit.sh)
#
# Takes the one that MAILPIT_BIN names or that is on the PATH, else builds VERSION once and keeps it under
# the user's cache folder. Building needs Go 1.25 or later and takes a minute or two. The web page of
# Mailpit is not in its module; SMTP, REST and /view/ID.html are all there.
set -euo pipefail

VERSION=v1.30.5
# Of the module's content (`go.sum`): whoever serves it can't serve something else.
SUM=h1:kHsdTXPogfMQcVvec40fefiveD9VQkg4x2HU8RcQnts=
GO_AT_LEAST=1.25

say() { printf '%s\n' "mailpit: $*" >&2; }

if [ -n "${MAILPIT_BIN:-}" ]; then
    printf '%s\n' "$MAILPIT_BIN"
    exit
fi
if command -v mailpit; then
    exit
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sysndd
built=$cache/mailpit-$VERSION
if [ -x "$built" ]; then
    printf '%s\n' "$built"
    exit
fi

PATH=$PATH:/usr/local/go/bin:/usr/lib/go/bin
# An older Go fetches a newer one by itself where it may; asked outside of any module.
new_enough() {
    local found
    found=$(cd / && GOTOOLCHAIN=$1 go env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n' "go$GO_AT_LEAST" "$found" | sort -V | head -n 1)" = "go$GO_AT_LEAST" ]
}
toolchain=local
new_enough local || toolchain=go$GO_AT_LEAST.0+auto
if ! new_enough "$toolchain"; then
    say "needs Go $GO_AT_LEAST or later to build Mailpit $VERSION; found: $(go version 2>/dev/null || echo none)."
    say "Install one (Debian 13 has 1.24: take golang-go from trixie-backports, or the vendor's archive into"
    say "/usr/local/go), or put a mailpit program on the PATH, or name one: MAILPIT_BIN=/path/of/mailpit"
    exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/mailpit-build.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
say "building Mailpit $VERSION from its Go module (once; a minute or two)"
cd "$work"
# `go install path@version` is refused: the module's go.mod has replacements. As a requirement of a module of our
# own it builds, and go.sum is checked against the checksum database or, without one, the sum above.
cat >go.mod <<END
module sysndd.example/mailpit

go $GO_AT_LEAST

require github.com/axllent/mailpit $VERSION
END
export GOFLAGS=-mod=mod GOTOOLCHAIN=$toolchain CGO_ENABLED=0
go build -trimpath -ldflags "-s -w -X github.com/axllent/mailpit/config.Version=$VERSION" \
    -o mailpit github.com/axllent/mailpit >&2
if ! grep -qxF "github.com/axllent/mailpit $VERSION $SUM" go.sum; then
    say "the module $VERSION is not the one that is known here:"
    grep -F "github.com/axllent/mailpit " go.sum >&2
    exit 1
fi
# In one step: whoever builds at the same time does no harm.
mv mailpit "$built"
printf '%s\n' "$built"
