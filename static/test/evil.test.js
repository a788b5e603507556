// A page of another site, open in the same browser, tries to read the output.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, open, run, sh, untilRow } from './harness.js';

// Output that would run as a script, apply as a style sheet, or show as a page.
const SECRET = 'the-output-itself';
const OUTPUT = `leak = '${SECRET}'; /*\n*{--leak:'${SECRET}'}/**/\n<script>parent.postMessage('${SECRET}', '*'); opener?.postMessage('${SECRET}', '*')</script>`;

/** @type {import('playwright-core').Browser} */
let browser;
let server;
before(async () => {
  browser = await launch(['--disable-features=LocalNetworkAccessChecks', '--host-resolver-rules=MAP *.example 127.0.0.1', '--disable-popup-blocking']);
  server = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>evil</title><body>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => { browser?.close(); server?.close(); });

// The ways in which a page can try to read a URL. Each runs in the page and returns what it got, which
// must be nothing.
const attempts = {
  webSocket: (url) => new Promise((done) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'));
    socket.onmessage = (e) => done(String(e.data) || 'a message');
    socket.onopen = () => setTimeout(() => done('a connection'), 500);
    socket.onclose = () => done('');
  }),
  webSocketOfThePage: (url) => new Promise((done) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), 'wsrun.v1');
    socket.onmessage = (e) => done(String(e.data) || 'a message');
    socket.onclose = () => done('');
  }),
  fetch: (url) => fetch(url).then((r) => r.text(), () => ''),
  fetchWithCredentials: (url) => fetch(url, { credentials: 'include' }).then((r) => r.text(), () => ''),
  fetchOpaque: (url) => fetch(url, { mode: 'no-cors', credentials: 'include' }).then((r) => r.text(), () => ''),
  fetchRange: (url) => fetch(url, { headers: { range: 'bytes=0-9' } }).then((r) => r.text(), () => ''),
  fetchPreflighted: (url) => fetch(url, { headers: { 'x-requested-with': 'x' } }).then((r) => r.text(), () => ''),
  post: (url) => fetch(url, { method: 'POST', body: 'x', mode: 'no-cors' }).then((r) => r.text(), () => ''),
  xhr: (url) => new Promise((done) => {
    const xhr = new XMLHttpRequest();
    xhr.onloadend = () => done(xhr.responseText);
    xhr.open('GET', url);
    xhr.withCredentials = true;
    xhr.send();
  }),
  eventSource: (url) => new Promise((done) => {
    const events = new EventSource(url, { withCredentials: true });
    events.onmessage = (e) => done(e.data);
    events.onerror = () => { events.close(); done(''); };
  }),
  script: (url) => new Promise((done) => {
    const script = document.body.appendChild(document.createElement('script'));
    script.onload = () => done(window.leak ?? 'it loads');
    script.onerror = () => done('');
    script.src = url;
  }),
  module: (url) => import(url).then(() => 'it loads', () => ''),
  style: (url) => new Promise((done) => {
    const link = document.head.appendChild(Object.assign(document.createElement('link'), { rel: 'stylesheet', href: url }));
    link.onload = () => done(getComputedStyle(document.body).getPropertyValue('--leak') || 'it loads');
    link.onerror = () => done('');
  }),
  image: (url) => new Promise((done) => {
    const image = new Image();
    image.onload = () => done(`${image.naturalWidth} pixels`);
    image.onerror = () => done('');
    image.src = url;
  }),
  video: (url) => new Promise((done) => {
    const video = document.createElement('video');
    video.onloadedmetadata = () => done('it loads');
    video.onerror = () => done('');
    video.src = url;
  }),
  font: (url) => new FontFace('x', `url(${url})`).load().then(() => 'it loads', () => ''),
  worker: (url) => new Promise((done) => {
    try {
      const worker = new Worker(url);
      worker.onmessage = () => done('it runs');
      worker.onerror = () => done('');
    } catch {
      done('');
    }
  }),
  ...Object.fromEntries(['iframe', 'object', 'embed'].map((name) => [name, `(url) => new Promise((done) => {
    const frame = document.createElement('${name}');
    addEventListener('message', (e) => { if (typeof e.data === 'string') done(e.data); });
    const look = () => {
      try {
        done(frame.contentDocument?.body?.textContent ?? '');
      } catch {
        done('');
      }
    };
    frame.onload = () => setTimeout(look, 200);
    frame.onerror = () => done('');
    setTimeout(look, 1500);
    frame['${name}' === 'object' ? 'data' : 'src'] = url;
    document.body.append(frame);
  })`])),
  sandboxedFrame: (url) => new Promise((done) => {
    const frame = document.createElement('iframe');
    frame.sandbox.add('allow-scripts');
    addEventListener('message', (e) => { if (e.data.sandboxed !== undefined) done(e.data.sandboxed); });
    frame.srcdoc = `<script>fetch(${JSON.stringify(url)}).then((r) => r.text(), () => '').then((t) => parent.postMessage({ sandboxed: t }, '*'))</script>`;
    document.body.append(frame);
  }),
  window: (url) => new Promise((done) => {
    const other = window.open(url);
    addEventListener('message', (e) => { if (typeof e.data === 'string') done(e.data); });
    setTimeout(() => {
      try {
        done(other?.document?.body?.textContent || (other && !other.closed && other.length ? `${other.length} frames` : ''));
      } catch {
        done('');
      }
      other?.close();
    }, 1000);
  }),
  ...Object.fromEntries(['get', 'post'].map((method) => [`${method}Form`, `(url) => new Promise((done) => {
    const frame = Object.assign(document.createElement('iframe'), { name: 'to-${method}' });
    const form = Object.assign(document.createElement('form'), { action: url, method: '${method}', target: 'to-${method}' });
    document.body.append(frame, form);
    addEventListener('message', (e) => { if (typeof e.data === 'string') done(e.data); });
    form.submit();
    setTimeout(() => {
      try {
        done(frame.contentDocument?.body?.textContent ?? '');
      } catch {
        done('');
      }
    }, 1000);
  })`])),
};

/** Tries every way on every URL from a page, and returns what it got. */
async function attack(page, urls) {
  const got = {};
  for (const url of urls) {
    await Promise.all(Object.entries(attempts).map(async ([name, attempt]) => {
      const what = await page.evaluate(`Promise.race([(${attempt})(${JSON.stringify(url)}), new Promise((done) => setTimeout(() => done(''), 4000))])`);
      if (what) got[`${name} ${url}`] = what;
    }));
    await page.evaluate(() => document.body.replaceChildren());
  }
  return got;
}

/** Starts the wsrun to attack, and returns its port and the paths with output. */
const victims = {
  'a command': async (t, flags, addr) => {
    const { port, fragment } = await run(t, [...flags, ...sh(`cat <<'END'\n${OUTPUT}\nEND\nread x`)], addr);
    return { port, fragment, paths: ['', '?tail=1', '?format=raw', '?embed', '-/status', '-/qr?text=x'] };
  },
  'wsrun files': async (t, flags, addr) => {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'wsrun-')));
    t.after(() => rm(dir, { recursive: true }));
    for (const name of ['a.html', 'a.js']) await writeFile(join(dir, name), `${OUTPUT}\n`);
    const { port, fragment } = await run(t, ['files', ...flags, dir], addr);
    return { port, fragment, paths: ['', `${dir.slice(1)}/a.js`, `${dir.slice(1)}/a.html?format=raw`, '-/status'] };
  },
};

for (const [name, start] of Object.entries(victims)) {
  describe(name, { concurrency: false }, () => {
    // A logged-in browser has a cookie. Cookies ignore ports, so the browser also sends this one with
    // requests from other pages of the same host.
    for (const [kind, flags] of Object.entries({ 'without a token': [], 'of one who is logged in': ['--token', 'sesame'] })) {
      test(`a page of another port, or site, gets nothing ${kind}`, { timeout: 240_000 }, async (t) => {
        const { port, fragment, paths } = await start(t, flags);
        const context = await browser.newContext();
        t.after(() => context.close());
        const own = await context.newPage();
        await own.goto(`http://127.0.0.1:${port}/${fragment}`);
        await own.waitForFunction(() => /live|files/.test(document.querySelector('#state')?.textContent ?? ''));
        // wsrun's own page does get the output.
        const seen = await own.evaluate((path) => fetch(path).then((r) => r.text()), `/${paths[1]}`.replace('?tail=1', ''));
        assert.match(seen, new RegExp(SECRET));
        for (const host of ['127.0.0.1', 'evil.example']) {
          const page = await context.newPage();
          await page.goto(`http://${host}:${server.address().port}/`);
          assert.deepEqual(await attack(page, paths.map((path) => `http://127.0.0.1:${port}/${path}`)), {}, `from ${host}`);
          await page.close();
        }
        t.diagnostic(`promise: a page of another port, or site, gets nothing of ${name} ${kind} | figure: ${2 * paths.length * Object.keys(attempts).length} attempts by ${Object.keys(attempts).length} means, 0 bytes`);
      });
    }

    test('a name that leads here only for this (DNS rebinding) gets nothing', { timeout: 120_000 }, async (t) => {
      // The name first leads to the page's own server. Afterwards, wsrun has the page's origin, so the page
      // could read every response.
      const evil = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>')).listen(0, '127.0.0.1');
      await once(evil, 'listening');
      const { port } = evil.address();
      const context = await browser.newContext();
      t.after(() => context.close());
      const page = await context.newPage();
      await page.goto(`http://evil.example:${port}/`);
      evil.close();
      evil.closeAllConnections();
      await once(evil, 'close');
      const { paths } = await start(t, [], `127.0.0.1:${port}`);
      for (const path of paths) {
        const { status, body } = await page.evaluate((p) => fetch(p).then(async (r) => ({ status: r.status, body: await r.text() })), `/${path}`);
        assert.equal(status, 421, path);
        assert.doesNotMatch(body, new RegExp(`${SECRET}|epoch`));
        assert.equal(await page.evaluate(`(${attempts.webSocket})(${JSON.stringify(`http://evil.example:${port}/${path}`)})`), '');
      }
      t.diagnostic(`promise: by DNS rebinding a page gets nothing of ${name} | figure: ${2 * paths.length} attempts, 0 bytes`);
    });
  });
}

test('a link from another site leads to the page, which its opener can\'t reach', async (t) => {
  const { port } = await victims['a command'](t, []);
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`http://evil.example:${server.address().port}/`);
  const [popup] = await Promise.all([context.waitForEvent('page'), page.evaluate((url) => { window.other = window.open(url); }, `http://127.0.0.1:${port}/`)]);
  await popup.waitForFunction((s) => document.body?.textContent.includes(s), SECRET);
  assert.equal(await page.evaluate('window.other.closed'), true);
  assert.equal(await popup.evaluate('window.opener'), null);
});

test('an allowed origin, and no other, may embed the page', async (t) => {
  const friend = `http://friend.example:${server.address().port}`;
  const { port } = await victims['a command'](t, ['--allow-origin', friend]);
  const context = await browser.newContext();
  t.after(() => context.close());
  for (const [host, query, want] of [['friend.example', '?embed', true], ['friend.example', '', false], ['evil.example', '?embed', false]]) {
    const page = await context.newPage();
    await page.goto(`http://${host}:${server.address().port}/`);
    await page.evaluate((url) => new Promise((done) => {
      const frame = document.createElement('iframe');
      frame.onload = done;
      frame.src = url;
      document.body.append(frame);
    }), `http://127.0.0.1:${port}/${query}`);
    const frame = page.frames().find((f) => f !== page.mainFrame());
    if (want) await frame.waitForFunction((s) => document.body?.textContent.includes(s), SECRET);
    else assert.doesNotMatch(await frame.content().catch(() => ''), new RegExp(SECRET), `${host}/${query}`);
  }
});

test('a log that is a page runs no script when it is opened', async (t) => {
  const { port, paths } = await victims['wsrun files'](t, []);
  const page = await open(t, port, { path: paths[2] });
  assert.match(await page.locator('body').innerText(), /<script>/);
  assert.equal(await page.evaluate('document.contentType'), 'text/plain');
});

test('users log in by name and password', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wsrun-'));
  t.after(() => rm(dir, { recursive: true }));
  // htpasswd -nbB -C 4 ann 'open sesame'
  await writeFile(join(dir, 'users'), 'ann:$2y$04$7Jx3IijZ2PMddDSkB7gkY.yBZbrOO9zoFeym08gFspxMFNSJICBAe\n');
  const { port } = await run(t, ['--auth-file', join(dir, 'users'), ...sh('echo secret; read x')]);
  const page = await open(t, port);
  await page.getByText('needs a user and a password').waitFor();
  await page.locator('#user').fill('ann');
  await page.locator('#token').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByText('user or password is not right').waitFor();
  await page.locator('#token').fill('open sesame');
  await page.keyboard.press('Enter');
  await untilRow(page, 'secret');
  assert.equal(await page.locator('#token').inputValue(), '');
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], [`wsrun_${port}`, true, 'Strict']);
});
