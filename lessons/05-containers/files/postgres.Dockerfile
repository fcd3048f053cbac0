# A stand-in for PostgreSQL: it starts in a moment and can be asked whether it has.
FROM debian
COPY postgres pg_isready /usr/local/bin/
CMD ["postgres"]
