import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { SocketDriver, delay } from '../driver/socket.js';
import { plain } from '../plain.js';

globalThis.WebSocket ??= WebSocket;

test('the delay is jitter below a bound that doubles to 30 s', () => {
  assert.equal(delay(0, () => 0), 500);
  assert.equal(delay(0, () => 1), 1000);
  assert.equal(delay(3, () => 1), 8000);
  assert.equal(delay(99, () => 0), 500);
  assert.equal(delay(99, () => 1), 30_000);
});

/** Starts a server whose connections `serve` answers, and a stream from it. */
async function connect(t, serve) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket, request) => serve(socket, new URL(request.url, 'http://x').searchParams));
  const log = [];
  const stream = new SocketDriver(`ws://127.0.0.1:${server.address().port}/`, {
    hello: (e) => log.push(`hello ${e.resumed}`),
    output: (bytes) => log.push(Buffer.from(bytes).toString()),
    event: (e) => log.push(e.event),
    closed: (e) => log.push(e),
  });
  t.after(() => {
    stream.close();
    server.clients.forEach((c) => c.terminate());
    server.close();
  });
  stream.connect();
  return { log, stream };
}

/** Waits until `found` accepts an entry of the log. */
async function until(log, found) {
  while (!log.some(found)) await new Promise((r) => setImmediate(r));
}

const hello = (more) => JSON.stringify({ event: 'hello', epoch: 'e1', offset: 10, resumed: false, ...more });

test('it resumes behind the last byte, without a doubled or lost one', async (t) => {
  const asked = [];
  const { log, stream } = await connect(t, (socket, query) => {
    asked.push(query.toString());
    if (asked.length === 1) {
      socket.send(hello());
      socket.send(Buffer.from('äb'));
      socket.close(1001);
    } else {
      socket.send(hello({ offset: 13, resumed: true }));
      socket.send(Buffer.from('cd'));
      socket.send(JSON.stringify({ event: 'exit', code: 0 }));
      socket.close(1000);
    }
  });
  await until(log, (e) => e.code === 1001);
  assert.ok(log.at(-1).retryMs >= 500 && log.at(-1).retryMs <= 1000);
  stream.connect(); // immediately, not after the delay
  await until(log, (e) => e.code === 1000);
  assert.deepEqual(asked, ['', 'epoch=e1&offset=13']);
  assert.deepEqual(log.filter((e) => typeof e === 'string'), ['hello false', 'äb', 'hello true', 'cd', 'exit']);
  assert.equal(log.at(-1).retryMs, -1);
});

test('it goes on at the offset of a reset', async (t) => {
  const asked = [];
  const { log, stream } = await connect(t, (socket, query) => {
    asked.push(query.get('offset'));
    if (asked.length > 1) return;
    socket.send(hello());
    socket.send(JSON.stringify({ event: 'reset', offset: 500, skippedLines: 3 }));
    socket.send(Buffer.from('xyz'));
    socket.close(4008);
  });
  await until(log, (e) => e.code === 4008);
  stream.connect();
  while (asked.length < 2) await new Promise((r) => setImmediate(r));
  assert.equal(asked[1], '503');
});

test('a stream that is silent for 60 s counts as dead', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { log } = await connect(t, (socket) => socket.send(hello()));
  await until(log, (e) => e === 'hello false');
  t.mock.timers.tick(3_600_000); // one step, after which the page was frozen
  for (let second = 6; second < 60; second++) t.mock.timers.tick(1000);
  assert.equal(log.length, 1);
  for (let second = 0; second < 5; second++) t.mock.timers.tick(1000);
  assert.equal(log[1].code, 1006);
});

test('it does not come again after 1008', async (t) => {
  const { log } = await connect(t, (socket) => socket.close(1008));
  await until(log, (e) => e.code === 1008);
  assert.equal(log[0].retryMs, -1);
});

test('plain text', () => {
  assert.equal(plain('\x1b[1;31mred\x1b[0m\r\n'), 'red\n');
  assert.equal(plain('10 %\r20 %\r\n'), '20 %\n');
  assert.equal(plain('\x1b]0;title\x07a\x07b\x1b(B'), 'ab');
});
