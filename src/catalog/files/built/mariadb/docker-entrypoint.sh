#!/bin/bash
# Makes the tables of an empty volume, as the variables say, and starts the server as the user mysql. MYSQL_... and MARIADB_... mean the same.
set -euo pipefail

log() { printf '%s [Note] [Entrypoint]: %s\n' "$(date +'%Y-%m-%d %H:%M:%S%:z')" "$*"; }
# value NAME: MARIADB_NAME or MYSQL_NAME, or what is in the file NAME_FILE.
value() {
    local name
    for name in "MARIADB_$1" "MYSQL_$1"; do
        local file=${name}_FILE
        if [ -n "${!file:-}" ]; then cat "${!file}"; return; fi
        if [ -n "${!name:-}" ]; then printf '%s' "${!name}"; return; fi
    done
}
# A text in quotes of SQL.
quoted() { local text=${1//\\/\\\\}; printf "'%s'" "${text//\'/\\\'}"; }

if [ "${1:0:1}" = - ]; then set -- mariadbd "$@"; fi
if [ "$1" = mysqld ]; then shift; set -- mariadbd "$@"; fi
if [ "$1" = mariadbd ] && [ "$(id -u)" = 0 ]; then
    mkdir -p /run/mysqld && chown mysql:mysql /var/lib/mysql /run/mysqld
    exec gosu mysql "$0" "$@"
fi
if [ "$1" = mariadbd ] && [ ! -d /var/lib/mysql/mysql ]; then
    root=$(value ROOT_PASSWORD)
    if [ -z "$root" ] && [ -n "$(value RANDOM_ROOT_PASSWORD)" ]; then
        root=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
        log "GENERATED ROOT PASSWORD: $root"
    elif [ -z "$root" ] && [ -z "$(value ALLOW_EMPTY_PASSWORD)$(value ALLOW_EMPTY_ROOT_PASSWORD)" ]; then
        echo 'ERROR: Database is uninitialized and password option is not specified' >&2
        echo '    You need to specify one of MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD (or MYSQL_...)' >&2
        exit 1
    fi
    log 'Initializing database files'
    mariadb-install-db --user=mysql --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-test-db > /dev/null
    # For the scripts the server listens on its socket alone: nobody meets a database that is half made.
    mariadbd --skip-networking --socket=/run/mysqld/mysqld.sock & server=$!
    until mariadb-admin --user=root ping > /dev/null 2>&1; do kill -0 "$server"; sleep 0.1; done
    {
        printf 'CREATE USER IF NOT EXISTS root@"%%" IDENTIFIED BY %s; GRANT ALL ON *.* TO root@"%%" WITH GRANT OPTION;\n' "$(quoted "$root")"
        database=$(value DATABASE) user=$(value USER)
        if [ -n "$database" ]; then printf 'CREATE DATABASE IF NOT EXISTS `%s`;\n' "${database//\`/\`\`}"; fi
        if [ -n "$user" ]; then
            printf 'CREATE USER %s@"%%" IDENTIFIED BY %s;\n' "$(quoted "$user")" "$(quoted "$(value PASSWORD)")"
            if [ -n "$database" ]; then printf 'GRANT ALL ON `%s`.* TO %s@"%%";\n' "${database//\`/\`\`}" "$(quoted "$user")"; fi
        fi
        printf 'SET PASSWORD FOR root@localhost = PASSWORD(%s);\n' "$(quoted "$root")"
    } | mariadb --user=root
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) log "running $file"; bash "$file" ;;
            *.sql) log "running $file"; mariadb --user=root --password="$root" "${database:-}" < "$file" ;;
        esac
    done
    mariadb-admin --user=root --password="$root" shutdown
    wait "$server"
    log 'MariaDB init process done. Ready for start up.'
fi
exec "$@"
