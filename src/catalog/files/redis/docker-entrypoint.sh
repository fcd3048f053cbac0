#!/bin/sh
# Options and configuration files are for the server; a server that is started as root becomes the user redis.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- redis-server "$@"
fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    chown -R redis .
    exec gosu redis "$0" "$@"
fi
exec "$@"
