// A viewer made with Node's own WebSocket or with ws: client.js LIBRARY URL [SUBPROTOCOL].
// It prints what client.py does.
import { WebSocket as Ws } from 'ws';

const [library, url, ...subprotocols] = process.argv.slice(2);
const got = { data: '', events: [], pong: false, code: null };
let told = false;
const decoder = new TextDecoder();
const socket = new (library === 'ws' ? Ws : globalThis.WebSocket)(url, subprotocols);

function look() {
  if (told || !got.data.includes('backlog') || (library === 'ws' && !got.pong)) return;
  told = true;
  console.log('ready');
}

socket.binaryType = 'arraybuffer';
socket.onmessage = ({ data }) => {
  if (typeof data !== 'string') got.data += decoder.decode(data, { stream: true });
  else if (subprotocols.length) got.events.push(JSON.parse(data).event);
  else got.data += data;
  look();
};
socket.onclose = ({ code }) => console.log(JSON.stringify({ ...got, code }));
if (library === 'ws') {
  socket.on('open', () => socket.ping('hello'));
  socket.on('pong', (data) => { got.pong = String(data) === 'hello'; look(); });
}
