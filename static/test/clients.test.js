// Viewers made with common WebSocket libraries, not with wsrun in mind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { open, run, sh } from './harness.js';

const PYTHON = '/usr/bin/python3'; // the one with Debian's packages
const here = (name) => new URL(`clients/${name}`, import.meta.url).pathname;
const CLIENTS = {
  'Node': ['node', '--no-warnings', '--experimental-websocket', here('client.js'), 'node'],
  'ws': ['node', here('client.js'), 'ws'],
  'python3-websockets': [PYTHON, here('client.py'), 'websockets'],
  'python3-websocket': [PYTHON, here('client.py'), 'websocket'],
  'python3-aiohttp': [PYTHON, here('client.py'), 'aiohttp'],
};
const SILENT = ['Node', 'Chromium']; // they can't send pings
const INFLATING = ['Node', 'ws', 'python3-websockets', 'Chromium'];

// More than a deflate window, in pieces of a line and more.
const PRINT = 'i=0; while [ $i -lt 800 ]; do i=$((i+1)); echo "line $i äöü€𝄞 $((i*i*7919%100003))"; [ $((i%50)) -gt 0 ] || sleep .03; done';
const PRINTED = Array.from({ length: 800 }, (_, i) => `line ${i + 1} äöü€𝄞 ${((i + 1) * (i + 1) * 7919) % 100003}\r\n`).join('');

/** A proxy that records, by the `client` in the request, which connections answer pings and negotiate
 * compression. */
async function watching(t, port) {
  const answered = new Set();
  const deflated = new Set();
  const server = createServer((near) => {
    const far = createConnection(port(), '127.0.0.1');
    far.pipe(near);
    far.once('data', (head) => /^sec-websocket-extensions: permessage-deflate/im.test(head) && deflated.add(name));
    let sent = Buffer.alloc(0);
    let name;
    near.on('data', (chunk) => {
      far.write(chunk);
      sent = Buffer.concat([sent, chunk]);
      const end = sent.indexOf('\r\n\r\n');
      if (name === undefined) {
        if (end < 0) return;
        name = /client=([^&\s]*)/.exec(sent.subarray(0, end).toString())?.[1] ?? '';
        sent = sent.subarray(end + 4);
      }
      // These clients only send short, masked frames: pings, pongs and a close frame.
      for (; sent.length >= 2 && sent.length >= 6 + (sent[1] & 0x7f); sent = sent.subarray(6 + (sent[1] & 0x7f))) {
        if (sent[0] === 0x8a) answered.add(name);
      }
    });
    near.on('end', () => far.end()).on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: server.address().port, answered, deflated };
}

/** Runs a client in its own process. */
function client(t, command, url, subprotocols) {
  const child = spawn(command[0], [...command.slice(1), url, ...subprotocols], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { ready: async () => (await lines.next()).value, result: async () => JSON.parse((await lines.next()).value) };
}

/** Runs a client in a page. */
async function chromium(t, port, url, subprotocols) {
  const page = await open(t, port); // the page's policy allows the connection
  await page.evaluate(([u, sub]) => {
    window.got = { data: '', events: [], pong: false, code: null };
    const socket = new WebSocket(u, sub);
    const decoder = new TextDecoder();
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string') window.got.data += decoder.decode(data, { stream: true });
      else if (sub.length) window.got.events.push(JSON.parse(data).event);
      else window.got.data += data;
    };
    socket.onclose = ({ code }) => { window.got.code = code; };
  }, [url, subprotocols]);
  return {
    ready: async () => (await page.waitForFunction(() => window.got.data.includes('backlog')), 'ready'),
    result: async () => (await page.waitForFunction(() => window.got.code !== null && window.got)).jsonValue(),
  };
}

test('clients of other makers get backlog and live output, answer pings and see the end', async (t) => {
  let wsrun;
  const proxy = await watching(t, () => wsrun.port);
  wsrun = await run(t, ['--allow-host', `127.0.0.1:${proxy.port}`, ...sh(`${PRINT}; printf 'backlog äöü€𝄞\\n'; read x; ${PRINT}; exit 3`)]);
  const all = {};
  for (const subprotocols of [[], ['wsrun.v1']]) {
    for (const name of [...Object.keys(CLIENTS), 'Chromium']) {
      const id = `${name}+${subprotocols}`;
      const url = `ws://127.0.0.1:${proxy.port}/?client=${id}`;
      all[id] = name === 'Chromium' ? await chromium(t, proxy.port, url, subprotocols) : client(t, CLIENTS[name], url, subprotocols);
    }
  }
  for (const [id, c] of Object.entries(all)) assert.equal(await c.ready(), 'ready', id);
  while (Object.keys(all).some((id) => !proxy.answered.has(id))) await new Promise((r) => setTimeout(r, 100)); // pings are sent every 20 to 30 s
  wsrun.child.stdin.write('\n');
  for (const [id, c] of Object.entries(all)) {
    const [name, sub] = id.split('+');
    const { data, events, pong, code } = await c.result();
    assert.equal(data, `${PRINTED}backlog äöü€𝄞\r\n${PRINTED}`, id);
    assert.equal(proxy.deflated.has(id), INFLATING.includes(name), id);
    assert.deepEqual([...new Set(events)].filter((e) => e !== 'viewers'), sub ? ['hello', 'ping', 'exit'] : [], id);
    assert.equal(pong, !SILENT.includes(name), id);
    assert.equal(code, 1000, id);
  }
});
