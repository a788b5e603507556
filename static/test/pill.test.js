// What the page says about the place of a paused view: what is new, and how far behind it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, proxy, run, sh, untilRow } from './harness.js';

const MANY = 60_000; // lines from which on a paused log holds new ones back
const pill = (page) => page.locator('#pill').innerText();
const state = (page, words) => page.locator('#state').getByText(words, { exact: true }).waitFor();

test('a backlog that is still loading is not new', async (t) => {
  const lines = 2 * MANY;
  const { child, port } = await run(t, ['-n', String(lines), '--buffer', '64MiB', ...sh(`seq 1 ${lines}; while read x; do echo $x; done`)]);
  while ((await (await fetch(`http://127.0.0.1:${port}/-/status`)).json()).lines < lines) await new Promise((r) => { setTimeout(r, 50); });
  await new Promise((r) => { setTimeout(r, 1000); });
  const page = await open(t, port, { path: '#L5' }); // which pauses as soon as line 5 is there
  await page.locator('.marked').waitFor();
  await page.locator('#state', { hasText: /^paused, 119,9\d\d behind$/ }).waitFor(); // it is loaded
  assert.equal(await pill(page), 'to the end ↓');
  child.stdin.write('one\ntwo\n');
  await page.getByText('2 new lines ↓').waitFor();
});

test('lines that the filter hides are not new', async (t) => {
  const { child, port } = await run(t, sh('seq 1 300; while read x; do echo $x; done'));
  const page = await open(t, port, { path: '?filter=keep&only=1' });
  await page.locator('#count', { hasText: 'no hits' }).waitFor();
  await page.locator('#log').focus();
  await page.keyboard.press(' ');
  await state(page, 'paused');
  child.stdin.write('a\nb\nkeep 1\nc\nkeep 2\n');
  await page.getByText('2 new lines ↓').waitFor();
  child.stdin.write('d\ne\n');
  await page.waitForFunction(() => document.querySelectorAll('.block > div').length === 307);
  assert.equal(await pill(page), '2 new lines ↓');
  await page.locator('[name=only]').uncheck();
  await page.getByText('7 new lines ↓').waitFor();
});

test('lines that a paused log holds back are counted like those that it has', async (t) => {
  const { child, port } = await run(t, ['-n', '100000', '--buffer', '64MiB', ...sh(`seq 1 500; read x; seq 501 ${MANY + 5000}; while read x; do echo $x; done`)]);
  const page = await open(t, port);
  await untilRow(page, '500');
  await page.keyboard.press(' ');
  child.stdin.write('\n');
  await page.getByText('64,500 new lines ↓').waitFor({ timeout: 60_000 });
  await page.keyboard.press('/');
  await page.keyboard.type('/^64\\d\\d\\d$/');
  await page.locator('[name=only]').check();
  await page.getByText('1,000 new lines ↓').waitFor();
});

test('lines that were missed while there was no connection are new', async (t) => {
  let port = 0;
  const far = await proxy(t, () => port);
  const { child, port: near } = await run(t, ['--allow-host', `127.0.0.1:${far.port}`, ...sh('seq 1 300; while read x; do echo $x; done')]);
  port = near;
  const page = await open(t, far.port);
  await untilRow(page, '300');
  await page.keyboard.press(' ');
  port = 1; // nothing listens there
  far.cut();
  await page.locator('#state', { hasText: 'reconnecting' }).waitFor();
  child.stdin.write('a\nb\nc\n');
  port = near;
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await page.getByText('3 new lines ↓').waitFor();
});

test('the bar says paused, and how far behind the view is', async (t) => {
  const { child, port } = await run(t, sh('seq 1 300; while read x; do echo $x; [ "$x" != end ] || exit 3; done'));
  const page = await open(t, port);
  await untilRow(page, '300');
  await state(page, 'live');
  await page.keyboard.press(' ');
  await state(page, 'paused');
  child.stdin.write('x\n'.repeat(262));
  await state(page, 'paused, 262 behind');
  await page.keyboard.press('g');
  const inView = await page.locator('.block > div').evaluateAll((all) => all.map((r) => r.getBoundingClientRect()).filter((r) => (r.top + r.bottom) / 2 < document.getElementById('log').getBoundingClientRect().bottom).length);
  await state(page, `paused, ${562 - inView} behind`);
  assert.equal(await pill(page), '262 new lines ↓');
  await page.keyboard.press('G');
  await state(page, 'live');
  await page.keyboard.press(' ');
  await state(page, 'paused');
  child.stdin.write('end\n');
  await state(page, 'failed with exit status 3');
});
