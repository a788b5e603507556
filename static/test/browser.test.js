// Connections and exits: what the page shows and keeps.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { numbers, open, proxy, rows, run, sh, untilRow } from './harness.js';

test('colours, progress, markup as text, title, a good end', async (t) => {
  const { port } = await run(t, ['--title', 'a <b>title</b>', ...sh(`printf '\\033[31mred\\033[0m\\n10 %%\\r100 %%\\n<img src=x onerror=alert(1)>\\nlast\\n'`)]);
  const page = await open(t, port);
  await untilRow(page, 'last');
  assert.deepEqual(await rows(page), ['red', '100 %', '<img src=x onerror=alert(1)>', 'last']);
  assert.deepEqual(await numbers(page), ['1', '2', '3', '4']);
  const [red, plain] = await page.evaluate(() => ['red', 'last'].map((text) => {
    const row = [...document.querySelectorAll('.block > div')].find((r) => r.textContent === text);
    return getComputedStyle(row.firstElementChild ?? row).color;
  }));
  assert.notEqual(red, plain);
  assert.match(red, /^rgb\((2\d\d), (\d+), \d+\)$/);
  await page.getByText('✓ ended after').waitFor();
  assert.equal(await page.title(), '✓ a <b>title</b>');
  assert.equal(await page.locator('#state').innerText(), 'ended');
  assert.deepEqual(page.problems, []);
});

test('a bad end, and one by a signal', async (t) => {
  for (const [script, want] of [['exit 3', 'failed with exit status 3'], ['kill -9 $$', 'killed by SIGKILL']]) {
    const { port } = await run(t, sh(script));
    const page = await open(t, port);
    await page.locator('#end', { hasText: want }).waitFor();
    assert.equal(await page.locator('#state').innerText(), want);
    assert.match(await page.title(), /^✗ /);
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

test('a late viewer agrees on the numbers of lines', async (t) => {
  const { child, port } = await run(t, ['-n', '50', ...sh('seq 1 300; read x; printf "a\\nb\\n"; read x')]);
  const late = await open(t, port);
  await untilRow(late, '300');
  child.stdin.write('\n');
  await untilRow(late, 'b');
  const [text, n] = [await rows(late), await numbers(late)];
  assert.ok(text.length >= 50);
  assert.deepEqual(n, text.map((line) => ({ a: '301', b: '302' })[line] ?? line));
});

test('a cut connection is resumed without a lost or doubled line', async (t) => {
  let started;
  const far = await proxy(t, () => started.port);
  // The page's Host header names the proxy.
  started = await run(t, ['--allow-host', `127.0.0.1:${far.port}`, ...sh('i=0; while read x; do i=$((i+1)); echo line $i; done')]);
  const page = await open(t, far.port);
  started.child.stdin.write('\n\n');
  await untilRow(page, 'line 2');
  far.cut();
  await page.getByText(/^reconnecting/).waitFor();
  started.child.stdin.write('\n\n');
  await untilRow(page, 'line 4');
  assert.deepEqual(await rows(page), ['line 1', 'line 2', 'line 3', 'line 4']);
  assert.equal(await page.locator('#state').innerText(), 'live');
});

/** Opens a page, cuts its connection for 60,000 lines, and waits until it shows the last one. */
async function missMuch(t, ...args) {
  let port = 0;
  const far = await proxy(t, () => port);
  const started = await run(t, ['-n', '10', ...args, '--allow-host', `127.0.0.1:${far.port}`, ...sh('seq 1 5; read x; seq 6 60000; read x')]);
  port = started.port;
  const page = await open(t, far.port);
  await untilRow(page, '5');
  port = 1; // nothing listens there
  far.cut();
  await page.getByText(/^reconnecting/).waitFor();
  started.child.stdin.write('\n');
  const status = async () => (await fetch(`http://127.0.0.1:${started.port}/-/status`)).json();
  while ((await status()).end < 408_894);
  port = started.port;
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await untilRow(page, '60000');
  return page;
}

test('lines that went by while the connection was cut come from the history', async (t) => {
  const page = await missMuch(t);
  const text = await rows(page);
  assert.deepEqual(text, await numbers(page)); // no note that lines are missing
  assert.deepEqual(text, Array.from(text, (_, i) => String(60_001 - text.length + i)));
  assert.ok(text.length >= 20_000);
});

test('lines that the history does not have are counted in their place', async (t) => {
  const page = await missMuch(t, '--history', '0');
  const text = await rows(page);
  assert.deepEqual(text.slice(0, 7), ['1', '2', '3', '4', '5', '59,985 lines skipped', '59991']);
  assert.equal((await numbers(page))[6], '59991');
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

test('a token is asked for, and taken from the address', async (t) => {
  const { port, fragment } = await run(t, ['--token', 'a+b&c;"é', ...sh('echo secret; read x')]);
  const page = await open(t, port);
  await page.getByText('needs a token').waitFor();
  assert.doesNotMatch(await page.content(), /secret/);
  await page.locator('#token').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByText('not right').waitFor();
  await page.locator('#token').fill('a+b&c;"é');
  await page.keyboard.press('Enter');
  await untilRow(page, 'secret');
  const other = await open(t, port, { path: fragment });
  await untilRow(other, 'secret');
  assert.doesNotMatch(other.url(), /token/);
  const pasted = await open(t, port);
  await pasted.getByText('needs a token').waitFor();
  await pasted.evaluate((f) => { location.hash = f; }, fragment);
  await untilRow(pasted, 'secret');
  assert.doesNotMatch(pasted.url(), /token/);
});

test('without xterm.js the page shows plain text and says why', async (t) => {
  const { child, port } = await run(t, sh(`printf '\\033[31mred\\033[0m\\n10 %%\\r'; read x; printf '20 %%\\r\\nend\\n'`));
  const page = await open(t, port, {}, (p) => p.route('**/xterm.mjs', (r) => r.fulfill({ status: 404 })));
  const lines = () => page.locator('.block > div').allTextContents();
  await page.locator('.block > div', { hasText: '10 %' }).waitFor();
  await page.getByText('no xterm.js').waitFor();
  assert.deepEqual(await lines(), ['red', '10 %']);
  child.stdin.write('\n');
  await page.locator('.block > div', { hasText: 'end' }).waitFor();
  assert.deepEqual(await lines(), ['red', '20 %', 'end']);
  assert.deepEqual(await numbers(page), ['1', '2', '3']);
});

test('plain text follows the end until the reader scrolls, and then stays where it is; it can be taken away', async (t) => {
  const { child, port } = await run(t, sh('seq 1 300; while read x; do seq 1 $x; echo end of $x; done'));
  const page = await open(t, port, {}, (p) => p.route('**/xterm.mjs', (r) => r.fulfill({ status: 404 })));
  const more = (count) => {
    child.stdin.write(`${count}\n`);
    return page.locator('.block > div', { hasText: `end of ${count}` }).waitFor({ state: 'attached' });
  };
  const below = () => page.locator('#log').evaluate((e) => e.scrollHeight - e.clientHeight - e.scrollTop);
  const y = () => page.locator('[data-n="330"]').evaluate((e) => e.getBoundingClientRect().top);
  await untilRow(page, '300');
  await more(50);
  assert.ok(await below() <= 1);
  await page.mouse.move(400, 300);
  await page.mouse.wheel(0, -500);
  await page.locator('#pill').waitFor();
  await page.waitForFunction(() => { const e = document.getElementById('log'); return e.scrollHeight - e.clientHeight - e.scrollTop >= 499; });
  await page.locator('[data-n="330"]').click({ position: { x: 4, y: 6 } });
  const before = await y();
  await page.keyboard.press('+');
  await more(30_000); // more than are kept while following
  assert.ok(Math.abs(await y() - before) < 1);
  assert.equal(await page.locator('.block > div').first().textContent(), '1');
  await page.locator('#pill').click();
  await more(1);
  assert.ok(await below() <= 1);
  const kept = await page.locator('.block > div').count();
  assert.ok(kept < 20_100, `${kept} rows`); // the log drops whole blocks of 100
  await page.waitForFunction(() => performance.getEntriesByType('resource').some((r) => r.name.endsWith('/menu.js')));
  child.kill('SIGKILL');
  await page.getByText('wsrun does not answer').waitFor();
  await page.locator('#more').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#menu .get-text').click()]);
  const lines = (await readFile(await download.path(), 'utf8')).split('\n');
  assert.deepEqual([lines.length - 1, lines.at(-2)], [kept, 'end of 1']);
});

test('on a phone nothing sticks out of the bar, light or dark', async (t) => {
  const { port } = await run(t, ['--title', 'a title of lines\nthat is much longer\nthan any phone is wide', ...sh('echo hi')]);
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, port, { viewport: { width: 320, height: 568 }, colorScheme });
    await untilRow(page, 'hi');
    const [width, ground] = await page.evaluate(() => [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]);
    assert.equal(width, 320);
    assert.ok((await page.locator('#title').boundingBox()).height < 30);
    assert.equal(ground, colorScheme === 'dark' ? 'rgb(13, 17, 23)' : 'rgb(255, 255, 255)');
  }
});
