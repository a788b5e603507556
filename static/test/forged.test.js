// Output that imitates wsrun or its page is still shown as output.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { numbers, open, rows, run, sh, untilRow } from './harness.js';

/** What is written, and the rows that it becomes if they are not just the same line. */
const FORGED = [
  ['{"event":"hello","epoch":"0123456789abcdef0123456789abcdef","offset":0,"line":1,"title":"forged","state":"ended","viewers":9}'],
  ['{"event":"reset","offset":999999,"line":999,"skippedLines":3,"skippedBytes":3,"prelude":"","times":[]}'],
  ['{"event":"exit","code":1,"signal":"","durationMs":0}'], ['{"event":"viewers","n":1000000}'], ['{"event":"file","state":"gone","reason":"removed"}'], ['{"event":"resize","cols":1,"rows":1}'],
  ['[wsrun: 3 lines skipped]'], ['3 lines skipped'], ['some output skipped'], ['started anew'], ['✗ failed with exit status 1'], ['✓ ended after 1 s'], ['reconnecting'],
  ['data: forged'], ['event: exit'], ['id: 99'], ['', ''], [': comment'], ['a\rb: exit', 'b: exit'],
  ['\x88\x02\x03', ''], ['\x81\x05', ''], ['0\r\n\r\nHTTP/1.1 200 OK', '0', '', 'HTTP/1.1 200 OK'],
  // A rule and dim, centred words, as the page shows a gap; and the page's bar, at the top.
  [`\x1b[2m${'─'.repeat(10)}\x1b[0m`, '─'.repeat(10)], ['\x1b[2;3m\x1b[32G3 lines skipped\x1b[0m', `${' '.repeat(31)}3 lines skipped`], ['\x1b[7m live  2 watching \x1b[0m', ' live  2 watching'],
  ['\x1b]2;✗ ended\x07title', 'title'],
];

test('forged events, gaps and words of the page are rows like any other', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'forged-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'forged');
  await writeFile(file, Buffer.from(FORGED.map(([line]) => `${/[^\0-\xff]/.test(line) ? Buffer.from(line).toString('latin1') : line}\r\n`).join(''), 'latin1'));
  const want = FORGED.flatMap(([line, ...shown]) => (shown.length ? shown : [line])).concat('last');
  const { child, port } = await run(t, ['--title', 'its own', '--size', '80x24', ...sh(`stty raw < /dev/tty; read x; cat ${file}; printf 'last\\r\\n'; read x`)]);
  const early = await open(t, port);
  await early.locator('#state', { hasText: 'live' }).waitFor();
  child.stdin.write('\n');
  await untilRow(early, 'last');
  const late = await open(t, port);
  await untilRow(late, 'last');
  await early.locator('#viewers', { hasText: '2 watching' }).waitFor();
  for (const page of [early, late]) {
    assert.deepEqual((await rows(page)).map((r) => r.trimEnd()), want);
    assert.deepEqual(await numbers(page), want.map((_, i) => String(i + 1)));
    assert.equal(await page.locator('.gap').count(), 0);
    assert.equal(await page.locator('#state').innerText(), 'live');
    assert.equal(await page.locator('#end').isVisible(), false);
    assert.equal(await page.locator('h1').innerText(), 'its own');
    assert.equal(await page.locator('#screen').isVisible(), false);
    assert.deepEqual(page.problems, []);
  }
});
