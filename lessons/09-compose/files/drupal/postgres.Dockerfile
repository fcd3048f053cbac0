# A stand-in for PostgreSQL: its port, its variables, its volume and its refusals. It speaks lines of text, not PostgreSQL's protocol.
FROM alpine
LABEL bottleship.fidelity="stand-in" bottleship.differs="lines of text instead of SQL; it keeps the name of a site"
COPY postgres answer /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGKILL
CMD ["postgres"]
