# The set-up page. It is run by sh, whatever its name says.
settings=/var/www/html/sites/default/settings.php
page() { printf 'Content-Type: text/html\r\n\r\n<html><head><title>%s | Drupal</title></head><body><h1>%s</h1>\n%s\n</body></html>\n' "$1" "$1" "$2"; }
if [ -s "$settings" ]; then
    page 'Drupal already installed' '<a href="/">View your existing site</a>'
    exit
fi
if [ "$REQUEST_METHOD" != POST ]; then
    page 'Database configuration' '<form method="POST">
<select name="driver"><option>pgsql</option></select>
<input name="database" placeholder="Database name"><input name="username" placeholder="Database username">
<input name="password" type="password" placeholder="Database password"><input name="host" value="localhost">
<input name="site" placeholder="Site name"><button>Save and continue</button></form>'
    exit
fi
body=$(dd bs=1 count="$CONTENT_LENGTH" 2> /dev/null)
field() { printf '%s' "$body" | tr '&' '\n' | sed -n "s/^$1=//p" | tr -cd 'A-Za-z0-9._+-' | tr + ' '; }
host=$(field host) database=$(field database) username=$(field username) password=$(field password) site=$(field site)
answer=$(printf 'login %s %s %s\nsite %s\n' "$username" "$password" "$database" "${site:-My site}" | nc -w 2 "${host:-localhost}" 5432 2>&1)
case $answer in
    *ok*)
        printf 'host=%s\ndatabase=%s\nusername=%s\npassword=%s\n' "$host" "$database" "$username" "$password" > "$settings"
        page 'Congratulations, you installed Drupal!' '<a href="/">Visit your new site</a>' ;;
    *) page 'Database configuration' "<p class=\"error\">Failed to connect to your database server at $host: ${answer:-no answer}</p>" ;;
esac
