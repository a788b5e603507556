// The cursor, the last frame of a program that fills the screen, and why a view is empty.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { open, rows, run, sh, untilRow, untilScreen, withoutWebGL } from './harness.js';

/** The page waits longer before it shows the log, since programs end late on a busy machine. */
const patient = (page) => page.addInitScript(() => {
  const { setTimeout } = window;
  window.setTimeout = (action, ms = 0, ...rest) => setTimeout(action, ms === 150 ? 5000 : ms, ...rest);
});

/** A program in a terminal of its own, which gets keys from wsrun's standard input. */
const keyed = (program) => ['--size', '80x24', 'script', '-qec', program, '/dev/null'];
const screenRows = (page) => page.locator('#screen .xterm-rows > div').evaluateAll((all) => all.map((r) => r.textContent.replaceAll('\u00a0', ' ').trimEnd()));
const caret = (page) => page.locator('.block > div .caret');

test('the screen shows the cursor where and how the program sets it, without focus', async (t) => {
  const { child, port } = await run(t, ['--size', '40x10', ...sh(`printf '\\033[?1049h\\033[3;5H'; while read -r x; do printf "$x"; done`)]);
  const page = await open(t, port, {}, withoutWebGL);
  const cursor = page.locator('#screen .xterm-cursor');
  await page.locator('#screen .xterm-cursor-block').waitFor();
  const place = await cursor.evaluate((e) => {
    const [cell, screen] = [e, e.closest('.xterm-screen')].map((b) => b.getBoundingClientRect());
    return [Math.round((cell.left - screen.left) / screen.width * 40), Math.round((cell.top - screen.top) / screen.height * 10)];
  });
  assert.deepEqual(place, [4, 2]);
  for (const [n, shape] of [[5, 'bar'], [4, 'underline'], [2, 'block'], [6, 'bar'], [0, 'block']]) {
    child.stdin.write(`\\033[${n} q\n`);
    await page.locator(`#screen .xterm-cursor-${shape}`).waitFor();
    assert.equal(await page.locator('#screen .xterm-cursor-blink').count(), 0);
  }
  child.stdin.write('\\033[?25l\n');
  await cursor.waitFor({ state: 'detached' });
  child.stdin.write('\\033[?25h\n');
  await cursor.waitFor();
  assert.deepEqual(page.problems, []);
});

test('a click into the screen types nothing, and the page keeps its keys', async (t) => {
  const { port } = await run(t, ['--size', '40x10', ...sh(`printf 'line\\n\\033[?1049h'; cat`)]);
  const page = await open(t, port, {}, withoutWebGL);
  await page.locator('#screen .xterm-cursor').waitFor();
  await page.locator('#screen .xterm-screen').click();
  await page.keyboard.type('xv');
  await page.locator('#log').waitFor();
  assert.deepEqual(await rows(page), ['line']);
});

test('the log has a caret where an unfinished line waits', async (t) => {
  const { child, port } = await run(t, sh(`printf 'one\\n$ '; while read -r x; do printf "$x"; done`));
  const page = await open(t, port, { permissions: ['clipboard-read', 'clipboard-write'] });
  await caret(page).waitFor();
  const gap = () => page.evaluate(() => {
    const c = document.querySelector('.caret');
    const range = document.createRange();
    range.selectNodeContents(c.parentNode.firstChild);
    const ch = parseFloat(getComputedStyle(c).marginLeft) / Number(c.style.getPropertyValue('--columns') || 1);
    return [c.parentNode.textContent, Math.round((c.getBoundingClientRect().left - range.getBoundingClientRect().right) / ch)];
  });
  assert.deepEqual(await gap(), ['$', 1]); // the prompt's blank is not part of the text
  assert.deepEqual(await rows(page), ['one', '$']);
  const copied = await page.evaluate(() => { getSelection().selectAllChildren(document.getElementById('log')); return String(getSelection()); });
  assert.equal(copied.trimEnd(), 'one\n$');
  const height = () => page.locator('.block > div').last().evaluate((e) => e.getBoundingClientRect().height);
  assert.equal(await height(), await page.locator('.block > div').first().evaluate((e) => e.getBoundingClientRect().height));
  for (const gone of ['\\033[?25l', '\\033[?25hdone\\n', '50 %%\\r']) {
    child.stdin.write(`${gone}\n`);
    await caret(page).waitFor({ state: 'detached' });
    child.stdin.write('\\033[?25h\\n> \n');
    await caret(page).waitFor();
  }
  child.stdin.end();
  await page.locator('#end').waitFor();
  assert.equal(await caret(page).count(), 0);
  assert.deepEqual(page.problems, []);
});

test('a flood has no caret', async (t) => {
  const { port } = await run(t, sh('i=0; while :; do i=$((i+1)); printf "line $i\\n part"; done'));
  const page = await open(t, port);
  await untilRow(page, 'part');
  const seen = await page.evaluate(async () => {
    let visible = 0;
    for (let i = 0; i < 60; i++) {
      await new Promise(requestAnimationFrame);
      const c = document.querySelector('.caret');
      if (c && getComputedStyle(c).opacity !== '0') visible++;
    }
    return visible;
  });
  assert.ok(seen <= 3, `${seen} of 60 frames`);
});

const PROGRAMS = {
  vim: { start: 'vim -n -u NONE /etc/passwd', quit: ':q\r', shows: 'root:x:0:0' },
  htop: { start: 'htop', quit: 'q', shows: 'PID' },
  less: { start: 'less /etc/passwd', quit: 'q', shows: 'root:x:0:0' },
};
for (const [name, { start, quit, shows }] of Object.entries(PROGRAMS)) {
  test(`the last frame of ${name} stays, with the end on it`, async (t) => {
    const { child, port } = await run(t, keyed(start));
    const page = await open(t, port, {}, async (p) => { await withoutWebGL(p); await patient(p); });
    await untilScreen(page, shows);
    // Neither the log nor an empty screen may be seen in between.
    await page.evaluate((w) => {
      window.flashes = 0;
      const look = () => {
        if (document.getElementById('screen').hidden || !document.querySelector('.xterm-rows').textContent.replaceAll('\u00a0', ' ').includes(w)) window.flashes++;
        requestAnimationFrame(look);
      };
      look();
    }, shows);
    const before = (await screenRows(page)).slice(8, 20);
    child.stdin.write(quit);
    await page.locator('#screen .card', { hasText: 'ended after' }).waitFor();
    assert.ok(await page.locator('#screen .card').evaluate((e) => {
      const box = e.getBoundingClientRect();
      return document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2) === e;
    }), 'the frame is over the end');
    if (name !== 'htop') assert.deepEqual((await screenRows(page)).slice(8, 20), before);
    // xterm.js empties its rows before it draws another screen, and may rest for a frame in between.
    const flashes = await page.evaluate(() => window.flashes);
    assert.ok(flashes <= 2, `${flashes} frames without it`);
    assert.ok(Number(await page.locator('#screen .xterm').evaluate((e) => getComputedStyle(e).opacity)) < 0.8);
    const late = await open(t, port, {}, withoutWebGL);
    await late.locator('#screen .card', { hasText: 'ended after' }).waitFor();
    await untilScreen(late, shows);
    await page.keyboard.press('v');
    await page.locator('#log').waitFor();
    assert.equal(await page.locator('#screen').isVisible(), false);
    for (const p of [page, late]) assert.deepEqual(p.problems, []);
  });
}

test('the last frame of a program that was killed stays', async (t) => {
  const { child, port } = await run(t, ['--size', '80x24', 'vim', '-n', '-u', 'NONE', '/etc/passwd']);
  const page = await open(t, port, {}, withoutWebGL);
  await untilScreen(page, 'root:x:0:0');
  spawnSync('pkill', ['-KILL', '-P', String(child.pid), 'vim']);
  await page.locator('#screen .card', { hasText: 'killed by' }).waitFor();
  await untilScreen(page, 'root:x:0:0');
  assert.deepEqual(page.problems, []);
});

test('the last frame of a long run is there for late viewers, too', async (t) => {
  const { port } = await run(t, ['--size', '40x10', ...sh(`printf '\\033[?1049hFULL SCREEN'; sleep 2.5; printf '\\033[?1049l'`)]);
  for (let i = 0; i < 2; i++) {
    const page = await open(t, port, {}, withoutWebGL);
    await page.locator('#screen .card', { hasText: 'ended after' }).waitFor();
    await untilScreen(page, 'FULL SCREEN');
    assert.deepEqual(page.problems, []);
  }
});

const AFTER = {
  'a command that goes on': [`read x; printf '\\033[?1049l'; read x`, false],
  'a script with more to say': [`read x; printf '\\033[?1049l'; seq 5`, false],
  'a command that ends later': [`read x; printf '\\033[?1049l'; sleep 3`, false],
  'a word of farewell': [`read x; printf '\\033[?1049l[exited]\\n'`, true],
  'a program that clears the screen first': [`read x; printf '\\033[2J\\033[?1049l'`, false],
};
for (const [name, [script, stays]] of Object.entries(AFTER)) {
  test(`${name}: ${stays ? 'the frame stays' : 'the log comes back'}`, async (t) => {
    const { child, port } = await run(t, ['--size', '40x10', ...sh(`echo before; printf '\\033[?1049hFULL SCREEN'; ${script}`)]);
    const page = await open(t, port, {}, withoutWebGL);
    await untilScreen(page, 'FULL SCREEN');
    child.stdin.write('\n');
    if (stays) {
      await page.locator('#screen .card', { hasText: 'ended after' }).waitFor();
      await untilScreen(page, 'FULL SCREEN');
      return;
    }
    await page.locator('#log').waitFor();
    if (name === 'a command that goes on') await page.waitForTimeout(2100); // longer than an end may take
    child.stdin.end();
    await page.locator('#end').waitFor();
    assert.equal(await page.locator('#log').isVisible(), true);
    assert.equal(await page.locator('#screen').isVisible(), false);
    await page.keyboard.press('v');
    await page.locator('#screen').waitFor();
    assert.equal(await page.locator('#screen .card').isVisible(), false);
  });
}

test('v says why the log is empty', async (t) => {
  const { port } = await run(t, ['--title', 'htop', ...keyed('htop')]);
  const page = await open(t, port, {}, withoutWebGL);
  await untilScreen(page, 'PID');
  await page.keyboard.press('v');
  await page.locator('#notice', { hasText: 'htop draws on the whole screen: it has printed no lines.' }).waitFor();
  await page.keyboard.press('v');
  await page.locator('#notice').waitFor({ state: 'hidden' });
});

test('v says why there is no screen', async (t) => {
  const { port } = await run(t, sh('echo hi'));
  const page = await open(t, port, {}, (p) => p.route('**/xterm.mjs', (r) => r.abort()));
  await page.getByText('This build has no xterm.js').waitFor();
  await page.keyboard.press('v');
  await page.locator('#notice', { hasText: 'no screen to show' }).waitFor();
  assert.equal(await page.locator('#log').isVisible(), true);
});

test('another size while a program fills the screen repeats no lines', async (t) => {
  const { port } = await run(t, sh('echo hi'));
  const page = await open(t, port);
  await untilRow(page, 'hi');
  const n = await page.evaluate(async () => {
    const { src } = document.querySelector('script[type=module]');
    const [{ Terminal }, { Lines, SCROLLBACK }] = await Promise.all(['xterm/xterm.mjs', 'lines.js'].map((name) => import(new URL(name, src).href)));
    const terminal = new Terminal({ scrollback: SCROLLBACK, allowProposedApi: true });
    const lines = new Lines(terminal);
    lines.restart(1, 0);
    const parse = (text) => new Promise((done) => {
      lines.begin(new TextEncoder().encode(text), 0);
      terminal.write(text, () => { lines.end(); done(); });
    });
    await parse(`${Array.from({ length: 100 }, (_, i) => i + 1).join('\r\n')}\x1b[?1049hfull`);
    lines.resize(100, 30);
    lines.end();
    await parse('x\x1b[?1049l');
    return lines.done().length + lines.tail().length;
  });
  assert.equal(n, 100);
});
