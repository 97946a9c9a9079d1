# Read by the other scripts: `sql` runs the database's own client as its administrator, over the
# socket. The password goes through a pipe: neither the arguments nor the environment show it.
client=$(command -v mariadb || command -v mysql)

sql() {
    printf '[client]\nuser=root\nsocket=/run/mysqld/mysqld.sock\npassword="%s"\n' \
        "$(cat /run/secrets/db_root_password)" |
        "$client" --defaults-file=/dev/stdin --batch --skip-column-names "$@"
}
