#!/bin/sh
# Takes the client programs out of a database image, MariaDB's or MySQL's, with all they are linked
# to: the distribution of the database image is not that of the worker's.
#
#   take-client.sh /opt/database-client
#
# bin/ gets a script for each program, which starts it with the C library it was built for.
set -eu
target=$1
mkdir -p "$target/bin" "$target/programs" "$target/lib"
for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do
    [ ! -e "$loader" ] || break
done
[ -e "$loader" ] || { echo "take-client.sh: no dynamic loader is known for this machine" >&2; exit 1; }
cp -L "$loader" "$target/lib/ld.so"

taken=
for name in mariadb mariadb-dump mysql mysqldump; do
    program=$(command -v "$name") || continue
    # MariaDB's images keep MySQL's names as links: the same program, taken once.
    real=$(readlink -f "$program")
    [ "${real##*/}" = "$name" ] || continue
    cp "$real" "$target/programs/$name"
    "$loader" --list "$real" | while read -r _ arrow file _; do
        [ "$arrow" != "=>" ] || cp -L "$file" "$target/lib/"
    done
    printf '#!/bin/sh\nexec %s/lib/ld.so --library-path %s/lib --argv0 %s %s/programs/%s "$@"\n' \
        "$target" "$target" "$name" "$target" "$name" >"$target/bin/$name"
    chmod 755 "$target/bin/$name"
    "$target/bin/$name" --version
    taken="$taken $name"
done
case $taken in
*mariadb-dump* | *mysqldump*) ;;
*)
    echo "take-client.sh: this image has neither mariadb-dump nor mysqldump" >&2
    exit 1
    ;;
esac
