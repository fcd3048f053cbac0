# A page on port 8080 that says whether the database of MONGO_CONNECTION_STRING could be reached at the start.
FROM nginx
RUN sed -i 's/80;/8080;/' /etc/nginx/conf.d/default.conf
COPY look.sh /docker-entrypoint.d/
EXPOSE 8080
