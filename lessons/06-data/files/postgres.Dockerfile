# A stand-in for PostgreSQL: a server that waits, and a psql that keeps tables as files in the data folder.
FROM debian
COPY postgres psql /usr/local/bin/
ARG VERSION
ENV PG_VERSION=$VERSION PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
EXPOSE 5432
CMD ["postgres"]
