// Downloads of what the page has, when wsrun is gone.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { open, run, sh, untilRow } from './harness.js';

/** Opens a page, waits until it shows a line and has loaded what it may need later, and kills wsrun. */
async function orphan(t, args) {
  const { child, port } = await run(t, args);
  const page = await open(t, port);
  await untilRow(page, '1000');
  await page.waitForFunction(() => ['menu', 'export'].every((part) => performance.getEntriesByType('resource').some((r) => r.name.endsWith(`/${part}.js`))));
  child.kill('SIGKILL');
  await once(child, 'exit');
  return page;
}

async function download(page, link) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator(link).click()]);
  return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')];
}

const lines = (from) => Array.from({ length: 1001 - from }, (_, i) => `${from + i}\n`).join('');

test('text and HTML can be had when wsrun is gone, and bytes cannot', async (t) => {
  const page = await orphan(t, ['--title', 'a build', ...sh('seq 1 1000; read x')]);
  await page.getByText('wsrun does not answer').waitFor();
  await page.locator('#more').click();
  assert.deepEqual(await download(page, '#menu .get-text'), ['a-build.txt', lines(1)]);
  await page.getByText('wsrun does not answer: the download is what this page has, all lines that it got.').waitFor();
  const [name, html] = await download(page, '#menu [data-do=html]');
  assert.equal(name, 'a-build.html');
  assert.match(html, /<div[^>]*>1000<\/div>/);
  await page.locator('#menu .get-raw').click();
  await page.getByText('this page has no bytes of the output').waitFor();
});

test('if the page does not have all lines, it says so', async (t) => {
  const page = await orphan(t, ['-n', '400', ...sh('seq 1 1000; read x')]);
  await page.getByText('wsrun does not answer').waitFor();
  await page.locator('#more').click();
  const [, text] = await download(page, '#menu .get-text');
  const first = parseInt(text, 10);
  assert.equal(text, lines(first));
  await page.getByText(`${1001 - first} of 1,000 lines`).waitFor();
});

test('a download is never that of another run', async (t) => {
  const first = await run(t, sh('seq 1 1000; exit 3'));
  const page = await open(t, first.port);
  await page.locator('#end').waitFor();
  await page.waitForFunction(() => performance.getEntriesByType('resource').some((r) => r.name.endsWith('/menu.js')));
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  await run(t, sh('echo another; read x'), `127.0.0.1:${first.port}`);
  assert.deepEqual((await download(page, '#end .get-text'))[1], lines(1));
});

test('HTML has the lines that a paused page holds back', async (t) => {
  const { child, port } = await run(t, ['-n', '100000', ...sh('seq 1 1000; read x; seq 1001 65000; read x')]);
  const page = await open(t, port);
  await untilRow(page, '1000');
  await page.keyboard.press(' ');
  child.stdin.write('\n');
  await page.getByText('64,000 new lines').waitFor();
  await page.locator('#more').click();
  const [, html] = await download(page, '#menu [data-do=html]');
  const got = [...html.matchAll(/<div[^>]*>(\d+)<\/div>/g)].map((m) => Number(m[1]));
  assert.deepEqual(got, Array.from({ length: 65_000 }, (_, i) => i + 1));
});

test('the link at the end works, too', async (t) => {
  const page = await orphan(t, sh('seq 1 1000; exit 3'));
  assert.deepEqual((await download(page, '#end .get-text'))[1], lines(1));
});
