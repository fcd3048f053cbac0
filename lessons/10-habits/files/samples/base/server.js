const text = 'hello of a sample';
require('http').createServer((_, answer) => answer.end(text)).listen(3000);
