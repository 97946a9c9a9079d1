#!/bin/sh
# The features of the official entrypoint that docker-compose.yml uses: arguments that start with a
# dash are passed to the server, and a temporary server without network sets the password of a new
# data directory from *_ROOT_PASSWORD_FILE.
set -eu
[ "${1#-}" = "$1" ] || set -- mariadbd "$@"
if [ "$1" = mariadbd ] && [ ! -d /var/lib/mysql/mysql ]; then
    [ "$MARIADB_ROOT_HOST" = localhost ]
    mariadb-install-db --datadir=/var/lib/mysql --skip-test-db --auth-root-authentication-method=normal --skip-name-resolve
    "$@" --skip-networking --socket=/tmp/setup.sock &
    server=$!
    until mariadb --no-defaults --socket=/tmp/setup.sock -u root -e 'SELECT 1' >/dev/null 2>&1; do
        kill -0 $server
        sleep 0.2
    done
    mariadb --no-defaults --socket=/tmp/setup.sock -u root <<SQL
DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
FLUSH PRIVILEGES;
ALTER USER 'root'@'localhost' IDENTIFIED BY '$(cat "$MARIADB_ROOT_PASSWORD_FILE")';
SQL
    kill $server
    wait $server
fi
exec "$@"
