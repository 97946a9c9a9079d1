#!/bin/bash
# Creates the schemas and accounts of deploy/accounts/accounts.sql with the passwords of the
# secrets; idempotent. The operator account, for which there is no secret, is omitted with its
# grants. The account of lock_account.sql exists only while its secret has a password.
set -euo pipefail
. /sysndd/client.sh
templates=(/accounts.sql)

die() {
    echo "accounts: $*" >&2
    exit 1
}

pattern() { printf '%s' "${1//_/\\_}"; }

declare -A value=(
    [schema]="\`$DB_NAME\`"
    [ops_schema]="\`$OPS_DB_NAME\`"
    [schema_pattern]="\`$(pattern "$DB_NAME")\`"
    [ops_schema_pattern]="\`$(pattern "$OPS_DB_NAME")\`"
    [scratch_pattern]="\`$(pattern "$DB_NAME")\\_%\`"
    [shadow_pattern]="\`$(pattern "${DB_NAME}_shadow")\\_%\`"
)
[[ $DB_NAME$OPS_DB_NAME =~ ^[A-Za-z0-9_]+$ ]] ||
    die "DB_NAME and OPS_DB_NAME must consist of letters, digits and _"
omitted="'sysndd'@"
roles=(api migrator backup load mailer)
if [ -s /run/secrets/db_password_lock ]; then
    roles+=(lock)
    templates+=(/lock_account.sql)
fi
for role in "${roles[@]}"; do
    password=$(<"/run/secrets/db_password_$role")
    [[ $password =~ ^[A-Za-z0-9]{16,}$ ]] ||
        die "db_password_$role must have at least 16 letters and digits and nothing else." \
            "Generate it with: make secrets NEW=db_password_$role"
    value[${role}_password]="'$password'"
done

privileges=$(sql --execute='SHOW PRIVILEGES' | cut -f 1 | tr ' a-z' '_A-Z')
statements= piece= condition=
while IFS= read -r line; do
    case $line in
    "-- requires privilege: "*) condition=${line#*: } ;;
    --* | '') ;;
    *)
        piece+="$line"$'\n'
        [[ $line == *\; ]] || continue
        if [[ $piece != *"$omitted"* ]] &&
            { [ -z "$condition" ] || grep -qxF "${condition// /_}" <<<"$privileges"; }; then
            for name in "${!value[@]}"; do piece=${piece//"{{$name}}"/"${value[$name]}"}; done
            [[ $piece != *"{{"* ]] || die "unknown placeholder: ${piece%%\}*}"
            statements+=$piece
        fi
        piece= condition=
        ;;
    esac
done < <(cat "${templates[@]}")
[[ " ${roles[*]} " == *" lock "* ]] || statements+="DROP USER IF EXISTS 'sysndd_lock'@'%';"$'\n'

printf '%s' "$statements" | sql
echo "accounts: schemas $DB_NAME and $OPS_DB_NAME and all accounts are up to date"
