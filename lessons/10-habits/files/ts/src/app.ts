import * as http from 'http';
const text = 'hello';
http.createServer((_, answer) => answer.end(text)).listen(3000, '0.0.0.0');
