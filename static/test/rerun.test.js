// A new run on the same address, and what the reader is looking at then.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { open, rows, run, sh, untilRow } from './harness.js';

const OLD = 'for i in $(seq 1 300); do echo old $i; done';
const control = (page) => page.getByRole('button', { name: 'A new run has started · Show it' });

/** Opens a page of a run, lets the reader do something, and replaces the run by another. */
async function rerun(t, read) {
  const old = await run(t, sh(`${OLD}; read x`));
  const page = await open(t, old.port);
  await untilRow(page, 'old 300');
  await read(page);
  old.child.kill('SIGKILL');
  await once(old.child, 'exit');
  const { child } = await run(t, sh('for i in $(seq 1 200); do echo new $i; done; while read x; do echo new $x; done'), `127.0.0.1:${old.port}`);
  return { page, child };
}

const top = (page) => page.locator('#log').evaluate((log) => log.scrollTop);

test('a reader who follows the end gets the new run at once', async (t) => {
  const { page } = await rerun(t, async () => {});
  await untilRow(page, 'new 200');
  assert.equal(await control(page).isVisible(), false);
  assert.ok(!(await rows(page)).includes('old 300'));
});

const READERS = {
  'has paused': async (page) => {
    await page.keyboard.press(' ');
    await page.locator('#log').hover();
    await page.mouse.wheel(0, -700);
    await page.waitForFunction(() => { const e = document.getElementById('log'); return e.scrollHeight - e.scrollTop - e.clientHeight > 600; });
  },
  'has selected text': (page) => page.evaluate(() => getSelection().selectAllChildren([...document.querySelectorAll('.block > div')].at(-1))),
  'has a filter': async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('old 30');
  },
  'is at a hit': async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('old 20');
    await page.keyboard.press('Enter');
    await page.locator('.current').waitFor();
  },
  'has marked a line': (page) => page.locator('[data-n="299"]').click({ position: { x: 10, y: 8 } }),
  'is at a line': (page) => page.keyboard.press('k'),
};

for (const [name, read] of Object.entries(READERS)) {
  test(`a reader who ${name} keeps the old run, and gets the new one for the asking`, async (t) => {
    let before;
    const { page, child } = await rerun(t, async (page) => {
      await read(page);
      before = [await rows(page), await page.locator('#title').innerText()];
      before.push(await top(page));
    });
    await control(page).waitFor();
    child.stdin.write('late\n');
    await page.waitForTimeout(300); // long enough for output that should not come
    assert.deepEqual([await rows(page), await page.locator('#title').innerText(), await top(page)], before);
    await control(page).click();
    await untilRow(page, 'new late');
    const now = await rows(page);
    assert.equal(now.at(-1), 'new late');
    assert.ok(!now.some((row) => row.includes('old')), now.join('\n'));
    assert.equal(await control(page).isVisible(), false);
    child.stdin.write('later\n');
    await untilRow(page, 'new later');
    assert.deepEqual(page.problems.filter((p) => !p.includes('ERR_CONNECTION')), []); // wsrun was gone
  });
}

for (const key of ['G', 'End', ' ']) {
  test(`the key "${key}" lets the old run go, too`, async (t) => {
    const { page } = await rerun(t, (page) => page.keyboard.press(' '));
    await control(page).waitFor();
    await page.keyboard.press(key);
    await untilRow(page, 'new 200');
    assert.ok(!(await rows(page)).some((row) => row.startsWith('old')));
  });
}

test('scrolling to the end of the old run does not take it away', async (t) => {
  const { page } = await rerun(t, (page) => page.keyboard.press('g'));
  await control(page).waitFor();
  await page.locator('#log').hover();
  await page.mouse.wheel(0, 100_000);
  await page.waitForFunction(() => { const e = document.getElementById('log'); return e.scrollHeight - e.scrollTop - e.clientHeight < 12; });
  await page.waitForTimeout(300); // long enough for output that should not come
  assert.equal((await rows(page)).at(-1), 'old 300');
  assert.equal(await page.locator('#state').innerText(), 'old run');
  assert.ok(await control(page).isVisible());
});

test('while the old run is shown, a download of text has its lines', async (t) => {
  const { page } = await rerun(t, (page) => page.keyboard.press(' '));
  await control(page).waitFor();
  await page.locator('#more').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#menu .get-text').click()]);
  assert.equal(await readFile(await download.path(), 'utf8'), Array.from({ length: 300 }, (_, i) => `old ${i + 1}\n`).join(''));
});

test('a mark does not move to the new run, where the line is another', async (t) => {
  const { page } = await rerun(t, READERS['has marked a line']);
  await control(page).click();
  await untilRow(page, 'new 200');
  assert.equal(new URL(page.url()).hash, '');
  assert.equal(await page.locator('.marked').count(), 0);
});
