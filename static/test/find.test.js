// Searching the screen, and what stays in effect while a bad expression is typed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { open, rows, run, sh, untilRow, untilScreen, withoutWebGL } from './harness.js';

const colour = (page, name) => page.evaluate((n) => {
  const e = document.body.appendChild(document.createElement('i'));
  e.style.color = `var(--${n})`;
  const { color } = getComputedStyle(e);
  e.remove();
  return color;
}, name);
/** The text on the screen that has a ground of its own, by row. */
const marked = async (page, name) => page.locator('#screen .xterm-rows > div').evaluateAll((all, want) => all
  .map((row) => [...row.querySelectorAll('span')].filter((s) => getComputedStyle(s).backgroundColor === want).map((s) => s.textContent.replaceAll('\u00a0', ' ')).join(''))
  .filter(Boolean), await colour(page, name));
/** Waits until the marks, which a later frame shows, are these. */
async function untilMarked(page, name, want) {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    if (isDeepStrictEqual(await marked(page, name), want)) return;
    await page.waitForTimeout(50);
  }
  assert.deepEqual(await marked(page, name), want);
}
const count = (page, words) => page.waitForFunction((w) => document.getElementById('count').textContent === w, words);

test('the last good expression stays in effect while a bad one is typed', async (t) => {
  const { child, port } = await run(t, sh(`printf 'apple\\nbanana\\ncherry\\n'; while read x; do echo $x; done`));
  const page = await open(t, port, { path: '?filter=%2Fan%2B%2F&only=1' });
  await count(page, '1 hit');
  assert.deepEqual(await rows(page), ['banana']);
  const query = page.locator('#query');
  await query.fill('/an(/');
  await page.locator('#count.bad', { hasText: 'bad expression' }).waitFor();
  assert.deepEqual(await rows(page), ['banana']);
  assert.equal(new URL(page.url()).searchParams.get('filter'), '/an+/');
  child.stdin.write('mango\nfig\n');
  await untilRow(page, 'mango');
  assert.deepEqual(await rows(page), ['banana', 'mango']);
  await page.waitForFunction(() => [...CSS.highlights.get('hit') ?? []].map(String).join() === 'an,an,an'); // a later frame marks them
  assert.match(await page.locator('#count').textContent(), /bad expression/);
  await page.locator('[name=only]').uncheck(); // the switches go on working
  assert.equal((await rows(page)).length, 5);
  await query.fill('fig');
  await count(page, '1 hit');
  assert.equal(await page.locator('#count.bad').count(), 0);
  await query.fill('/(/');
  await query.fill('');
  await count(page, '');
  await page.waitForFunction(() => !CSS.highlights.has('hit'));
  const bad = await open(t, port, { path: '?filter=%2F(%2F&only=1' });
  await bad.locator('#count.bad').waitFor();
  await untilRow(bad, 'apple');
  assert.equal((await rows(bad)).length, 5);
  for (const p of [page, bad]) assert.deepEqual(p.problems, []);
});

test('search in a full-screen program: hits are marked, counted and stepped through', async (t) => {
  const { child, port } = await run(t, ['--size', '80x24', 'script', '-qec', 'vim -n -u NONE /etc/passwd', '/dev/null']);
  const page = await open(t, port, {}, withoutWebGL);
  await untilScreen(page, 'root:x:0:0');
  const lines = await page.locator('#screen .xterm-rows > div').evaluateAll((all) => all.map((r) => r.textContent));
  const want = lines.flatMap((l) => l.match(/nologin/g) ?? []).length;
  assert.ok(want > 5);
  await page.keyboard.press('/');
  await page.keyboard.type('NoLogin');
  await count(page, `${want} hits on this screen`);
  await untilMarked(page, 'hit', Array(want).fill('nologin'));
  await page.keyboard.press('Enter');
  await count(page, `1 of ${want} on this screen`);
  await untilMarked(page, 'focus', ['nologin']);
  await page.keyboard.press('Shift+Enter');
  await count(page, `${want} of ${want} on this screen`);
  await page.locator('#query').fill('/^root.*bash$/');
  await count(page, '1 hit on this screen');
  await page.locator('#query').fill('no such words');
  await count(page, 'no hits on this screen');
  await untilMarked(page, 'hit', []);
  assert.equal(await page.locator('[name=only]').isDisabled(), true);
  // The program draws something else.
  await page.locator('#query').fill('second page');
  child.stdin.write('ggOthe second page\x1b0');
  await count(page, '1 hit on this screen');
  await untilMarked(page, 'hit', ['second page']);
  child.stdin.write('u');
  await count(page, 'no hits on this screen');
  // The log's search is as it was.
  const focused = await page.locator('#query').evaluate((query) => {
    query.focus();
    query.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
    return document.activeElement.id;
  });
  assert.notEqual(focused, 'query', 'the next key goes to a hidden field');
  await page.keyboard.press('v');
  await page.locator('#log').waitFor();
  assert.equal(await page.locator('[name=only]').isDisabled(), false);
  assert.deepEqual(page.problems, []);
});

test('search on a screen: wide characters, wrapped lines, the other view, another theme', async (t) => {
  const { port } = await run(t, ['--size', '20x8', ...sh(`printf '漢字 needle 字\\n'; printf 'xxxxxxxxxxxxxxxxxneedle\\nne\\033[7med\\033[27mle\\n'; read x`)]);
  const page = await open(t, port, { path: '?view=screen&filter=needle', colorScheme: 'light' }, withoutWebGL);
  await count(page, '3 hits on this screen');
  await untilMarked(page, 'hit', ['needle', 'nee', 'dle', 'needle']);
  for (const press of ['n', 'n', 'N']) await page.keyboard.press(press);
  await count(page, '1 of 3 on this screen');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)');
  await count(page, '1 of 3 on this screen');
  await untilMarked(page, 'hit', ['nee', 'dle', 'needle']);
  await untilMarked(page, 'focus', ['needle']);
  await page.keyboard.press('v'); // auto: the log
  await page.locator('#log').waitFor();
  await count(page, '3 hits');
  await page.keyboard.press('v');
  await count(page, '3 hits on this screen');
  assert.deepEqual(page.problems, []);
});

test('a search costs nothing in a flood once it is closed, and settles while it is open', async (t) => {
  const { port } = await run(t, ['--size', '80x24', ...sh(`printf '\\033[?1049h\\033[?25l'; i=0; while :; do i=$((i+1)); printf "\\033[5;5Hneedle $i"; done`)]);
  const page = await open(t, port, { path: '?filter=needle' }, withoutWebGL);
  await count(page, '1 hit on this screen');
  await untilMarked(page, 'hit', ['needle']);
  await page.locator('#query').press('Escape');
  await untilMarked(page, 'hit', []);
  assert.deepEqual(page.problems, []);
});
