// The log viewer: the list of files, and a followed file.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, realpath, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { numbers, open, rows, run, untilRow } from './harness.js';

const MOST = 200; // how many rows of a folder filelist.js shows at first

async function folder(t) {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'wsrun-')));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

/** Creates a folder of files whose times are a minute apart, newest first. */
async function filled(t, ...names) {
  const dir = await folder(t);
  for (const [i, name] of names.entries()) {
    await mkdir(join(dir, dirname(name)), { recursive: true });
    await writeFile(join(dir, name), `this is ${name}\n`);
    await aged(join(dir, name), 2 + i);
  }
  return dir;
}

/** Sets a file's age, in minutes. */
const aged = (path, minutes) => utimes(path, Date.now() / 1000 - 60 * minutes, Date.now() / 1000 - 60 * minutes);

/** The rows of the list, indented by nesting, with the state of folders. */
const shown = (page) => page.locator('#files').evaluate((list) => [...list.querySelectorAll('a, summary')].map((row) => {
  let level = 0;
  for (let up = row.closest('li').parentElement; up !== list; up = up.parentElement) level += up.matches('ul');
  const open = row.matches('summary') ? (row.parentElement.open ? '- ' : '+ ') : '';
  return ' '.repeat(level) + open + row.querySelector('.name').textContent + (open && ` ${row.querySelector('.size').textContent}`);
}));

/** The name of the focused row. */
const focused = (page) => page.evaluate(() => document.activeElement?.querySelector('.name')?.textContent);

const untilShown = (page, name) => page.locator('#files .name', { hasText: name }).first().waitFor();

async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

/** Counts the page's requests for the list. */
function countLists(page) {
  const count = { lists: 0 };
  page.on('request', (r) => { count.lists += r.headers().accept === 'application/json'; });
  return count;
}

/** Waits until a row's age has changed as often as given. */
async function untilAged(page, times) {
  const age = () => page.locator('#files .time').last().textContent();
  for (let last = await age(); times; times--) {
    await page.waitForFunction((last) => [...document.querySelectorAll('#files .time')].at(-1).textContent !== last, last);
    last = await age();
  }
}

/** A reverse proxy that forwards requests below /logs/ to an HTTP server, and WebSockets only if it has to. */
async function reverseProxy(t, port, sockets = () => 'forward') {
  const forward = (from) => request({ port: port(), host: '127.0.0.1', method: from.method, path: from.url.slice('/logs'.length), headers: from.headers });
  const server = createServer((from, to) => {
    if (!from.url.startsWith('/logs/')) return to.writeHead(404).end();
    from.pipe(forward(from).on('response', (r) => r.pipe(to.writeHead(r.statusCode, r.headers))).on('error', () => (to.headersSent ? to.destroy() : to.writeHead(502).end())));
  });
  server.on('upgrade', (from, near) => {
    if (sockets() === 'refuse') return near.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    if (sockets() === 'ignore') return t.after(() => near.destroy());
    forward(from).on('upgrade', (r, far, head) => {
      near.write(`HTTP/1.1 101 Switching Protocols\r\n${Object.entries(r.headers).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
      near.write(head);
      far.pipe(near).pipe(far);
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
    }).on('error', () => near.destroy()).on('response', () => near.destroy()).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => { server.close(); server.closeAllConnections(); });
  return server.address().port;
}

test('files are listed, newest first, filtered by typing, and opened by keyboard', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'old.log'), 'old\n');
  await utimes(join(dir, 'old.log'), 1e9, 1e9);
  await writeFile(join(dir, 'a b#c?%.log'), 'odd name\n');
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port);
  const names = () => page.locator('#files .name').allTextContents();
  await page.getByText('2 files').waitFor();
  assert.deepEqual(await names(), ['a b#c?%.log', 'old.log']);
  assert.equal(await page.locator('.fresh').count(), 1);
  await writeFile(join(dir, 'new.log'), 'x');
  await page.getByText('3 files').waitFor();
  await page.keyboard.type('old');
  await page.getByText('1 of 3').waitFor();
  assert.deepEqual(await names(), ['old.log']);
  await page.locator('#query').fill('#c?');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await untilRow(page, 'odd name');
  assert.equal(await page.locator('h1').getAttribute('title'), join(dir, 'a b#c?%.log'));
  await page.goBack();
  await page.getByText('1 of 3').waitFor();
  await press(page, 'Escape');
  await page.getByText('3 files').waitFor();
  assert.deepEqual(page.problems, []);
});

test('the list is not asked for while nothing changes, and once at each change', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'a.log'), '');
  const { port } = await run(t, ['files', dir]);
  let count;
  const frames = [];
  const page = await open(t, port, {}, (page) => {
    count = countLists(page);
    page.on('websocket', (s) => s.on('framereceived', ({ payload }) => typeof payload !== 'string' && frames.push(String(payload))));
  });
  await untilShown(page, 'a.log');
  await untilAged(page, 1);
  const first = count.lists; // 2 if connecting took long
  await untilAged(page, 2);
  assert.equal(count.lists, first);
  await writeFile(join(dir, 'b.log'), '');
  await untilShown(page, 'b.log');
  await untilAged(page, 1);
  assert.equal(count.lists, first + 1);

  const hide = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  const before = frames.length;
  await writeFile(join(dir, 'c.log'), '');
  while (frames.length === before) await page.waitForTimeout(50);
  await writeFile(join(dir, 'd.log'), '');
  while (frames.length === before + 1) await page.waitForTimeout(50); // by now, the page could have asked because of c.log
  assert.equal(count.lists, first + 1);
  await hide(false);
  await untilShown(page, 'd.log');
  assert.equal(count.lists, first + 2);
  assert.deepEqual(frames.slice(-2), ['{"files":3,"cut":false}\n', '{"files":4,"cut":false}\n']);
  assert.deepEqual(page.problems, []);
});

for (const sockets of ['refuse', 'ignore']) {
  test(`the list is shown behind a proxy that would ${sockets} WebSockets`, async (t) => {
    const dir = await filled(t, 'a.log');
    let far;
    const port = await reverseProxy(t, () => far, () => sockets);
    ({ port: far } = await run(t, ['files', '--allow-host', `127.0.0.1:${port}`, dir]));
    const page = await open(t, port, { path: 'logs/' });
    await untilShown(page, 'a.log');
    if (sockets === 'ignore') return; // the next try is a minute away
    await writeFile(join(dir, 'b.log'), '');
    await untilShown(page, 'b.log');
  });
}

test('the page says that wsrun is away, and goes on when it is back', async (t) => {
  const dir = await filled(t, 'a.log');
  let far;
  const port = await reverseProxy(t, () => far);
  const start = () => run(t, ['files', '--allow-host', `127.0.0.1:${port}`, dir]);
  const first = await start();
  far = first.port;
  const page = await open(t, port, { path: 'logs/' });
  await untilShown(page, 'a.log');
  first.child.kill();
  await page.getByText('wsrun does not answer').waitFor();
  assert.deepEqual(await shown(page), ['a.log']);
  await writeFile(join(dir, 'b.log'), '');
  ({ port: far } = await start());
  await untilShown(page, 'b.log');
  assert.equal(await page.locator('#notice').isVisible(), false);
  await writeFile(join(dir, 'c.log'), '');
  await untilShown(page, 'c.log');
});

test('folders are a tree, newest first, with their numbers of files', async (t) => {
  const dir = await filled(t, 'b/c/1.log', 'top.log', 'a/2.log', 'b/3.log', 'd/e/f/4.log', 'a/5.log');
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port);
  await page.getByText('6 files').first().waitFor();
  assert.deepEqual(await shown(page), [`- ${dir}/ 6 files`, ' + b/ 2 files', ' top.log', ' + a/ 2 files', ' + d/e/f/ 1 file']);
  await page.locator('summary', { hasText: 'a/' }).last().click();
  assert.deepEqual((await shown(page)).slice(3), [' - a/ 2 files', '  2.log', '  5.log', ' + d/e/f/ 1 file']);
  await page.locator('summary', { hasText: 'a/' }).last().click();
  assert.equal((await shown(page)).length, 5);
  assert.deepEqual(page.problems, []);
});

test('the tree by keyboard', async (t) => {
  const dir = await filled(t, 'a/b/1.log', 'a/2.log', '3.log');
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port);
  await untilShown(page, '3.log');
  const query = page.locator('#query');
  await press(page, 'ArrowDown', 'ArrowDown');
  assert.equal(await focused(page), 'a/');
  await press(page, 'ArrowRight');
  assert.deepEqual(await shown(page), [`- ${dir}/ 3 files`, ' - a/ 2 files', '  + b/ 1 file', '  2.log', ' 3.log']);
  assert.equal(await focused(page), 'a/');
  await press(page, 'ArrowRight');
  assert.equal(await focused(page), 'b/');
  await press(page, 'Enter', 'ArrowDown');
  assert.equal(await focused(page), '1.log');
  await press(page, 'ArrowLeft');
  assert.equal(await focused(page), 'b/');
  await press(page, 'ArrowLeft', 'ArrowLeft');
  assert.equal(await focused(page), 'a/');
  assert.deepEqual((await shown(page)).slice(2), ['  + b/ 1 file', '  2.log', ' 3.log']);
  await press(page, 'ArrowLeft', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowDown');
  assert.equal(await focused(page), '3.log');

  await press(page, '/');
  await page.keyboard.type('t/');
  assert.equal(await query.inputValue(), 't/'); // this page has no commands
  await query.fill('1.log');
  await page.getByText('1 of 3').waitFor();
  assert.deepEqual(await shown(page), ['1.log']);
  assert.equal(await page.locator('#files .dir').innerText(), `${dir}/a/b/`);
  await press(page, 'ArrowDown', 'Escape');
  assert.equal(await query.inputValue(), '');
  assert.deepEqual(await shown(page), [`- ${dir}/ 3 files`, ' + a/ 2 files', ' 3.log']);
  await press(page, 'Escape');
  await page.keyboard.type('2.l');
  await page.getByText('1 of 3').waitFor();
  await press(page, 'Enter');
  await untilRow(page, 'this is a/2.log');
  assert.deepEqual(page.problems, []);
});

test('a tree if there are folders, else a list; or what the user wants, on later visits, too', async (t) => {
  const dir = await filled(t, 'a/1.log', 'a/2.log');
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port);
  await untilShown(page, '2.log');
  assert.deepEqual(await shown(page), ['1.log', '2.log']);
  await mkdir(join(dir, 'b'));
  await writeFile(join(dir, 'b/3.log'), '');
  await untilShown(page, 'b/');
  await press(page, 't');
  assert.deepEqual(await shown(page), ['3.log', '1.log', '2.log']);
  await page.reload();
  await untilShown(page, '2.log');
  assert.deepEqual(await shown(page), ['3.log', '1.log', '2.log']);
  await page.getByRole('button', { name: 'tree', pressed: false }).click();
  assert.deepEqual(await shown(page), [`- ${dir}/ 3 files`, ' + b/ 1 file', ' + a/ 2 files']);
  await page.getByRole('button', { name: 'tree', pressed: true }).waitFor();
  await rm(join(dir, 'b'), { recursive: true });
  await untilShown(page, '/a/'); // the only match, and still shown as a tree
  assert.deepEqual(await shown(page), [`- ${dir}/a/ 2 files`, ' 1.log', ' 2.log']);
});

test('as files come, grow and go, what is open, looked at and in focus stays', async (t) => {
  const names = (folder) => Array.from({ length: 60 }, (_, i) => `${folder}/${i}.log`);
  const dir = await filled(t, ...names('a'), ...names('b'), 'c/d/1.log');
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port);
  await untilShown(page, 'c/d/');
  for (const name of ['c/d/', 'b/', 'a/']) await page.locator('summary', { hasText: name }).last().click();
  await page.locator('a', { hasText: '30.log' }).last().focus();
  const place = () => page.evaluate(() => Math.round(document.activeElement.getBoundingClientRect().top));
  const before = await place();
  await page.evaluate(() => { for (const row of document.querySelectorAll('#files li')) row.was = true; });
  const [first] = await shown(page);
  assert.equal(first, `- ${dir}/ 121 files`);
  // Three rows appear above it: a folder, a new file and a file that has grown; three disappear.
  await mkdir(join(dir, 'c/e'));
  await writeFile(join(dir, 'c/e/2.log'), '');
  await aged(join(dir, 'c/e/2.log'), 0.5);
  await writeFile(join(dir, 'new.log'), '');
  await aged(join(dir, 'a/50.log'), 1);
  await rm(join(dir, 'a/10.log'));
  await rm(join(dir, 'a/11.log'));
  await rm(join(dir, 'a/12.log'));
  await page.waitForFunction(() => document.querySelector('#files .size').textContent === '120 files');
  assert.equal(await focused(page), '30.log');
  assert.ok(Math.abs(await place() - before) <= 1, `${await place()}, was ${before}`);
  const now = await shown(page);
  assert.deepEqual(now.slice(1, 3), [' new.log', ' - c/ 2 files']);
  assert.ok(now.includes(' - a/ 57 files') && now.includes(' - b/ 60 files') && now.includes('  - d/ 1 file'), now.join('\n'));
  assert.equal(now[now.indexOf(' - a/ 57 files') + 1], '  50.log');
  const made = await page.evaluate(() => [...document.querySelectorAll('#files li')].filter((row) => !row.was).length);
  assert.equal(made, 3); // new.log, c/ and e/; all others are the same elements as before
  await press(page, 'ArrowUp');
  assert.equal(await focused(page), '29.log');
  await appendFile(join(dir, 'b/29.log'), 'it goes up itself\n');
  await page.waitForFunction(() => document.activeElement?.closest('li')?.previousElementSibling === null || document.activeElement === document.body);
  assert.equal(await focused(page), '29.log');
  // A folder that is split or merged keeps open what was open in it.
  await rm(join(dir, 'c/e'), { recursive: true });
  await untilShown(page, 'c/d/');
  assert.deepEqual((await shown(page)).slice(-2), [' - c/d/ 1 file', '  1.log']);
  await mkdir(join(dir, 'c/f'));
  await writeFile(join(dir, 'c/f/3.log'), '');
  await untilShown(page, 'f/');
  const split = await shown(page);
  assert.deepEqual(split.slice(split.indexOf(' - c/ 2 files'), split.indexOf(' - c/ 2 files') + 4), [' - c/ 2 files', '  + f/ 1 file', '  - d/ 1 file', '   1.log']);
  assert.deepEqual(page.problems, []);
});

test('back goes back to the same place', async (t) => {
  const dir = await filled(t, 'a/b/1.log', ...Array.from({ length: 300 }, (_, i) => `c/${i}.log`));
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port);
  await untilShown(page, 'c/');
  await page.locator('summary', { hasText: 'c/' }).last().click();
  await page.locator('a', { hasText: /^199\.log/ }).focus();
  await page.locator('a', { hasText: /^290\.log/ }).focus(); // was not shown at first
  const top = await page.locator('main').evaluate((e) => e.scrollTop);
  await press(page, 'Enter');
  await untilRow(page, 'this is c/290.log');
  await page.goBack();
  await untilShown(page, '290.log');
  assert.equal(await focused(page), '290.log');
  assert.equal(await page.locator('main').evaluate((e) => e.scrollTop), top);
  await page.goForward();
  await untilRow(page, 'this is c/290.log');
  await page.getByRole('link', { name: 'files' }).click();
  await untilShown(page, '290.log');
  assert.deepEqual(page.problems, []);
});

test('10,000 files in 1,000 folders are shown at once, and an update touches what has changed', async (t) => {
  const dir = await folder(t);
  for (let i = 0; i < 1000; i++) {
    await mkdir(join(dir, `f${i % 50}/g${i}`), { recursive: true });
    await Promise.all(Array.from({ length: 10 }, (_, j) => writeFile(join(dir, `f${i % 50}/g${i}/${j}.log`), '')));
  }
  const path = join(dir, 'f7/g7/7.log');
  await Promise.all(Array.from({ length: 10_000 }, (_, i) => aged(join(dir, `f${Math.floor(i / 10) % 50}/g${Math.floor(i / 10)}/${i % 10}.log`), 90 * 24 * 60 + i)));
  const { port } = await run(t, ['files', dir]);
  for (const [files, rows] of [['tree', 1 + 50], ['list', MOST]]) {
    const page = await open(t, port, {}, (page, context) => context.addInitScript((files) => localStorage.setItem('wsrun', JSON.stringify({ files })), files));
    await page.getByText('10,000 files').first().waitFor();
    assert.equal(await page.locator('#files a, #files summary').count(), rows, files);
    await page.evaluate(() => {
      window.changes = 0;
      new MutationObserver((all) => { window.changes += all.length; }).observe(document.getElementById('files'), { childList: true, characterData: true, subtree: true, attributes: true });
    });
    await writeFile(path, 'x');
    await page.locator('.fresh').first().waitFor();
    const changes = await page.evaluate(() => window.changes);
    assert.ok(changes > 0 && changes < 30, `${changes} changes`);
    await aged(path, 100 * 24 * 60);
    await page.locator('.fresh').first().waitFor({ state: 'detached' });
    await page.keyboard.type('/g999/9');
    await page.getByText('1 of 10,000').waitFor();
    // Scrolling brings the other rows.
    await press(page, 'Escape');
    if (files === 'list') {
      await page.waitForFunction(() => {
        const main = document.querySelector('main');
        main.scrollTop = main.scrollHeight;
        return document.querySelectorAll('#files a').length > 3000;
      });
    }
    assert.deepEqual(page.problems, []);
  }
});

for (const width of [320, 390]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`nothing sticks out at ${width} px, ${colorScheme}`, async (t) => {
      const long = `${'a-very-long-name-'.repeat(5)}2026.log`;
      const dir = await filled(t, `nginx/sites/${long}`, 'nginx/access.log', 'syslog');
      const { port } = await run(t, ['files', '--token', 'secret', dir]);
      const look = async (page) => assert.deepEqual(await page.evaluate(() => {
        const out = [];
        const parts = [...document.querySelectorAll('header, header *, main *, #log *, #login *')].filter((e) => e.checkVisibility() && !e.closest('#state, [popover]') && e.getClientRects().length);
        for (const e of parts) {
          const { left, right } = e.getBoundingClientRect();
          if (left < -0.5 || right > innerWidth + 0.5) out.push(`${e.tagName} ${e.className || e.id} ${left} to ${right}`);
        }
        const cells = parts.filter((e) => e.matches('#files span, header > *')).map((e) => [e, e.getBoundingClientRect()]);
        for (const [a, x] of cells) {
          for (const [b, y] of cells) {
            if (a !== b && x.width && y.width && x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1) out.push(`${a.className || a.id} over ${b.className || b.id}`);
          }
        }
        return out;
      }), []);
      const view = { viewport: { width, height: 640 }, colorScheme };
      const locked = await open(t, port, view);
      await locked.getByPlaceholder('token').waitFor();
      await look(locked);
      const page = await open(t, port, { ...view, path: '#token=secret' });
      await untilShown(page, 'syslog');
      await press(page, 'ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowDown', 'ArrowRight');
      await untilShown(page, 'a-very-long');
      await look(page);
      const [ground, text] = await page.evaluate(() => [document.body, document.querySelector('.name')].map((e) => getComputedStyle(e)).map((s, i) => (i ? s.color : s.backgroundColor)));
      assert.deepEqual([ground, text], colorScheme === 'dark' ? ['rgb(13, 17, 23)', 'rgb(230, 237, 243)'] : ['rgb(255, 255, 255)', 'rgb(31, 35, 40)']);
      await press(page, 't');
      await look(page);
      await page.keyboard.type('log');
      await page.getByText('3 of 3').waitFor();
      await look(page);
      await page.locator('#files a').filter({ hasText: 'a-very-long' }).click();
      await untilRow(page, `this is nginx/sites/${long}`);
      await look(page);
      assert.deepEqual(page.problems, []);
    });
  }
}

test('behind a reverse proxy, under a path that it strips', async (t) => {
  const dir = await filled(t, 'a b/#1?.log', 'a b/c/2.log', '3.log');
  let far;
  const port = await reverseProxy(t, () => far);
  const { port: own, child } = await run(t, ['files', '--token', 's3cret', '--allow-host', `127.0.0.1:${port}`, dir]);
  far = own;
  const paths = [];
  const page = await open(t, port, { path: 'logs/#token=s3cret' }, async (page) => {
    page.on('request', (r) => paths.push(new URL(r.url()).pathname));
    page.on('websocket', (s) => paths.push(new URL(s.url()).pathname));
  });
  await untilShown(page, '3.log');
  assert.equal(page.url(), `http://127.0.0.1:${port}/logs/`);
  await press(page, 'ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowDown', 'Enter');
  await untilRow(page, 'this is a b/#1?.log');
  const file = `/logs${dir}/a%20b/%231%3F.log`;
  assert.equal(new URL(page.url()).pathname, file);
  await appendFile(join(dir, 'a b/#1?.log'), 'more\n');
  await untilRow(page, 'more');
  assert.deepEqual([...new Set(paths.filter((p) => !p.startsWith('/logs/')))], []);
  assert.ok(paths.filter((p) => p === file).length >= 2, 'page and socket');
  await page.locator('#more').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'bytes' }).click()]);
  assert.equal(download.url(), `http://127.0.0.1:${port}${file}?format=raw`);
  await page.goBack();
  await untilShown(page, '#1?.log');
  await page.goForward();
  await untilRow(page, 'more');
  await page.getByRole('link', { name: 'files' }).click();
  await untilShown(page, '3.log');
  assert.equal(page.url(), `http://127.0.0.1:${port}/logs/`);
  assert.deepEqual(page.problems, []);

  // Without the token in the URL, both pages ask for it.
  for (const path of ['logs/', file.slice(1)]) {
    const other = await open(t, port, { path });
    await other.getByPlaceholder('token').waitFor();
    if (path === 'logs/') await other.waitForFunction(() => document.activeElement?.id === 'token').then(() => other.keyboard.type('s3cret'));
    else await other.getByPlaceholder('token').fill('s3cret');
    await press(other, 'Enter');
    await (path === 'logs/' ? untilShown(other, '3.log') : untilRow(other, 'more'));
    assert.equal(await other.locator('#login').isVisible(), false);
  }
  child.kill();
  await page.getByText('wsrun does not answer').waitFor();
});

test('a file is followed, over a rotation; its lines have its numbers', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'a.log');
  await writeFile(path, Array.from({ length: 200 }, (_, i) => `line ${i + 1}\n`).join(''));
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port, { path: path.slice(1) });
  await untilRow(page, 'line 200');
  await appendFile(path, 'line 201\n');
  await untilRow(page, 'line 201');
  assert.equal((await numbers(page)).at(-1), '201');
  await rename(path, `${path}.1`);
  await writeFile(path, 'anew\n');
  await untilRow(page, 'anew');
  assert.deepEqual((await rows(page)).slice(-3), ['line 201', 'the file was replaced: what follows is the new one', 'anew']);
  // The new file has its own numbers, which links mean; the old one's rows show theirs.
  assert.deepEqual((await numbers(page)).filter(Boolean), ['1']);
  assert.deepEqual(await page.locator('.block > div').evaluateAll((all) => all.slice(-3).map((r) => getComputedStyle(r, '::before').content)), ['"201" / ""', '""', '"1" / ""']);
  await page.evaluate(() => { location.hash = '#L1'; });
  await page.locator('.marked', { hasText: 'anew' }).waitFor();
  assert.equal(await page.locator('.marked').count(), 1);
  await page.locator('#more').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'bytes' }).click()]);
  assert.equal(download.suggestedFilename(), `${path.slice(1).replaceAll('/', '-')}.ansi`);
  assert.deepEqual(page.problems, []);
});

test('a page goes on at the next byte of a file when wsrun is back, and says so of no other run', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'a.log');
  const lines = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}\n`).join('');
  await writeFile(path, lines(1, 2000));
  const { child, port } = await run(t, ['files', dir]);
  const page = await open(t, port, { path: path.slice(1) });
  await untilRow(page, 'line 2000');
  await page.evaluate(() => { document.querySelector('.block > div').id = 'kept'; });
  child.kill();
  await once(child, 'exit');
  await appendFile(path, lines(2001, 2100));
  await run(t, ['files', dir], `127.0.0.1:${port}`);
  await untilRow(page, 'line 2100');
  assert.equal(await page.locator('#kept').count(), 1, 'the rows were made anew');
  const [all, texts] = [await numbers(page), await rows(page)];
  assert.deepEqual(texts.map((text) => text.replace('line ', '')), all);
  assert.equal(await page.getByText('replaced').count(), 0);
  // Other content is shown in place of the old one.
  await writeFile(path, 'other content\n');
  await untilRow(page, 'other content');
});

test('of a large file the last lines are shown, with the numbers that they have in it', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'big.log'), Array.from({ length: 50_000 }, (_, i) => `line ${i + 1}\n`).join(''));
  const { port } = await run(t, ['files', '-n', '500', dir]);
  const page = await open(t, port, { path: `${dir.slice(1)}/big.log` });
  await untilRow(page, 'line 50000');
  assert.equal((await rows(page)).length, 500);
  assert.deepEqual([(await numbers(page))[0], (await numbers(page)).at(-1)], ['49501', '50000']);
  const gone = await open(t, port, { path: `${dir.slice(1)}/big.log?grep=9999$` });
  await untilRow(gone, 'line 49999');
  await gone.getByText('numbers count from the first line shown').waitFor();
  assert.deepEqual(await rows(gone), ['line 9999', 'line 19999', 'line 29999', 'line 39999', 'line 49999']);
});

test('the lines of a huge file get their numbers once they are counted', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'huge.log');
  await writeFile(path, '');
  await truncate(path, 2 ** 31); // one line
  await appendFile(path, Array.from({ length: 5000 }, (_, i) => `\nline ${i + 2}`).join(''));
  const { port } = await run(t, ['files', '-n', '500', dir]);
  const page = await open(t, port, { path: path.slice(1) });
  await untilRow(page, 'line 5001');
  await appendFile(path, '\nline 5002\n');
  await page.waitForFunction(() => document.querySelector('[data-n="5002"]')?.textContent === 'line 5002' && !document.querySelector('.relative'));
  assert.deepEqual((await rows(page)).map((text) => text.replace('line ', '')), await numbers(page));
  await page.evaluate(() => { location.hash = '#L4900'; });
  await page.locator('.marked', { hasText: 'line 4900' }).waitFor();
});
