const text = 'hello, until you ask me to stop';
const server = require('http').createServer((_, answer) => answer.end(text)).listen(3000);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
