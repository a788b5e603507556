// The log viewer: the list of files, and a file that is followed.
import assert from 'node:assert/strict';
import { appendFile, mkdtemp, realpath, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { numbers, open, rows, run, untilRow } from './harness.js';

async function folder(t) {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'wsrun-')));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
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
  await page.getByText('3 files').waitFor();
  assert.deepEqual(page.problems, []);
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
  await page.locator('#more').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'bytes' }).click()]);
  assert.equal(download.suggestedFilename(), `${path.slice(1).replaceAll('/', '-')}.ansi`);
  assert.deepEqual(page.problems, []);
});

test('of a large file the last lines are shown, and that numbers are relative', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'big.log'), Array.from({ length: 50_000 }, (_, i) => `line ${i + 1}\n`).join(''));
  const { port } = await run(t, ['files', '-n', '500', dir]);
  const page = await open(t, port, { path: `${dir.slice(1)}/big.log` });
  await untilRow(page, 'line 50000');
  assert.equal((await rows(page)).length, 500);
  await page.getByText('numbers count from the first line shown').waitFor();
  const gone = await open(t, port, { path: `${dir.slice(1)}/big.log?grep=9999$` });
  await untilRow(gone, 'line 49999');
  assert.deepEqual(await rows(gone), ['line 9999', 'line 19999', 'line 29999', 'line 39999', 'line 49999']);
});
