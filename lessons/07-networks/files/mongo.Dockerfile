# A stand-in for MongoDB: it listens on its port and says what MongoDB says to a browser. It keeps nothing.
FROM nginx
RUN sed -i 's/80;/27017;/' /etc/nginx/conf.d/default.conf
RUN echo 'It looks like you are trying to access MongoDB over HTTP on the native driver port.' > /usr/share/nginx/html/index.html
EXPOSE 27017
