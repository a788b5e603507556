// Chromium against the real binary: WSRUN and CHROMIUM name them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const WSRUN = process.env.WSRUN ?? new URL('../../wsrun', import.meta.url).pathname;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser?.close());

/** Starts wsrun and returns its port, once it listens. */
async function run(t, args, addr = '127.0.0.1:0') {
  const child = spawn(WSRUN, ['--linger', 'forever', '-a', addr, ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  for await (const chunk of child.stderr.setEncoding('utf8')) {
    said += chunk;
    const port = said.match(/http:\/\/\S+?:(\d+)\//)?.[1];
    if (port) {
      child.stderr.resume();
      return { child, port: Number(port) };
    }
  }
  throw new Error(`wsrun says ${said}`);
}

/** Opens a page that must have neither errors nor violations of its policy. */
async function open(t, port, options = {}, prepare = async () => {}) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  page.problems = [];
  page.on('console', (m) => m.type() === 'error' && page.problems.push(m.text()));
  page.on('pageerror', (e) => page.problems.push(String(e)));
  await prepare(page);
  await page.goto(`http://127.0.0.1:${port}/`);
  return page;
}

const rows = (page) => page.locator('.xterm-rows > div').allInnerTexts().then((r) => r.map((x) => x.trimEnd()).filter(Boolean));

async function untilRow(page, want) {
  await page.waitForFunction((w) => [...document.querySelectorAll('.xterm-rows > div')].some((r) => r.textContent.trim() === w), want);
}

const sh = (script) => ['sh', '-c', script];

test('colours, progress, markup as text, title, a good end', async (t) => {
  const { port } = await run(t, ['--title', 'a <b>title</b>', ...sh(`printf '\\033[31mred\\033[0m\\n10 %%\\r100 %%\\n<img src=x onerror=alert(1)>\\nlast\\n'`)]);
  const page = await open(t, port);
  await untilRow(page, 'last');
  assert.deepEqual(await rows(page), ['red', '100 %', '<img src=x onerror=alert(1)>', 'last']);
  const [red, plain] = await page.evaluate(() => ['red', 'last'].map((text) => {
    const span = [...document.querySelectorAll('.xterm-rows span')].find((s) => s.textContent.trim() === text);
    return getComputedStyle(span).color;
  }));
  assert.notEqual(red, plain);
  assert.match(red, /^rgb\((2\d\d), (\d+), \d+\)$/);
  await page.getByText('✓ ended after').waitFor();
  assert.equal(await page.title(), 'a <b>title</b>');
  assert.equal(await page.locator('#state').innerText(), 'ended');
  assert.deepEqual(page.problems, []);
});

test('a bad end, and one by a signal', async (t) => {
  for (const [script, want] of [['exit 3', 'failed with exit status 3'], ['kill -9 $$', 'killed by SIGKILL']]) {
    const { port } = await run(t, sh(script));
    const page = await open(t, port);
    await page.locator('#end', { hasText: want }).waitFor();
    assert.equal(await page.locator('#state').innerText(), want);
  }
});

test('two viewers, of which one joins late', async (t) => {
  const { child, port } = await run(t, sh('seq 1 5; read x; echo more; read x'));
  const early = await open(t, port);
  await untilRow(early, '5');
  const late = await open(t, port);
  await untilRow(late, '5');
  child.stdin.write('\n');
  await untilRow(late, 'more');
  await untilRow(early, 'more');
  assert.deepEqual(await rows(late), await rows(early));
  await late.getByText('2 watching').waitFor();
});

test('a cut connection is resumed without a lost or doubled line', async (t) => {
  let port = 0;
  const sockets = new Set();
  const proxy = createServer((near) => {
    const far = createConnection(port, '127.0.0.1');
    sockets.add(near);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => { proxy.close(); sockets.forEach((s) => s.destroy()); });
  // The page's Host names the proxy.
  const started = await run(t, ['--allow-host', `127.0.0.1:${proxy.address().port}`, ...sh('i=0; while read x; do i=$((i+1)); echo line $i; done')]);
  port = started.port;
  const page = await open(t, proxy.address().port);
  started.child.stdin.write('\n\n');
  await untilRow(page, 'line 2');
  sockets.forEach((s) => s.destroy());
  started.child.stdin.write('\n\n');
  await untilRow(page, 'line 4');
  assert.deepEqual(await rows(page), ['line 1', 'line 2', 'line 3', 'line 4']);
});

test('a new run on the same port clears the page and says so', async (t) => {
  const first = await run(t, sh('echo old; read x'));
  const page = await open(t, first.port);
  await untilRow(page, 'old');
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  await run(t, sh('echo new; read x'), `127.0.0.1:${first.port}`);
  await untilRow(page, 'new');
  assert.deepEqual(await rows(page), ['new']);
  await page.getByText('started anew').waitFor();
});

test('without xterm.js the page shows plain text and says why', async (t) => {
  const { port } = await run(t, sh(`printf '\\033[31mred\\033[0m\\n'`));
  const page = await open(t, port, {}, (p) => p.route('**/xterm.mjs', (r) => r.fulfill({ status: 404 })));
  await page.locator('pre', { hasText: 'red' }).waitFor();
  await page.getByText('no xterm.js').waitFor();
});

test('on a phone nothing sticks out of the bar, light or dark', async (t) => {
  const { port } = await run(t, ['--title', 'a title that is much longer than any phone is wide', ...sh('echo hi')]);
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, port, { viewport: { width: 320, height: 568 }, colorScheme });
    await untilRow(page, 'hi');
    const [width, ground] = await page.evaluate(() => [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]);
    assert.equal(width, 320);
    assert.equal(ground, colorScheme === 'dark' ? 'rgb(13, 17, 23)' : 'rgb(255, 255, 255)');
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${colorScheme}.png` });
  }
});
