# Read by the other scripts: `sql` runs the database's own client as its administrator, over the
# socket; statements come from --execute or standard input. The password goes by a descriptor of its
# own: neither the arguments nor the environment show it.
client=$(command -v mariadb || command -v mysql)

sql() {
    "$client" --defaults-file=/dev/fd/3 --batch --skip-column-names "$@" 3<<END
[client]
user=root
socket=/run/mysqld/mysqld.sock
password="$(cat /run/secrets/db_root_password)"
END
}
