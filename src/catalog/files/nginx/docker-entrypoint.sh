#!/bin/sh
# Runs the scripts of /docker-entrypoint.d before the server, as the real image does.
set -e
if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
    if [ -n "$(ls -A /docker-entrypoint.d 2> /dev/null)" ]; then
        echo "$0: Looking for shell scripts in /docker-entrypoint.d/"
        for script in /docker-entrypoint.d/*.sh; do
            if [ -x "$script" ]; then
                echo "$0: Launching $script"
                "$script"
            else
                echo "$0: Ignoring $script, not executable"
            fi
        done
        echo "$0: Configuration complete; ready for start up"
    fi
fi
exec "$@"
