# A stand-in for Elasticsearch: it says its name on port 9200, and searches nothing.
FROM nginx
RUN sed -i 's/80;/9200;/' /etc/nginx/conf.d/default.conf
COPY name.sh /docker-entrypoint.d/
EXPOSE 9200
