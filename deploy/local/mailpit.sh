#!/usr/bin/env bash
# Prints the path of a Mailpit program; builds it from its Go module if there is none.
#
#   mailpit=$(bash deploy/local/mailpit.sh)
#
# Uses the one that MAILPIT_BIN names or that is on the PATH; else builds VERSION once and keeps it
# in the user's cache folder. Building requires Go 1.25 or later and takes one to two minutes. The
# module does not include the web page of Mailpit; SMTP, REST and /view/ID.html are included.
set -euo pipefail

VERSION=v1.30.5
# Checksum of the module (`go.sum`), so that no other content is accepted.
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
# An older Go may download a newer one; run outside of any module.
new_enough() {
    local found
    found=$(cd / && GOTOOLCHAIN=$1 go env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n' "go$GO_AT_LEAST" "$found" | sort -V | head -n 1)" = "go$GO_AT_LEAST" ]
}
toolchain=local
new_enough local || toolchain=go$GO_AT_LEAST.0+auto
if ! new_enough "$toolchain"; then
    say "building Mailpit $VERSION requires Go $GO_AT_LEAST or later;" \
        "found: $(go version 2>/dev/null || echo none)."
    say "Install Go (Debian 13 has 1.24: use golang-go from trixie-backports, or extract the"
    say "vendor's archive to /usr/local/go), or put mailpit on the PATH, or set MAILPIT_BIN."
    exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/mailpit-build.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
say "building Mailpit $VERSION from its Go module (once; takes one to two minutes)"
cd "$work"
# `go install path@version` fails, because the go.mod of the module has replacements; it builds as a
# requirement of another module. go.sum is verified against the checksum database or, without one,
# against the checksum above.
cat >go.mod <<END
module sysndd.example/mailpit

go $GO_AT_LEAST

require github.com/axllent/mailpit $VERSION
END
export GOFLAGS=-mod=mod GOTOOLCHAIN=$toolchain CGO_ENABLED=0
go build -trimpath -ldflags "-s -w -X github.com/axllent/mailpit/config.Version=$VERSION" \
    -o mailpit github.com/axllent/mailpit >&2
if ! grep -qxF "github.com/axllent/mailpit $VERSION $SUM" go.sum; then
    say "the module $VERSION does not have the expected checksum ($SUM):"
    grep -F "github.com/axllent/mailpit " go.sum >&2
    exit 1
fi
# Atomic, so that concurrent builds do not interfere.
mv mailpit "$built"
printf '%s\n' "$built"
