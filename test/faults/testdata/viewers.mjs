// Viewers as the page has them: node viewers.mjs URL N. What happens to each is told
// on standard output, a JSON object a line.
import { createRequire } from 'node:module';
import { SocketDriver } from '../../../static/driver/socket.js';

globalThis.WebSocket ??= createRequire(new URL('../../../static/package.json', import.meta.url))('ws').WebSocket;

const [url, n] = process.argv.slice(2);
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
for (let viewer = 0; viewer < Number(n); viewer++) {
  new SocketDriver(url, {
    hello: ({ epoch, resumed }) => tell({ event: 'hello', viewer, epoch, resumed }),
    output: () => {},
    event: () => {},
    closed: ({ code, retryMs }) => tell({ event: 'closed', viewer, code, retryMs }),
  }).connect();
}
