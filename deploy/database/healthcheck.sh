#!/bin/sh
# Healthy when the administrator may sign in and the server takes connections over the network: while
# an image sets up a new data directory, a server runs that does not.
set -eu
. /sysndd/client.sh
[ "$(sql --connect-timeout=3 --execute='SELECT @@skip_networking')" = 0 ]
