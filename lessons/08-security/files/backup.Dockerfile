FROM busybox
COPY backup /backup
ENTRYPOINT ["/backup"]
