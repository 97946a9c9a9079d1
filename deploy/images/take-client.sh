#!/bin/sh
# Copies the client programs out of a MariaDB or MySQL image, with all libraries that they are
# linked to, because the image of the worker is based on another distribution.
#
#   take-client.sh /opt/database-client
#
# bin/ contains a script for each program, which starts it with the C library it was built for.
set -eu
target=$1
mkdir -p "$target/bin" "$target/programs" "$target/lib"
for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do
    [ ! -e "$loader" ] || break
done
[ -e "$loader" ] || {
    echo "take-client.sh: unsupported architecture; x86-64 and aarch64 are supported" >&2
    exit 1
}
cp -L "$loader" "$target/lib/ld.so"

copied=
for name in mariadb mariadb-dump mysql mysqldump; do
    program=$(command -v "$name") || continue
    # MariaDB images have the MySQL names as links to the same programs, which are copied only once.
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
    copied="$copied $name"
done
case $copied in
*mariadb-dump* | *mysqldump*) ;;
*)
    echo "take-client.sh: this image contains neither mariadb-dump nor mysqldump;" \
        "set DB_IMAGE to a MariaDB or MySQL image" >&2
    exit 1
    ;;
esac
