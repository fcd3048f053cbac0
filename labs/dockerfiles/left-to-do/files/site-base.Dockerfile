FROM tiny:1
WORKDIR /site
COPY index /bin/index
