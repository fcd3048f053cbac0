FROM alpine
RUN apk add --no-cache bash
COPY npm /usr/local/bin/
WORKDIR /app
RUN npm install
CMD ["sh", "-c", "[ -e node_modules/greet ] || { echo \"Error: Cannot find module 'greet'\" >&2; exit 1; }; cat node_modules/greet; exec sleep 100000"]
