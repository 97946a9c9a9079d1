#!/bin/sh
# Healthy when the administrator can sign in and the server accepts network connections. While the
# image initializes a new data directory, a temporary server runs that does not accept them.
set -eu
. /sysndd/client.sh
[ "$(sql --connect-timeout=3 --execute='SELECT @@skip_networking')" = 0 ]
