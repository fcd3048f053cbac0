[ -e /app/node_modules/greet ] || { echo "Error: Cannot find module 'greet'" >&2; exit 1; }
cat /app/node_modules/greet
exec sleep 100000
