# Sourced by the other scripts: `sql` runs the client of the database as its administrator, over the
# socket; statements come from --execute or standard input. The password is passed through a file
# descriptor, so that neither the arguments nor the environment contain it.
client=$(command -v mariadb || command -v mysql)

sql() {
    "$client" --defaults-file=/dev/fd/3 --batch --skip-column-names "$@" 3<<END
[client]
user=root
socket=/run/mysqld/mysqld.sock
password="$(cat /run/secrets/db_root_password)"
END
}
