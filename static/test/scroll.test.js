// The page never moves under the reader: it follows the end to the pixel until the reader scrolls, and
// then keeps what the reader looks at where it is. With WSRUN_SCROLL=full, the numbers are those of the
// figures, and are printed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch, open, run, sh, untilRow } from './harness.js';
import { FULL, READERS, accessLog, finger, fromEnd, isPaused, openLog, random, settled } from './reader.js';

const LOADS = FULL ? 100 : 2;
const SECONDS = FULL ? 60 : 5;
const PLACES = FULL ? 10 : 1; // for each of the five anchors
const LINES = 3000;
const KEPT = 20_000; // rows in a log that follows, as in log.js

for (const reader of READERS) {
  test(`every page opens at the end: ${reader.name}`, async (t) => {
    const { port } = await run(t, accessLog(LINES, 0));
    let [short, paused] = [0, 0];
    for (let i = 0; i < LOADS; i++) {
      const page = await openLog(t, port, reader, LINES);
      await settled(page);
      if (await fromEnd(page) > 1) short++;
      if (await isPaused(page)) paused++;
      await page.context().close();
    }
    t.diagnostic(`${LOADS} loads: ${short} not at the end, ${paused} paused`);
    assert.deepEqual([short, paused], [0, 0]);
  });

  test(`at 200 lines a second it stays at the end, even when rows are dropped: ${reader.name}`, async (t) => {
    const first = reader.slow === 1 ? KEPT - 500 : LINES; // slow ones take too long to load many
    const { port } = await run(t, ['-n', '40000', '--buffer', '64MiB', ...accessLog(first, 200)]);
    const page = await openLog(t, port, reader, first);
    const [samples, off, paused] = await page.evaluate(async (count) => {
      const log = document.getElementById('log');
      const row = parseFloat(getComputedStyle(log).lineHeight);
      const result = [0, 0, 0];
      while (result[0] < count) {
        await new Promise((r) => { setTimeout(r, 100); });
        result[0]++;
        if (log.scrollHeight - log.scrollTop - log.clientHeight > row) result[1]++;
        if (!document.getElementById('pill').hidden) result[2]++;
      }
      return result;
    }, SECONDS * 10);
    t.diagnostic(`${samples} samples: ${off} off by more than a row, ${paused} paused`);
    assert.deepEqual([off, paused], [0, 0]);
  });
}

/** What the reader looks at: the row of a selector, or the first row that begins in view; and where it is. */
const look = (page, selector) => page.evaluate((s) => {
  const view = document.getElementById('log').getBoundingClientRect();
  const row = s ? document.querySelector(s) : [...document.querySelectorAll('.block > div')].find((r) => {
    const box = r.getBoundingClientRect();
    return box.height && box.top > view.top - 1 && box.top < view.bottom; // within a pixel, as for the page
  });
  return { n: Number(row.dataset.n), y: row.getBoundingClientRect().top };
}, selector);

/** Where a row is, or the next one that is not hidden. */
const yOf = (page, n) => page.evaluate((number) => {
  for (let i = number; ; i++) {
    const box = document.querySelector(`.block > div[data-n="${i}"]`)?.getBoundingClientRect();
    if (!box || box.height) return box?.top;
  }
}, n);

const resize = (page, by) => {
  const { width, height } = page.viewportSize();
  return page.setViewportSize({ width: width + by, height: height + by });
};
const rotate = (page) => {
  const { width, height } = page.viewportSize();
  return page.setViewportSize({ width: height, height: width });
};
const press = (key) => (page) => page.keyboard.press(key);
const check = (name, on) => (page) => page.locator(`[name=${name}]`).setChecked(on);

/** Changes of the layout; a row that a filter hides comes back to its place. */
const CHANGES = {
  'larger text': press('+'), 'still larger': press('+'), 'smaller text': press('-'), 'normal text': press('0'),
  'no wrapping': press('w'), wrapping: press('w'),
  ...Object.fromEntries(['local', 'UTC', 'since start', 'since previous', 'no'].map((times) => [`${times} times`, press('t')])),
  'the filter bar': press('/'),
  'a filter': (page) => page.locator('#query').fill('/api'),
  'others hidden': check('only', true),
  'with context': (page) => page.locator('[name=context]').fill('2'),
  'others shown': check('only', false),
  'no filter': async (page) => { await page.locator('#query').focus(); await page.keyboard.press('Escape'); },
  'a narrower window': (page) => resize(page, -70), 'a wider window': (page) => resize(page, 70),
  rotated: rotate, 'rotated back': rotate,
  'a late font': (page) => page.evaluate(async () => {
    const root = document.documentElement;
    root.style.setProperty('--mono', 'late, monospace');
    await new Promise((r) => { requestAnimationFrame(() => requestAnimationFrame(r)); });
    document.fonts.add(await new FontFace('late', 'local("DejaVu Sans"), local("Liberation Sans")').load());
  }),
  'without the font': (page) => page.evaluate(() => { document.fonts.clear(); document.documentElement.style.removeProperty('--mono'); }),
  'a row above that grows': (page) => changeAbove(page, 'grown '.repeat(500)),
  'a row above that shrinks': (page) => changeAbove(page, 'short'),
};
/** Changes the last row above the view, which is laid out, so that another height of it matters. */
async function changeAbove(page, text) {
  const changed = await page.evaluate((words) => {
    const log = document.getElementById('log');
    const { top } = log.getBoundingClientRect();
    const row = [...document.querySelectorAll('.block > div')].findLast((r) => r.offsetHeight && r.getBoundingClientRect().bottom < top);
    const before = log.scrollHeight;
    row.textContent = words;
    return log.scrollHeight !== before;
  }, text);
  assert.ok(changed, 'no height changed');
}

/** The number of the last line that begins in the upper part of the view. */
const upper = async (page) => await page.evaluate(() => [...document.querySelectorAll('.block > div')].findLast((r) => {
  const { top, height } = r.getBoundingClientRect();
  return height && top >= 60 && top < 300;
})?.dataset.n) ?? (await look(page, '')).n;

const LOOKS = Object.keys(CHANGES).slice(0, 11); // which change neither the filter nor the window
const FILTERS = ['the filter bar', 'a filter', 'others hidden', 'with context', 'others shown', 'no filter']; // which take the focus
/**
 * What readers look at: how they come to, the selector of its row unless that returns one, and the changes it is
 * there for.
 */
const ANCHORS = {
  'the first line': [async () => {}, ''],
  'the cursor': [async (page) => { await page.keyboard.press('j'); await page.keyboard.press('j'); }, '.cursor'],
  'a marked line': [async (page) => {
    const box = await page.locator(`[data-n="${await upper(page)}"]`).boundingBox();
    await page.mouse.click(box.x + 4, box.y + 6);
  }, '.marked'],
  'a hit': [async (page) => {
    await page.keyboard.press('/');
    await page.locator('#query').fill('users/1501 ');
    await page.keyboard.press('Enter');
    await page.locator('.current').waitFor();
    await page.locator('#log').focus();
  }, '.current', LOOKS],
  'a selection': [async (page) => {
    const row = `[data-n="${await upper(page)}"]`;
    await page.locator(row).evaluate((r) => {
      const text = document.createTreeWalker(r, NodeFilter.SHOW_TEXT).nextNode();
      getSelection().setBaseAndExtent(text, 0, text, 5);
    });
    return row;
  }, '', Object.keys(CHANGES).filter((what) => !FILTERS.includes(what))],
};

for (const reader of READERS) {
  for (const [name, [choose, selector, changes = Object.keys(CHANGES)]] of Object.entries(ANCHORS)) {
    test(`${name} stays where it is: ${reader.name}`, async (t) => {
      const { port } = await run(t, accessLog(LINES, 0));
      const page = await openLog(t, port, reader, LINES);
      const next = random(19);
      /** @type {string[]} */
      const moved = [];
      let worst = 0;
      for (let place = 0; place < PLACES; place++) {
        await page.evaluate(() => {
          getSelection().removeAllRanges();
          history.replaceState(null, '', location.pathname);
          dispatchEvent(new HashChangeEvent('hashchange'));
        });
        await page.keyboard.press('Escape');
        await page.keyboard.press('G');
        await page.mouse.move(200, 300);
        do { // until a line begins where it is in view in a lower window, too
          await page.mouse.wheel(0, -4000 - Math.floor(next() * 18_000));
          await settled(page);
        } while ((await look(page, '')).y >= 300);
        const chosen = await choose(page);
        await settled(page);
        const before = await look(page, chosen ?? selector);
        for (const what of changes) {
          await CHANGES[what](page);
          await settled(page);
          const y = await yOf(page, before.n);
          assert.ok(Number.isFinite(y), `${what}: line ${before.n} is gone`);
          const by = Math.abs(y - before.y);
          worst = Math.max(worst, by);
          if (by >= 1) moved.push(`line ${before.n}, ${what}: ${by} px`);
        }
        assert.ok(await isPaused(page));
      }
      t.diagnostic(`${PLACES} places, ${changes.length} changes at each: moved by at most ${worst.toFixed(2)} px`);
      assert.deepEqual(moved, []);
    });
  }

  test(`while following, the end stays in view: ${reader.name}`, async (t) => {
    const { port } = await run(t, accessLog(LINES, 0));
    const page = await openLog(t, port, reader, LINES);
    for (const [what, change] of Object.entries(CHANGES)) {
      await change(page);
      await settled(page);
      assert.ok(await fromEnd(page) <= 1, `${what}: ${await fromEnd(page)} px from the end`);
      assert.equal(await isPaused(page), false, what);
    }
  });

  test(`scrolling back through rows that were never laid out goes as far as the wheel: ${reader.name}`, async (t) => {
    const { port } = await run(t, accessLog(LINES, 0));
    const page = await openLog(t, port, reader, LINES);
    await page.mouse.move(200, 300);
    for (let i = 0; i < 10; i++) {
      const before = await look(page, '');
      await page.mouse.wheel(0, -500);
      await settled(page);
      assert.ok(Math.abs(await yOf(page, before.n) - before.y - 500) <= 1, `${await yOf(page, before.n) - before.y} px`);
    }
  });
}

/** A page at its end, with a scrollbar. */
async function live(t, options = READERS[0].options) {
  const { child, port } = await run(t, sh('seq 1 500; while read x; do echo more $x; done'));
  const page = await open(t, port, options, async (p, context) => { p.cdp = await context.newCDPSession(p); });
  await untilRow(page, '500');
  return { page, more: (words) => { child.stdin.write(`${words}\n`); return untilRow(page, `more ${words}`); } };
}

/** Only this pauses: what pauses, and what follows the end again. */
const MEANS = {
  wheel: [(page) => page.mouse.wheel(0, -40), (page) => page.mouse.wheel(0, 400)],
  'Arrow Up': [press('ArrowUp'), press('ArrowDown')],
  'Page Up': [press('PageUp'), async (page) => { for (let i = 0; i < 3; i++) await page.keyboard.press('PageDown'); }],
};
for (const [name, [up, down]] of Object.entries(MEANS)) {
  test(`${name} pauses, and the other way follows again`, async (t) => {
    const { page, more } = await live(t);
    await page.mouse.move(600, 400);
    await up(page);
    await page.locator('#pill').waitFor();
    await settled(page);
    const { n, y } = await look(page, '');
    await more('one');
    await settled(page);
    assert.equal(await yOf(page, n), y);
    for (let i = 0; i < 3; i++) await down(page);
    await page.locator('#pill').waitFor({ state: 'hidden' });
    await more('two');
    await settled(page);
    assert.ok(await fromEnd(page) <= 1);
  });
}

test('a finger pauses, and follows again; a tap does not pause', async (t) => {
  const { page, more } = await live(t, READERS.at(-1).options);
  await page.touchscreen.tap(200, 400);
  await more('one');
  assert.equal(await isPaused(page), false);
  assert.ok(await fromEnd(page) <= 1);
  await finger(page).drag(200, 300, 500);
  await page.locator('#pill').waitFor();
  await settled(page);
  const { n, y } = await look(page, '');
  await more('two');
  await settled(page);
  assert.equal(await yOf(page, n), y);
  await finger(page).drag(200, 700, 200);
  await page.locator('#pill').waitFor({ state: 'hidden' });
  await more('three');
  assert.ok(await fromEnd(page) <= 1);
});

test('a finger on the text holds it, and lets it go', async (t) => {
  const { page, more } = await live(t, READERS.at(-1).options);
  const { n, y } = await look(page, '');
  await finger(page).down(200, 400);
  await more('one');
  await settled(page);
  assert.equal(await yOf(page, n), y);
  await finger(page).up();
  await page.waitForFunction(() => { const e = document.getElementById('log'); return e.scrollHeight - e.scrollTop - e.clientHeight <= 1; });
  assert.equal(await isPaused(page), false);
});

test('a finger on text that is written anew lets it go, too', async (t) => {
  const { child, port } = await run(t, sh(`seq 1 500; i=0; while :; do i=$((i+1)); printf '\\r\\033[32mprogress %s\\033[m' $i; sleep 0.02; done`));
  const page = await open(t, port, READERS.at(-1).options, async (p, context) => { p.cdp = await context.newCDPSession(p); });
  await page.locator('#log span', { hasText: 'progress' }).waitFor();
  const { x, y } = await page.evaluate(() => document.querySelector('#log span').getBoundingClientRect().toJSON());
  await finger(page).down(x + 20, y + 5);
  await page.evaluate(() => { window.touched = document.querySelector('#log span'); });
  await page.waitForFunction(() => !window.touched.isConnected);
  await finger(page).up();
  await page.waitForFunction(() => { // it follows again
    const e = document.getElementById('log');
    e.prepend(document.createElement('p'));
    e.firstChild.style.height = '300px';
    return new Promise((r) => { requestAnimationFrame(() => requestAnimationFrame(() => { r(e.scrollHeight - e.scrollTop - e.clientHeight <= 1); })); });
  });
  assert.equal(await isPaused(page), false);
  child.kill();
});

test('a mark, and a link to a line that is still to come, move nothing', async (t) => {
  const { page, more } = await live(t);
  await page.mouse.move(600, 400);
  await page.mouse.wheel(0, -305);
  await settled(page);
  const number = async (n) => {
    const { x, y } = await page.locator(`[data-n="${n}"]`).boundingBox();
    return [x + 4, y + 6];
  };
  const first = await look(page, '');
  await page.mouse.click(...await number(first.n - 1)); // which is cut by the upper edge
  assert.equal(await page.locator('.marked').getAttribute('data-n'), String(first.n - 1));
  await settled(page);
  assert.equal(await yOf(page, first.n), first.y);
  await page.mouse.wheel(0, -3000);
  await settled(page);
  const far = await look(page, '');
  await page.keyboard.down('Shift');
  await page.mouse.click(...await number(far.n + 2));
  await page.keyboard.up('Shift');
  await settled(page);
  assert.equal(await yOf(page, far.n), far.y);

  await page.evaluate(() => { location.hash = '#L502'; });
  await page.locator('#pill').waitFor({ state: 'hidden' }); // it waits at the end
  await more('one');
  await page.mouse.wheel(0, -200);
  await page.locator('#pill').waitFor();
  await settled(page);
  const now = await look(page, '');
  await more('two');
  await more('three');
  await settled(page);
  assert.equal(await yOf(page, now.n), now.y);
});

test('the scrollbar pauses, and follows again', async (t) => {
  const { port } = await run(t, sh('seq 1 500; while read x; do echo more $x; done'));
  const browser = await launch([], { ignoreDefaultArgs: ['--hide-scrollbars'] });
  t.after(() => browser.close());
  const page = await browser.newPage(READERS[0].options);
  await page.goto(`http://127.0.0.1:${port}/`);
  await untilRow(page, '500');
  await settled(page);
  const { x, bottom } = await page.locator('#log').evaluate((e) => {
    const box = e.getBoundingClientRect();
    return { x: box.right - (box.width - e.clientWidth) / 2, bottom: box.bottom };
  });
  await page.mouse.move(x, bottom - 20);
  await page.mouse.down();
  await page.mouse.move(x, bottom - 120, { steps: 5 });
  await page.mouse.up();
  await page.locator('#pill').waitFor();
  await settled(page);
  assert.ok(await fromEnd(page) > 500);
  await page.mouse.move(x, bottom - 130);
  await page.mouse.down();
  await page.mouse.move(x, bottom + 100, { steps: 5 });
  await page.mouse.up();
  await page.locator('#pill').waitFor({ state: 'hidden' });
  assert.ok(await fromEnd(page) <= 1);
});
