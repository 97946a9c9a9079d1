#!/bin/sh
# The features of the official entrypoint that docker-compose.yml uses; see mariadb/entrypoint.sh.
set -eu
[ "${1#-}" = "$1" ] || set -- mysqld "$@"
if [ "$1" = mysqld ] && [ ! -d /var/lib/mysql/mysql ]; then
    [ "$MYSQL_ROOT_HOST" = localhost ]
    "$@" --initialize-insecure
    "$@" --skip-networking --socket=/tmp/setup.sock &
    server=$!
    until mysql --no-defaults --socket=/tmp/setup.sock -u root -e 'SELECT 1' >/dev/null 2>&1; do
        kill -0 $server
        sleep 0.2
    done
    mysql --no-defaults --socket=/tmp/setup.sock -u root <<SQL
ALTER USER 'root'@'localhost' IDENTIFIED BY '$(cat "$MYSQL_ROOT_PASSWORD_FILE")';
SQL
    kill $server
    wait $server
fi
exec "$@"
