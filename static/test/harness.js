// Tests the real binary in Chromium; WSRUN and CHROMIUM are their paths.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

const WSRUN = process.env.WSRUN ?? new URL('../../wsrun', import.meta.url).pathname;

/** @type {import('playwright-core').Browser} */
let browser;
/** Starts a browser. */
export const launch = (args = [], options = {}) => chromium.launch({
  ...options,
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...args],
});
before(async () => { browser = await launch(); });
after(() => browser?.close());

/** Starts wsrun, waits until it listens, and returns its port and its URL's fragment. */
export async function run(t, args, addr = '127.0.0.1:0') {
  const own = args[0] === 'files' ? ['files', '-a', addr, ...args.slice(1)] : ['--linger', 'forever', '-a', addr, ...args];
  const child = spawn(WSRUN, own, { stdio: ['pipe', 'ignore', 'pipe'] });
  t.after(async () => { // a hangup is not enough: script(1) ignores it
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill();
    const patience = setTimeout(() => child.kill('SIGKILL'), 3000);
    await once(child, 'exit');
    clearTimeout(patience);
  });
  let said = '';
  for await (const chunk of child.stderr.setEncoding('utf8')) {
    said += chunk;
    const [, port, fragment] = said.match(/http:\/\/\S+?:(\d+)\/(\S*)\n/) ?? [];
    if (port) {
      child.stderr.resume();
      const token = args[args.indexOf('--token') + 1]; // wsrun prints a given token only to terminals
      return { child, port: Number(port), fragment: args.includes('--token') ? `#${new URLSearchParams({ token })}` : fragment };
    }
  }
  throw new Error(`wsrun says ${said}`);
}

/** A command run by a shell. */
export const sh = (script) => ['sh', '-c', script];

/** Opens a page that must have no errors and no violations of its policy. */
export async function open(t, port, { path = '', ...options } = {}, prepare = async () => {}) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  page.problems = [];
  page.on('console', (m) => m.type() === 'error' && page.problems.push(m.text()));
  page.on('pageerror', (e) => page.problems.push(String(e)));
  page.on('dialog', (d) => { page.problems.push(`dialog ${d.message()}`); d.dismiss(); });
  await prepare(page, context);
  await page.goto(`http://127.0.0.1:${port}/${path}`);
  return page;
}

/** Makes terminals draw with elements, which a test can look at; for open's prepare. */
export const withoutWebGL = (page) => page.addInitScript(() => {
  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) { return kind === 'webgl2' ? null : getContext.call(this, kind, ...rest); };
});

/** Waits until the screen shows some words, drawn with elements. */
export const untilScreen = (page, want) => page.waitForFunction((w) => document.querySelector('#screen .xterm-rows')?.textContent.replaceAll('\u00a0', ' ').includes(w), want);

/** The log's lines. */
export const rows = (page) => page.locator('.block > div').evaluateAll((all) => all.filter((r) => r.checkVisibility()).map((r) => r.textContent));

/** The lines' numbers. */
export const numbers = (page) => page.locator('.block > div').evaluateAll((all) => all.map((r) => r.dataset.n ?? ''));

export const untilRow = (page, want) => page.waitForFunction((w) => [...document.querySelectorAll('.block > div')].some((r) => r.textContent.trim() === w), want);

/** A proxy that can cut its connections. */
export async function proxy(t, port = () => 0) {
  const sockets = new Set();
  const server = createServer((near) => {
    const far = createConnection(port(), '127.0.0.1');
    sockets.add(near);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => sockets.forEach((s) => s.destroy());
  t.after(() => { server.close(); cut(); });
  return { port: server.address().port, cut };
}
