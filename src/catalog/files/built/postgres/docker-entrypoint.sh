#!/bin/bash
# Makes a database cluster in an empty volume, as the variables say, and starts the server as the user postgres.
set -euo pipefail

# A value may be in a file: NAME_FILE instead of NAME.
value() {
    local name=$1 file=${1}_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then echo "error: both $name and $file are set (but are exclusive)" >&2; exit 1; fi
    if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!name:-${2:-}}"; fi
}

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" && chown postgres "$PGDATA" && chmod 700 "$PGDATA"
    exec gosu postgres "$0" "$@"
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=$(value POSTGRES_USER postgres) password=$(value POSTGRES_PASSWORD)
    database=$(value POSTGRES_DB "$user")
    if [ -z "$password" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
        echo '       Set POSTGRES_PASSWORD, or POSTGRES_PASSWORD_FILE; or POSTGRES_HOST_AUTH_METHOD=trust to let everybody in.' >&2
        exit 1
    fi
    initdb --username="$user" --pwfile=<(printf '%s\n' "${password:-none}") --auth-local=trust --auth-host=scram-sha-256 "$PGDATA"
    printf 'host all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
    # For the scripts the server listens on its socket alone: nobody meets a database that is half made.
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    if [ "$database" != postgres ]; then createdb --username="$user" "$database"; fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) echo "$0: running $file"; bash "$file" ;;
            *.sql) echo "$0: running $file"; psql -v ON_ERROR_STOP=1 --username "$user" --dbname "$database" -f "$file" ;;
            *.sql.gz) echo "$0: running $file"; gunzip -c "$file" | psql -v ON_ERROR_STOP=1 --username "$user" --dbname "$database" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    echo 'PostgreSQL init process complete; ready for start up.'
fi
if [ "$1" = postgres ]; then exec "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql; fi
exec "$@"
