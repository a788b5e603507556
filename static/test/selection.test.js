// Selecting and copying: text stays where it is while it is selected, and what is copied is what the
// program wrote. With WSRUN_SCROLL=full, the numbers are those of the figures, and are printed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, run, sh, untilRow } from './harness.js';
import { FULL, READERS, accessLog, finger, fromEnd, isPaused, openLog, random, settled } from './reader.js';

const TIMES = FULL ? 50 : 5;
const LINES = 3000;

/** The text between two points of the window. */
const between = (page, a, b) => page.evaluate(([from, to]) => {
  const range = document.createRange();
  const [start, end] = [from, to].map(({ x, y }) => document.caretPositionFromPoint(x, y));
  range.setStart(start.offsetNode, start.offset);
  range.setEnd(end.offsetNode, end.offset);
  const rows = [...document.querySelectorAll('.block > div')].filter((row) => range.intersectsNode(row));
  return rows.map((row) => {
    const part = document.createRange();
    part.selectNodeContents(row);
    if (row.contains(range.startContainer)) part.setStart(range.startContainer, range.startOffset);
    if (row.contains(range.endContainer)) part.setEnd(range.endContainer, range.endOffset);
    return part.cloneContents().textContent;
  }).join('\n');
}, [a, b]);

const selection = (page) => page.evaluate(() => String(getSelection()));

/** What Control+C copies. */
async function copied(page) {
  await page.evaluate(() => navigator.clipboard.writeText(''));
  await page.keyboard.press('Control+c');
  await page.waitForFunction(async () => await navigator.clipboard.readText() !== '');
  return page.evaluate(() => navigator.clipboard.readText());
}

const permissions = ['clipboard-read', 'clipboard-write'];

for (const reader of READERS.filter(({ options }) => !options.isMobile)) {
  test(`at 100 lines a second, what is dragged over is selected, and nothing else: ${reader.name}`, async (t) => {
    const { port } = await run(t, accessLog(LINES, 100));
    const page = await openLog(t, port, { ...reader, options: { ...reader.options, permissions } }, LINES);
    const { width, height } = reader.options.viewport;
    const next = random(11);
    const wrong = [];
    for (let i = 0; i < TIMES;) {
      await page.evaluate(() => getSelection().removeAllRanges());
      await page.keyboard.press('G');
      assert.equal(await isPaused(page), false);
      const a = { x: 120 + next() * (width - 300), y: 60 + next() * (height - 220) };
      const b = i % 2 ? { x: a.x + 40, y: a.y } : { x: 120 + next() * (width - 300), y: a.y + 40 + next() * 80 };
      await page.mouse.move(a.x, a.y);
      await page.mouse.down();
      const want = await between(page, a, b);
      if (!want) { // there is no text
        await page.mouse.up();
        continue;
      }
      i++;
      await page.mouse.move(b.x, b.y, { steps: 10 });
      await page.waitForTimeout(200); // 20 lines
      await page.mouse.up();
      await page.waitForTimeout(100);
      const got = await selection(page);
      if (got !== want || !await isPaused(page) || await copied(page) !== want) wrong.push(`${got} instead of ${want}`);
    }
    t.diagnostic(`${TIMES} drags: ${TIMES - wrong.length} exact`);
    assert.deepEqual(wrong, []);
  });
}

test('what is selected stays where it is, and later output does not end the selection', async (t) => {
  const { port } = await run(t, accessLog(LINES, 100));
  const page = await openLog(t, port, READERS[0], LINES);
  await page.mouse.move(300, 400);
  await page.mouse.down();
  await page.mouse.move(340, 440, { steps: 5 });
  await page.mouse.up();
  const text = await selection(page);
  const y = () => page.evaluate(() => getSelection().getRangeAt(0).startContainer.parentElement.closest('[data-n]').getBoundingClientRect().top);
  const before = await y();
  for (const key of ['+', '-', 'w', 'w', 't', '0']) {
    await page.keyboard.press(key);
    await page.waitForTimeout(300);
    assert.ok(Math.abs(await y() - before) < 1, `${key}: ${await y() - before} px`);
  }
  assert.equal(await selection(page), text);
  await page.keyboard.press('G');
  await page.waitForFunction(() => { const e = document.getElementById('log'); return e.scrollHeight - e.scrollTop - e.clientHeight <= 1; });
});

test('pressing holds the text until the button is released, and a click does not pause', async (t) => {
  const { child, port } = await run(t, sh('seq 1 300; while read x; do seq $x 1000; echo end; done'));
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, '300');
  await settled(page);
  await page.mouse.move(600, 400);
  await page.mouse.down();
  const top = () => page.locator('#log').evaluate((e) => e.scrollTop);
  const before = await top();
  child.stdin.write('301\n');
  await untilRow(page, 'end');
  await settled(page);
  assert.equal(await top(), before);
  await page.mouse.up();
  await page.waitForFunction(() => { const e = document.getElementById('log'); return e.scrollHeight - e.scrollTop - e.clientHeight <= 1; });
  assert.equal(await isPaused(page), false);
});

test('a drag may begin between two pixels, and select as little as a character', async (t) => {
  const { port } = await run(t, sh('echo 0123456789012345678901234567890123456789; read x'));
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, '0123456789'.repeat(4));
  const { x, y, width } = await page.locator('[data-n="1"]').evaluate((row) => {
    const range = document.createRange();
    range.selectNodeContents(row);
    const box = range.getBoundingClientRect();
    return { x: box.left, y: box.top + box.height / 2, width: box.width / 40 };
  });
  const halves = Array.from({ length: 30 }, (_, i) => x + (i + 0.5) * width + 0.02).filter((at) => at % 1 > 0.1);
  for (const from of halves) {
    await page.evaluate(() => getSelection().removeAllRanges());
    await page.mouse.move(from, y);
    await page.mouse.down();
    const want = await between(page, { x: from, y }, { x: from + width, y });
    await page.mouse.move(from + width, y, { steps: 3 });
    await page.mouse.up();
    assert.equal(await selection(page), want);
    assert.equal(want.length, 1);
  }
});

test('a second press right after the first holds the text as well', async (t) => {
  const { child, port } = await run(t, sh('seq 1 300; while read x; do echo $x; done'));
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, '300');
  await settled(page);
  const top = () => page.locator('#log').evaluate((e) => e.scrollTop);
  const before = await top();
  await page.locator('[data-n="295"]').evaluate((row) => {
    for (const type of ['pointerdown', 'pointerup', 'pointerdown']) row.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerType: 'mouse', buttons: 1 }));
  });
  child.stdin.write('more\n');
  await untilRow(page, 'more');
  await settled(page);
  assert.equal(await top(), before);
});

test('scrolling down further than the end follows it, and keeps what is selected', async (t) => {
  const { child, port } = await run(t, sh('seq 1 300; while read x; do echo $x; done'));
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, '300');
  await page.locator('[data-n="290"]').dblclick({ position: { x: 75, y: 10 } });
  await page.locator('#pill').waitFor();
  child.stdin.write('more\n');
  await untilRow(page, 'more');
  await page.mouse.wheel(0, 400);
  await settled(page);
  await page.mouse.wheel(0, 40);
  await page.locator('#pill').waitFor({ state: 'hidden' });
  assert.equal(await selection(page), '290');
  assert.ok(await fromEnd(page) <= 1);
});

test('rows that are dropped while the button is pressed are dropped later', async (t) => {
  const { child, port } = await run(t, ['-n', '100000', '--buffer', '64MiB', ...sh('seq 1 20000; read x; seq 20001 90000; read x')]);
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, '20000');
  await settled(page);
  await page.mouse.move(600, 400);
  await page.mouse.down();
  const shown = () => page.evaluate(() => document.elementFromPoint(600, 400).closest('[data-n]').dataset.n);
  const before = await shown();
  child.stdin.write('\n');
  await untilRow(page, '50000');
  assert.equal(await shown(), before);
  await page.waitForTimeout(2000); // more than a log that is held takes
  assert.equal(await shown(), before);
  await page.mouse.up();
  await untilRow(page, '90000');
  await settled(page);
  assert.ok(await fromEnd(page) <= 1);
  assert.ok(await page.locator('.block > div').count() <= 20_100);
});

test('a selection outlives the filter, and text around it that is written anew', async (t) => {
  const { port } = await run(t, sh(`seq 1 300; printf 'header\\n\\033[5Aabove\\033[5B'; while :; do printf '\\r%s' $((i+=1)); sleep 0.05; done`));
  const page = await open(t, port, { ...READERS[0].options, path: '?filter=eader&only=1' });
  const header = page.locator('.block > div', { hasText: 'header' });
  await header.waitFor();
  const { x, y } = await header.locator('xpath=.').evaluate((row) => {
    const range = document.createRange();
    range.selectNodeContents(row);
    const box = range.getBoundingClientRect();
    return { x: box.left, y: box.top + box.height / 2 };
  });
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 30, y, { steps: 3 });
  await page.mouse.up();
  const text = await selection(page);
  assert.ok(text && 'header'.startsWith(text), text);
  await page.keyboard.press('Escape'); // no filter any more
  await untilRow(page, '299');
  assert.equal(await selection(page), text);
  await page.waitForTimeout(500); // ten changes
  assert.equal(await selection(page), text);
});

test('rows that are written by cursor movements are not new again and again', async (t) => {
  const { port } = await run(t, ['--size', '40x10', ...sh(`printf '\\033[3;1Hheader\\033[5;1H'; while :; do printf '\\r%s' $((i+=1)); sleep 0.05; done`)]);
  const page = await open(t, port, READERS[0].options);
  await page.locator('.block > div', { hasText: 'header' }).waitFor();
  await page.evaluate(() => getSelection().selectAllChildren([...document.querySelectorAll('.block > div')].find((r) => r.textContent === 'header')));
  assert.equal(await selection(page), 'header');
  await page.waitForTimeout(500); // ten changes
  assert.equal(await selection(page), 'header');
  assert.doesNotMatch(await page.locator('#pill').innerText(), /new/);
});

test('selecting by keyboard, and with a finger, pauses', async (t) => {
  const { port } = await run(t, sh('seq 1 300; read x'));
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, '300');
  await page.keyboard.press('Control+a');
  await page.locator('#pill').waitFor();
  const phone = await openLog(t, port, READERS.at(-1), 300);
  const row = phone.locator('[data-n="295"]');
  const box = await row.boundingBox();
  await finger(phone).down(box.x + 60, box.y + 8);
  await row.evaluate((e) => getSelection().selectAllChildren(e)); // as browsers do after a while; headless ones don't
  await finger(phone).up();
  await phone.locator('#pill').waitFor();
  assert.equal((await selection(phone)).trim(), '295');
});

test('copied text keeps its tabs, has no numbers or times, and joins wrapped lines', async (t) => {
  const long = `${'word '.repeat(80)}\tend`;
  const { port } = await run(t, sh(`printf 'a\\tb\\t\\tc\\n\\tindented\\t\\n\\033[31mred\\t\\033[32mgreen\\033[0m\\n${long.replace('\t', '\\t')}\\nlast\\n'; read x`));
  const page = await open(t, port, { ...READERS[0].options, viewport: { width: 700, height: 600 }, permissions });
  await untilRow(page, 'last');
  await page.keyboard.press('t');
  const [from, to] = [await page.locator('[data-n="1"]').boundingBox(), await page.locator('[data-n="5"]').boundingBox()];
  const left = await page.locator('[data-n="1"]').evaluate((row) => { const r = document.createRange(); r.selectNodeContents(row); return r.getBoundingClientRect().left; });
  assert.ok((await page.locator('[data-n="4"]').boundingBox()).height > 30, 'it wraps');
  await page.mouse.move(left + 1, from.y + 8);
  await page.mouse.down();
  await page.mouse.move(to.x + to.width - 5, to.y + 8, { steps: 8 });
  await page.mouse.up();
  assert.equal(await copied(page), `a\tb\t\tc\n\tindented\t\nred\tgreen\n${long}\nlast`);
});

test('tabs are shown at the columns that they have in the terminal', async (t) => {
  const { port } = await run(t, ['--size', '20x10', ...sh(`printf 'a\\tb\\t\\tc\\n12345678\\tx\\n漢字\\tx\\n12345678901234567890123\\tx\\n'
    printf 'a\\tb\\b\\b\\bq\\n\\033[3g\\033[5G\\033H\\r\\033[3Cx\\r1\\ty\\n1\\ty\\n'; printf 'end\\n'; read x`)]);
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, 'end');
  const shown = await page.locator('.block > div').evaluateAll((all) => all.slice(0, 7).map((row) => {
    const probe = document.createElement('span');
    probe.style.cssText = 'position:absolute;width:100ch';
    const ch = row.appendChild(probe).getBoundingClientRect().width / 100;
    probe.remove();
    const text = row.textContent;
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    let last;
    while (walker.nextNode()) last = walker.currentNode;
    const range = document.createRange();
    const x = (node, at) => { range.setStart(node, at); range.setEnd(node, at + 1); return range.getBoundingClientRect().left; };
    const left = row.getBoundingClientRect().left + parseFloat(getComputedStyle(row).paddingLeft);
    return [text, Math.round((x(last, last.length - 1) - left) / ch)];
  }));
  assert.deepEqual(shown, [
    ['a\tb\t\tc', 19], // the terminal ends there
    ['12345678\tx', 16], ['漢字\tx', 8], ['12345678901234567890123\tx', 28],
    ['a     q b', 8], ['1  xy', 4], ['1\ty', 4],
  ]);
});

test('dragging over a link selects its text, and does not open it', async (t) => {
  const { port } = await run(t, sh('echo see https://example.com/some/where now; read x'));
  const page = await open(t, port, { ...READERS[0].options, permissions });
  await page.locator('#log a').waitFor();
  const box = await page.locator('#log a').boundingBox();
  await page.mouse.move(box.x + 1, box.y + 8);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 1, box.y + 8, { steps: 5 });
  await page.mouse.up();
  assert.equal(await copied(page), 'https://example.com/some/where');
  assert.equal(page.context().pages().length, 1);
  await page.mouse.click(600, 300); // nothing is selected any more
  await page.locator('#log a').evaluate((e) => { e.href = 'about:blank'; });
  const [opened] = await Promise.all([page.context().waitForEvent('page'), page.locator('#log a').click()]);
  await opened.close();
});

test('Shift and a click on a number mark lines, and select nothing', async (t) => {
  const { port } = await run(t, sh('seq 1 30; read x'));
  const page = await open(t, port, READERS[0].options);
  await untilRow(page, '30');
  await page.locator('[data-n="5"]').click({ position: { x: 10, y: 8 } });
  await page.locator('[data-n="9"]').click({ position: { x: 10, y: 8 }, modifiers: ['Shift'] });
  assert.equal(new URL(page.url()).hash, '#L5-L9');
  assert.equal(await selection(page), '');
  const [a, b] = [await page.locator('[data-n="12"]').boundingBox(), await page.locator('[data-n="20"]').boundingBox()];
  await page.mouse.move(a.x + 10, a.y + 8);
  await page.mouse.down();
  await page.mouse.move(b.x + 200, b.y + 8, { steps: 5 });
  await page.mouse.up();
  assert.equal(await selection(page), '');
});
