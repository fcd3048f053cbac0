#!/bin/sh
printf '{ "name" : "%s", "cluster_name" : "elasticsearch" }\n' "$(cat /etc/hostname)" > /usr/share/nginx/html/index.html
