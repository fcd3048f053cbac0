#!/bin/bash
place=${MONGO_CONNECTION_STRING#mongodb://}
if (exec 3<> "/dev/tcp/${place%:*}/${place#*:}") 2> /dev/null; then
    echo "connected to $place"
else
    echo "no database at $place"
fi > /usr/share/nginx/html/index.html
