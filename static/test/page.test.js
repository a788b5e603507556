// What a viewer can do with the output: read, follow, find, link, download.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { numbers, open, rows, run, sh, untilRow } from './harness.js';

const pill = (page) => page.locator('#pill');
const atEnd = (page) => page.locator('#log').evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight < 12);

test('it follows the end, pauses when scrolled up, and comes back', async (t) => {
  const { child, port } = await run(t, sh('seq 1 200; while read x; do echo more $x; done'));
  const page = await open(t, port);
  await untilRow(page, '200');
  await page.waitForFunction(() => { const e = document.getElementById('log'); return e.scrollHeight - e.scrollTop - e.clientHeight < 12; });
  await page.locator('#log').hover();
  await page.mouse.wheel(0, -800);
  await pill(page).waitFor();
  child.stdin.write('1\n2\n');
  await untilRow(page, 'more 2');
  await page.getByText('2 new lines ↓').waitFor();
  assert.equal(await atEnd(page), false);
  await pill(page).click();
  await pill(page).waitFor({ state: 'hidden' });
  assert.equal(await atEnd(page), true);
  child.stdin.write('3\n');
  await untilRow(page, 'more 3');
  assert.equal(await atEnd(page), true);
});

test('it pauses while output runs, however little is scrolled', async (t) => {
  const { port } = await run(t, sh('seq 1 500; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done'));
  const page = await open(t, port);
  await untilRow(page, 'line 20');
  for (const pause of [() => page.keyboard.press(' '), () => page.mouse.wheel(0, -10), () => page.keyboard.press('PageUp'), () => page.keyboard.press('ArrowUp')]) {
    await page.locator('#log').hover();
    await pause();
    await pill(page).waitFor();
    await page.getByText(/^[3-9]\d new lines/).waitFor();
    assert.equal(await atEnd(page), false);
    await page.keyboard.press('G');
    await pill(page).waitFor({ state: 'hidden' });
  }
});

test('by keyboard only: pause, top, end, help, filter, times, size, wrap', async (t) => {
  const { child, port } = await run(t, sh('seq 1 300; read x; echo late; read x'));
  const page = await open(t, port);
  await untilRow(page, '300');
  await page.keyboard.press(' ');
  await pill(page).waitFor();
  child.stdin.write('\n');
  await untilRow(page, 'late');
  await page.getByText('1 new line ↓').waitFor();
  await page.keyboard.press('g');
  assert.equal(await page.locator('#log').evaluate((e) => e.scrollTop), 0);
  await page.keyboard.press('G');
  assert.equal(await atEnd(page), true);
  await page.keyboard.press('?');
  await page.getByRole('heading', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#help').waitFor({ state: 'hidden' });
  await page.keyboard.press('t');
  assert.match(await page.locator('[data-n="300"]').getAttribute('data-t'), /^\d\d:\d\d:\d\d\.\d{3}$/);
  await page.keyboard.press('+');
  assert.equal(await page.locator('#log').evaluate((e) => getComputedStyle(e).fontSize), '14px');
  await page.keyboard.press('0');
  await page.keyboard.press('w');
  assert.equal(await page.locator('.block > div').first().evaluate((e) => getComputedStyle(e).whiteSpace), 'pre');
  await page.keyboard.press('/');
  await page.keyboard.type('late');
  await page.getByText('1 hit').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#filter').isVisible(), false);
  // The menu as well, and the focus is visible.
  for (let i = 0; i < 12 && !(await page.evaluate(() => document.activeElement?.id === 'more')); i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Copy all' }).waitFor();
  assert.notEqual(await page.locator('#more').evaluate((e) => { e.focus(); return getComputedStyle(e).outlineStyle; }), 'none');
  assert.deepEqual(page.problems, []);
});

test('filter: text, case, expressions, invert, context, steps, and the URL', async (t) => {
  const { port } = await run(t, sh('for i in $(seq 1 60); do echo "line $i"; done; echo "Error: one"; echo "after (x)"; echo "error: two"'));
  const page = await open(t, port, { path: '?filter=error&only=1' });
  await page.getByText('2 hits').waitFor();
  assert.deepEqual(await rows(page), ['Error: one', 'error: two']);
  assert.deepEqual(await page.evaluate(() => [...CSS.highlights.get('hit')].map(String)), ['Error', 'error']);
  const query = page.locator('#query');
  await page.locator('[name=case]').check();
  await page.getByText('1 hit').waitFor();
  await page.locator('[name=context]').fill('1');
  assert.deepEqual(await rows(page), ['after (x)', 'error: two']);
  await page.locator('[name=invert]').check();
  await page.getByText('62 hits').waitFor();
  await page.locator('[name=invert]').uncheck();
  await query.fill('/^line [12]$/');
  await page.getByText('2 hits').waitFor();
  assert.deepEqual(await rows(page), ['line 1', 'line 2', 'line 3']);
  await query.fill('(x)'); // not taken as an expression
  await page.getByText('1 hit').waitFor();
  await query.fill('/(a+)+$/');
  await page.locator('#count', { hasText: 'repetition within' }).waitFor();
  await query.fill('/(/');
  await page.locator('#count', { hasText: 'bad expression' }).waitFor();
  assert.deepEqual(await rows(page), ['Error: one', 'after (x)', 'error: two']);
  await query.fill('error');
  await page.locator('[name=case]').uncheck();
  await page.locator('[name=only]').uncheck();
  await page.locator('[data-do=unfilter]').waitFor();
  await query.press('Enter');
  await page.getByText('1 of 2').waitFor();
  await query.press('Enter');
  await page.getByText('2 of 2').waitFor();
  await query.press('Shift+Enter');
  await page.getByText('1 of 2').waitFor();
  assert.equal(await page.locator('.current').textContent(), 'Error: one');
  assert.equal(new URL(page.url()).search, '?filter=error&context=1');
  await query.fill('no such thing');
  await page.getByText('no hits').waitFor();
  assert.deepEqual(page.problems, []);
});

test('new lines are filtered as they come', async (t) => {
  const { child, port } = await run(t, sh('while read x; do echo $x; done'));
  const page = await open(t, port, { path: '?filter=keep&only=1&context=1' });
  child.stdin.write('a\nb\nkeep 1\nc\nd\ne\nkeep 2\n');
  await page.getByText('2 hits').waitFor();
  assert.deepEqual(await rows(page), ['b', 'keep 1', 'c', 'e', 'keep 2']);
});

test('links to lines: a click, a range, an address, and one that is gone', async (t) => {
  const { port } = await run(t, ['-n', '500', ...sh('seq 1 1000')]);
  const page = await open(t, port, { path: '#L600-L602' });
  await page.locator('.marked').first().waitFor();
  assert.deepEqual(await page.locator('.marked').allTextContents(), ['600', '601', '602']);
  assert.ok(await page.locator('[data-n="600"]').evaluate((e) => { const b = e.getBoundingClientRect(); return b.top > 0 && b.bottom < innerHeight; }));
  await page.locator('[data-n="605"]').click({ position: { x: 10, y: 8 } });
  assert.equal(new URL(page.url()).hash, '#L605');
  await page.locator('[data-n="608"]').click({ position: { x: 10, y: 8 }, modifiers: ['Shift'] });
  assert.equal(new URL(page.url()).hash, '#L605-L608');
  assert.deepEqual(await page.locator('.marked').allTextContents(), ['605', '606', '607', '608']);
  await page.locator('[data-n="600"]').click({ position: { x: 100, y: 8 } }); // on the text
  assert.equal(new URL(page.url()).hash, '#L605-L608');
  const gone = await open(t, port, { path: '#L3' });
  await gone.getByText('Line 3 is no longer kept: the first one is 501.').waitFor();
});

test('times: each kind, from the backlog and live', async (t) => {
  const { child, port } = await run(t, sh('echo old; while read x; do echo $x; done'));
  await new Promise((r) => { setTimeout(r, 1100); });
  const page = await open(t, port);
  await untilRow(page, 'old');
  child.stdin.write('new\n');
  await untilRow(page, 'new');
  const times = () => page.locator('.block > div').evaluateAll((all) => all.map((r) => r.dataset.t ?? ''));
  const shown = page.locator('#times-now');
  const kinds = {};
  for (let i = 0; i < 5; i++) {
    await page.keyboard.press('t');
    kinds[await shown.textContent()] = await times();
  }
  assert.deepEqual(Object.keys(kinds), ['local', 'UTC', 'since start', 'since previous line', 'off']);
  assert.match(kinds.UTC[0], /^\d\d:\d\d:\d\d\.\d{3}$/);
  assert.match(kinds['since start'][0], /^\+0\.\d{3}$/);
  assert.ok(Number(kinds['since previous line'][1]) >= 1, `${kinds['since previous line']}`);
  assert.deepEqual(kinds.off, ['', '']);
});

test('what is copied is the text alone, and wrapped lines are one', async (t) => {
  const long = 'x'.repeat(300);
  const { port } = await run(t, sh(`echo one; echo; echo ${long}; echo https://example.com/a.`));
  const page = await open(t, port, { permissions: ['clipboard-read', 'clipboard-write'] });
  await untilRow(page, 'https://example.com/a.');
  await page.keyboard.press('t');
  await page.locator('#log').focus();
  const selected = await page.evaluate(() => { getSelection().selectAllChildren(document.getElementById('log')); return String(getSelection()); });
  assert.equal(selected.trimEnd(), `one\n\n${long}\nhttps://example.com/a.`);
  await page.locator('#more').click();
  await page.getByRole('menuitem', { name: 'Copy all' }).click();
  const copied = await page.evaluate(async () => {
    for (const end = Date.now() + 10_000; Date.now() < end;) {
      const text = await navigator.clipboard.readText();
      if (text) return text;
      await new Promise((r) => { setTimeout(r, 50); });
    }
  });
  assert.equal(copied, `one\n\n${long}\nhttps://example.com/a.\n`);
  const link = page.locator('#log a');
  assert.deepEqual([await link.getAttribute('href'), await link.getAttribute('rel')], ['https://example.com/a', 'noopener noreferrer']);
});

test('taken away: text, bytes, and a page with colours', async (t) => {
  const { port } = await run(t, ['--title', 'a build', ...sh(`printf '\\033[31mred\\033[0m <b>\\n'`)]);
  const page = await open(t, port);
  await untilRow(page, 'red <b>');
  await page.locator('#more').click();
  const get = async (name, role) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole(role, { name, exact: true }).click()]);
    return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')];
  };
  assert.deepEqual(await get('text', 'menuitem'), ['a-build.txt', 'red <b>\n']);
  assert.deepEqual(await get('bytes', 'menuitem'), ['a-build.ansi', '\x1b[31mred\x1b[0m <b>\r\n']);
  const [name, html] = await get('HTML', 'menuitem');
  assert.equal(name, 'a-build.html');
  assert.match(html, /<span class="f1">red<\/span> &lt;b&gt;/);
  assert.doesNotMatch(html, /<script|https?:/);
});

test('a full-screen program shows the screen, and its end the log again', async (t) => {
  const { child, port } = await run(t, ['--size', '80x24', ...sh(`echo before; printf '\\033[?1049h\\033[HFULL SCREEN'; read x; printf '\\033[?1049l'; echo after; read x`)]);
  const page = await open(t, port);
  await page.locator('#screen .xterm-screen').waitFor();
  assert.equal(await page.locator('#log').isVisible(), false);
  child.stdin.write('\n');
  await untilRow(page, 'after');
  await page.locator('#log').waitFor();
  assert.equal(await page.locator('#screen').isVisible(), false);
  assert.deepEqual(await rows(page), ['before', 'after']);
  await page.keyboard.press('v');
  await page.locator('#screen').waitFor();
  const [fits, ratio] = await page.locator('#screen').evaluate((e) => {
    const screen = e.querySelector('.xterm-screen').getBoundingClientRect();
    return [screen.width <= e.clientWidth && screen.height <= e.clientHeight, Math.max(screen.width / e.clientWidth, screen.height / e.clientHeight)];
  });
  assert.ok(fits && ratio > 0.8, `${ratio}`);
  assert.deepEqual(page.problems, []);
});

test('who comes late gets the screen, and the lines before it with their numbers', async (t) => {
  // The ring has only the end of what the program has drawn.
  const { child, port } = await run(t, ['--size', '80x24', '--buffer', '2KiB', ...sh(`printf 'one\\033[31m\\ntwo\\n'; printf '\\033[?1049h\\033[HFULL SCREEN'
    for i in $(seq 500); do printf "\\033[9;9H%05d" $i; done; echo; read x; printf '\\033[?1049l'; echo three; read x`)]);
  const early = await open(t, port);
  await early.locator('#screen .xterm-screen').waitFor();
  await early.waitForTimeout(500);
  const page = await open(t, port, { path: '?view=log' });
  await untilRow(page, 'two');
  child.stdin.write('\n');
  for (const p of [page, early]) await untilRow(p, 'three');
  assert.deepEqual(await rows(page), ['one', 'two', 'three']);
  assert.deepEqual(await numbers(page), await numbers(early));
  assert.deepEqual(page.problems, []);
});

for (const program of [['vim', '-u', 'NONE', '/etc/passwd'], ['less', '/etc/passwd'], ['top']]) {
  test(`${program[0]} is shown as a screen`, async (t) => {
    // wsrun gets its own terminal, because the programs need keys.
    const { port } = await run(t, ['script', '-qec', program.join(' '), '/dev/null']);
    const page = await open(t, port, { path: program[0] === 'top' ? '?view=screen' : '' });
    await page.locator('#screen .xterm-screen').waitFor();
    assert.deepEqual(page.problems, []);
  });
}

test('on a phone: touch, lines wrapped to its width, the menu', async (t) => {
  const { port } = await run(t, sh(`seq 1 100; echo ${'word '.repeat(60)}`));
  for (const viewport of [{ width: 360, height: 640 }, { width: 640, height: 360 }, { width: 320, height: 480 }]) {
    const page = await open(t, port, { viewport, hasTouch: true, isMobile: true });
    await untilRow(page, '100');
    const [width, log] = await page.evaluate(() => [document.documentElement.scrollWidth, document.getElementById('log').scrollWidth]);
    assert.ok(width <= viewport.width && log <= viewport.width, `${width}, ${log} of ${viewport.width}`);
    await page.locator('#more').tap();
    await page.getByRole('menuitem', { name: /^Keys/ }).scrollIntoViewIfNeeded();
    assert.ok(await page.locator('#menu').evaluate((e) => e.getBoundingClientRect().bottom <= innerHeight));
    await page.locator('#menu [data-do=filter]').tap();
    await page.locator('#query').fill('100');
    await page.getByText('1 hit').waitFor();
    assert.ok(await page.locator('#filter').evaluate((e) => e.scrollWidth <= innerWidth));
    assert.deepEqual(page.problems, []);
  }
});

test('themes: chosen ones are kept, without a flash; embedded there is only output', async (t) => {
  const { port } = await run(t, ['--allow-origin', 'https://friend.example', ...sh('echo hi')]);
  const page = await open(t, port, { colorScheme: 'light' });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await untilRow(page, 'hi');
  await page.locator('#more').click();
  for (let i = 0; i < 2; i++) await page.locator('#menu [data-do=theme]').click();
  assert.equal(await ground(), 'rgb(13, 17, 23)');
  await page.route('**/app.js', (r) => r.abort()); // before any module runs
  await page.reload();
  assert.equal(await ground(), 'rgb(13, 17, 23)');
  const embedded = await open(t, port, { path: '?embed' });
  await untilRow(embedded, 'hi');
  assert.equal(await embedded.locator('header').isVisible(), false);
  const headers = async (path) => (await fetch(`http://127.0.0.1:${port}/${path}`, { headers: { accept: 'text/html' } })).headers;
  assert.match((await headers('?embed')).get('content-security-policy'), /frame-ancestors https:\/\/friend\.example$/);
  assert.match((await headers('')).get('content-security-policy'), /frame-ancestors 'none'$/);
  assert.equal((await headers('')).get('x-frame-options'), 'DENY');
});

test('the share panel holds the address and its QR code', async (t) => {
  const { port } = await run(t, sh('echo hi; read x'));
  const page = await open(t, port);
  await untilRow(page, 'hi');
  await page.locator('#more').click();
  await page.getByRole('menuitem', { name: 'Share…' }).click();
  await page.locator('#share-url', { hasText: page.url() }).waitFor();
  await page.waitForFunction(() => document.getElementById('share-qr').naturalWidth > 0);
  assert.deepEqual(page.problems, []);
});

test('wide characters, characters cut by chunks, long lines, several lines redrawn', async (t) => {
  const { child, port } = await run(t, sh(`printf '漢字 👍 e\\314\\201 \\342'; read x; printf '\\202\\254\\n'; head -c 10000 /dev/zero | tr '\\0' y; printf '\\na\\nb\\n\\033[2A\\033[2KA\\n\\033[2KB\\nend\\n'; read x`));
  const page = await open(t, port);
  await page.locator('.block > div', { hasText: '漢字' }).waitFor();
  child.stdin.write('\n');
  await untilRow(page, 'end');
  assert.deepEqual(await rows(page), ['漢字 👍 é €'.normalize('NFD'), 'y'.repeat(10_000), 'A', 'B', 'end']);
  assert.deepEqual((await numbers(page)).slice(0, 3), ['1', '2', '3']);
});

test('a notification at the end, if asked for', async (t) => {
  const { child, port } = await run(t, sh('echo hi; read x; exit 4'));
  const page = await open(t, port, { permissions: ['notifications'] }, (p) => p.addInitScript(() => {
    window.shown = [];
    window.Notification = class { static permission = 'granted'; static async requestPermission() { return 'granted'; } constructor(title, o) { window.shown.push([title, o.body]); } };
    Object.defineProperty(document, 'hidden', { get: () => window.away ?? false });
  }));
  await untilRow(page, 'hi');
  await page.locator('#more').click();
  await page.locator('[data-do=notify]').click();
  await page.locator('#notify-now', { hasText: 'on' }).waitFor();
  await page.evaluate(() => { window.away = true; });
  child.stdin.write('\n');
  await page.locator('#end', { hasText: 'failed with exit status 4' }).waitFor();
  const [[, body]] = await page.evaluate(() => window.shown);
  assert.match(body, /failed with exit status 4/);
});
