#!/bin/sh
# The front page: sends whoever comes first to the set-up, and later shows what the database has.
settings=/var/www/html/sites/default/settings.php
if [ ! -s "$settings" ]; then
    printf 'Status: 302 Found\r\nLocation: /core/install.php\r\nContent-Type: text/plain\r\n\r\n'
    exit
fi
. "$settings"
name=$(printf 'login %s %s %s\nname\n' "$username" "$password" "$database" | nc -w 2 "$host" 5432 | sed -n 's/^name //p')
if [ -z "$name" ]; then
    printf 'Status: 500 Internal Server Error\r\nContent-Type: text/html\r\n\r\n<p>The website encountered an unexpected error. Try again later.</p>\n'
    exit
fi
printf 'Content-Type: text/html\r\n\r\n<html><head><title>Welcome | %s</title></head><body><h1>%s</h1></body></html>\n' "$name" "$name"
