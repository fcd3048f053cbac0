# A stand-in for MySQL: it has its variables, its volume and its first words, and keeps no tables.
FROM debian
COPY mysqld /usr/local/bin/mysqld
COPY mysql /usr/local/bin/mysql
VOLUME /var/lib/mysql
EXPOSE 3306
CMD ["mysqld"]
