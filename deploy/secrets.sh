#!/bin/sh
# Writes the secrets of a deployment (`make secrets`); what is there stays.
#
#   SECRETS_DIR=secrets sh deploy/secrets.sh                   all that are missing
#   sh deploy/secrets.sh db_password_api redis_password        new ones in place of these
#
# The folder is closed to everybody but its owner. The files in it can be read by anyone who gets one
# handed in: a container sees its own secrets and no others, as a user that this machine does not know.
set -eu
dir=${SECRETS_DIR:-secrets}
generated="db_root_password db_password_api db_password_migrator db_password_backup db_password_load
    db_password_mailer redis_password token_key"
# Given by somebody else; empty means none.
given="smtp_password backup_identity backup_s3_secret_key"

random() { # 32 letters and digits: 190 bits
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32
}
write() { # in one step: nobody sees half a secret
    (umask 077 && cat >"$dir/.$1.new")
    chmod 0444 "$dir/.$1.new"
    mv -f "$dir/.$1.new" "$dir/$1"
}
sha256() { printf '%s' "$1" | sha256sum | cut -d ' ' -f 1; }

umask 077
mkdir -p "$dir/tls"
chmod 0700 "$dir"
# Mounted as a folder, unlike the secrets: the proxy has no right to look into somebody's closed one.
chmod 0755 "$dir/tls"
for name in "$@"; do
    if [ "$name" = db_root_password ]; then
        echo "secrets: the server keeps its administrator's password: ALTER USER there, then write $dir/db_root_password" >&2
        exit 2
    fi
    # shellcheck disable=SC2086 # one word each name
    case " $(echo $generated) " in
    *" $name "*) ;;
    *)
        echo "secrets: $name is not one of:" $generated >&2
        exit 2
        ;;
    esac
done
# Only now: a wrong name among them changes nothing.
for name in "$@"; do rm -f "$dir/$name"; done
for name in $generated; do
    [ -s "$dir/$name" ] || { random | write "$name" && echo "secrets: wrote $dir/$name"; }
done
for name in $given; do
    [ -e "$dir/$name" ] || { : | write "$name" && echo "secrets: wrote $dir/$name, empty: put yours in"; }
done
# What follows from the others.
redis=$(cat "$dir/redis_password")
printf 'redis://:%s@redis:6379/0\n' "$redis" | write redis_url
printf 'user default on ~* &* +@all #%s\n' "$(sha256 "$redis")" | write redis_acl
echo "secrets: $dir is complete"
