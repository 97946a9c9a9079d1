#!/bin/bash
# Schemas and accounts of deploy/accounts/accounts.sql, with the passwords of the secrets; may run at
# any time. An account whose secret this container does not have is left out with its grants.
set -euo pipefail
. /sysndd/client.sh
template=${1:-/accounts.sql}

pattern() { printf '%s' "${1//_/\\_}"; }

declare -A value=(
    [schema]="\`$DB_NAME\`"
    [ops_schema]="\`$OPS_DB_NAME\`"
    [schema_pattern]="\`$(pattern "$DB_NAME")\`"
    [ops_schema_pattern]="\`$(pattern "$OPS_DB_NAME")\`"
    [scratch_pattern]="\`$(pattern "$DB_NAME")\\_%\`"
    [shadow_pattern]="\`$(pattern "${DB_NAME}_shadow")\\_%\`"
)
[[ $DB_NAME$OPS_DB_NAME =~ ^[A-Za-z0-9_]+$ ]] || { echo "accounts: DB_NAME and OPS_DB_NAME: letters, digits and _" >&2; exit 1; }
absent="'sysndd'@"
for role in api migrator backup load mailer; do
    password=$(<"/run/secrets/db_password_$role")
    [[ $password =~ ^[A-Za-z0-9]{16,}$ ]] || { echo "accounts: db_password_$role: at least 16 letters and digits" >&2; exit 1; }
    value[${role}_password]="'$password'"
done

privileges=$(sql --execute='SHOW PRIVILEGES' | cut -f 1 | tr ' a-z' '_A-Z')
statements= piece= condition=
while IFS= read -r line; do
    case $line in
    "-- only where the server knows: "*) condition=${line#*: } ;;
    --* | '') ;;
    *)
        piece+="$line"$'\n'
        [[ $line == *\; ]] || continue
        if [[ $piece != *"$absent"* ]] &&
            { [ -z "$condition" ] || grep -qxF "${condition// /_}" <<<"$privileges"; }; then
            for name in "${!value[@]}"; do piece=${piece//"{{$name}}"/"${value[$name]}"}; done
            [[ $piece != *"{{"* ]] || { echo "accounts: not filled in: ${piece%%\}*}" >&2; exit 1; }
            statements+=$piece
        fi
        piece= condition=
        ;;
    esac
done <"$template"

printf '%s' "$statements" | sql
echo "accounts: schemas $DB_NAME and $OPS_DB_NAME, and the accounts of api, migrator, backup, load and mailer are as the secrets say"
