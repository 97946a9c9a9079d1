#!/bin/sh
# Generates the secrets of a deployment (`make secrets`); existing ones are kept.
#
#   SECRETS_DIR=secrets sh deploy/secrets.sh                   the missing ones
#   sh deploy/secrets.sh db_password_api redis_password        new ones to replace these
#
# Only the owner has access to the folder. The files in it are readable by everyone, because a
# container reads the secrets mounted into it as a user that does not exist on this machine.
set -eu
dir=${SECRETS_DIR:-secrets}
generated="db_root_password db_password_api db_password_migrator db_password_backup db_password_load
    db_password_mailer redis_password token_key"
# Empty unless named: without a password, the account is not created.
optional="db_password_lock"
# Issued by others; empty means none.
given="smtp_password backup_identity backup_s3_secret_key"

random() { # 32 letters and digits: 190 bits
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32
}
write() { # atomic: no reader sees a partial secret
    (umask 077 && cat >"$dir/.$1.new")
    chmod 0444 "$dir/.$1.new"
    mv -f "$dir/.$1.new" "$dir/$1"
}
sha256() { printf '%s' "$1" | sha256sum | cut -d ' ' -f 1; }

umask 077
mkdir -p "$dir/tls"
chmod 0700 "$dir"
# Unlike the secrets, this is mounted as a folder, and the proxy must be able to open it.
chmod 0755 "$dir/tls"
for name in "$@"; do
    if [ "$name" = db_root_password ]; then
        echo "secrets: db_root_password cannot be replaced here, because the server stores it." \
            "Change it with ALTER USER on the server, then write $dir/db_root_password." >&2
        exit 2
    fi
    # shellcheck disable=SC2086 # one word each name
    case " $(echo $generated $optional) " in
    *" $name "*) ;;
    *)
        echo "secrets: $name is not a generated secret. Choose from:" $generated $optional >&2
        exit 2
        ;;
    esac
done
# Only after all names were checked, so that a wrong one changes nothing.
for name in "$@"; do
    rm -f "$dir/$name"
    case " $optional " in *" $name "*) generated="$generated $name" ;; esac
done
for name in $generated; do
    [ -s "$dir/$name" ] || { random | write "$name" && echo "secrets: wrote $dir/$name"; }
done
for name in $optional; do
    [ -e "$dir/$name" ] || : | write "$name"
done
for name in $given; do
    [ -e "$dir/$name" ] || {
        : | write "$name" &&
            echo "secrets: wrote $dir/$name (empty; add the value if you have one)"
    }
done
# Derived from the others.
redis=$(cat "$dir/redis_password")
printf 'redis://:%s@redis:6379/0\n' "$redis" | write redis_url
printf 'user default on ~* &* +@all #%s\n' "$(sha256 "$redis")" | write redis_acl
echo "secrets: $dir is complete"
