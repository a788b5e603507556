// Accessibility: axe in every state, in both themes; landmarks, announcements, keys, targets, contrast.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { numbers, open, proxy, run, sh, untilRow } from './harness.js';

const AXE = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** What axe finds in a page, in both themes. The page's policy allows no script element, so axe is evaluated. */
async function violations(page) {
  await page.evaluate(AXE);
  const found = [];
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    found.push(...await page.evaluate(async (theme) => {
      const { violations } = await window.axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } });
      return violations.flatMap(({ id, nodes }) => nodes.map((n) => `${theme}: ${id}: ${n.html.slice(0, 120)} ${n.any.concat(n.all, n.none).map((c) => c.message).join('; ')}`));
    }, colorScheme));
  }
  return found;
}

const COLOURS = `for i in 1 2 3 4 5 6; do printf "\\033[3\${i}mcolour $i\\033[0m https://example.com/$i\\n"; done`;
const state = (page, words) => page.locator('#state', { hasText: words }).waitFor();

/** A page that shows a command's output. */
async function showing(t, script, { args = [], ...options } = {}) {
  const started = await run(t, [...args, ...sh(script)]);
  return { ...started, page: await open(t, started.port, options) };
}

async function live(t, options) {
  const started = await showing(t, `${COLOURS}; seq 1 300; while read x; do echo $x; done`, options);
  await untilRow(started.page, '300');
  await state(started.page, /^(live|paused)/);
  return started;
}

/** Lets the page lose its wsrun. */
async function killed({ child }) {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function ended(t, script, words) {
  const { page } = await showing(t, script);
  await page.locator('#end', { hasText: words }).waitFor();
  return page;
}

async function files(t, names, path = '') {
  const dir = await mkdtemp(join(tmpdir(), 'wsrun-'));
  t.after(() => rm(dir, { recursive: true }));
  await mkdir(join(dir, 'a/b'), { recursive: true });
  for (const name of names) await writeFile(join(dir, name), 'one\n');
  const { port } = await run(t, ['files', dir]);
  const page = await open(t, port, { path: path && `${dir.slice(1)}/${path}` });
  if (!path) await state(page, `${names.length} file`);
  return page;
}

/** @type {Record<string, (t: import('node:test').TestContext) => Promise<import('playwright-core').Page>>} */
const STATES = {
  'first load': async (t) => {
    const { page } = await showing(t, 'sleep 60', {});
    return page;
  },
  empty: async (t) => {
    const { page } = await showing(t, 'read x');
    await page.locator('#empty').waitFor();
    return page;
  },
  live: async (t) => (await live(t)).page,
  'live, 320 px wide': async (t) => (await live(t, { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true })).page,
  paused: async (t) => {
    const { page, child } = await live(t);
    await page.keyboard.press(' ');
    child.stdin.write('one\n');
    await page.getByText('1 new line ↓').waitFor();
    return page;
  },
  'the cursor on a line': async (t) => {
    const { page } = await live(t);
    await page.keyboard.press('k');
    await page.locator('.cursor').waitFor();
    return page;
  },
  'a marked line': async (t) => {
    const { page } = await live(t, { path: '#L3' });
    await page.locator('.marked').waitFor();
    return page;
  },
  'the filter with hits': async (t) => {
    const { page } = await live(t, { path: '?filter=12&context=1' });
    await page.keyboard.press('n');
    await page.locator('#count', { hasText: 'of' }).waitFor();
    return page;
  },
  'the filter with hits, 320 px wide': async (t) => {
    const { page } = await live(t, { path: '?filter=1', viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true });
    await page.locator('#count', { hasText: 'hits' }).waitFor();
    return page;
  },
  'the filter without hits': async (t) => {
    const { page } = await live(t, { path: '?filter=nothing&only=1' });
    await page.locator('#count', { hasText: 'no hits' }).waitFor();
    return page;
  },
  'a bad expression': async (t) => {
    const { page } = await live(t, { path: '?filter=/(/' });
    await page.locator('#count.bad').waitFor();
    return page;
  },
  'the menu': async (t) => {
    const { page } = await live(t);
    await page.locator('#more').click();
    await page.locator('#menu').waitFor();
    return page;
  },
  'the menu, 320 px wide': async (t) => {
    const { page } = await live(t, { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true });
    await page.locator('#more').click();
    await page.locator('#menu').waitFor();
    return page;
  },
  'the list of keys': async (t) => {
    const { page } = await live(t);
    await page.keyboard.press('?');
    await page.locator('#help').waitFor();
    return page;
  },
  'the share panel': async (t) => {
    const { page } = await live(t);
    await page.locator('#more').click();
    await page.locator('[data-do=share]').click();
    await page.locator('#share-url', { hasText: 'http' }).waitFor();
    return page;
  },
  times: async (t) => {
    const { page } = await live(t);
    await page.keyboard.press('t');
    await page.locator('.timed').waitFor();
    return page;
  },
  'lines that do not wrap': async (t) => {
    const { page } = await live(t);
    await page.keyboard.press('w');
    return page;
  },
  reconnecting: async (t) => {
    const started = await live(t);
    await killed(started);
    await state(started.page, 'reconnecting');
    await started.page.getByText('wsrun does not answer').waitFor();
    return started.page;
  },
  restarted: async (t) => {
    const started = await live(t);
    await killed(started);
    await run(t, sh('echo new; read x'), `127.0.0.1:${started.port}`);
    await untilRow(started.page, 'new');
    return started.page;
  },
  'a new run that waits': async (t) => {
    const started = await live(t);
    await started.page.keyboard.press(' ');
    await killed(started);
    await run(t, sh('echo new; read x'), `127.0.0.1:${started.port}`);
    await started.page.getByText('A new run has started').waitFor();
    return started.page;
  },
  'lines skipped': async (t) => {
    let port = 0;
    const far = await proxy(t, () => port);
    const { child, port: near } = await run(t, ['-n', '10', '--history', '0', '--allow-host', `127.0.0.1:${far.port}`, ...sh('seq 1 5; read x; seq 6 60000; read x')]);
    port = near;
    const page = await open(t, far.port);
    await untilRow(page, '5');
    port = 1; // nothing listens there
    far.cut();
    await state(page, 'reconnecting');
    child.stdin.write('\n');
    while ((await (await fetch(`http://127.0.0.1:${near}/-/status`)).json()).end < 408_894);
    port = near;
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await page.locator('.gap').waitFor();
    return page;
  },
  'a token is needed': async (t) => {
    const { page } = await showing(t, 'read x', { args: ['--token', 'a-secret-of-some-length'] });
    await page.locator('#login').waitFor();
    await page.locator('#token').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('not right').waitFor();
    return page;
  },
  full: async (t) => {
    const { port } = await showing(t, 'echo hi; read x', { args: ['--max-viewers', '1'] });
    const page = await open(t, port);
    await page.getByText('as many viewers').waitFor();
    return page;
  },
  passed: (t) => ended(t, COLOURS, '✓ ended'),
  failed: (t) => ended(t, 'echo hi; exit 3', 'failed with exit status 3'),
  killed: (t) => ended(t, 'kill -9 $$', 'killed by SIGKILL'),
  'input ended': async (t) => {
    const started = await run(t, []);
    started.child.stdin.end('one\n');
    const page = await open(t, started.port);
    await page.locator('#end', { hasText: 'input ended' }).waitFor();
    return page;
  },
  'the screen, live': async (t) => {
    const { page } = await showing(t, `printf '\\033[?1049h\\033[HFULL \\033[31mSCREEN'; read x`);
    await page.locator('#screen .xterm-screen').waitFor();
    return page;
  },
  'the screen, ended': async (t) => {
    const { page } = await showing(t, `printf '\\033[?1049h\\033[HFULL SCREEN\\033[?1049l'; echo after`, { path: '?view=screen' });
    await page.locator('#screen .xterm-screen').waitFor();
    await page.locator('#end').waitFor();
    return page;
  },
  embedded: async (t) => {
    const { page } = await showing(t, 'echo hi; exit 3', { path: '?embed' });
    await page.locator('#end').waitFor();
    return page;
  },
  'plain text': async (t) => {
    const { port } = await run(t, sh('echo hi; read x'));
    const page = await open(t, port, {}, (p) => p.route('**/xterm.mjs', (r) => r.fulfill({ status: 404 })));
    await page.locator('#log > div', { hasText: 'hi' }).waitFor();
    return page;
  },
  'files as a tree': (t) => files(t, ['a/1.log', 'a/b/2.log', '3.log']),
  'files as a list': async (t) => {
    const page = await files(t, ['a/1.log', 'a/b/2.log']);
    await page.keyboard.press('t');
    await page.locator('#files.flat').waitFor();
    return page;
  },
  'files, filtered': async (t) => {
    const page = await files(t, ['a/1.log', 'a/b/2.log']);
    await page.locator('#query').fill('b/2');
    await state(page, '1 of 2');
    return page;
  },
  'no files': (t) => files(t, []),
  'a file': async (t) => {
    const page = await files(t, ['a/1.log'], 'a/1.log');
    await untilRow(page, 'one');
    return page;
  },
};

// Most of the time goes by in waiting for wsrun to end.
describe('axe finds nothing', { concurrency: 4 }, () => {
  for (const [name, reach] of Object.entries(STATES)) {
    test(name, async (t) => assert.deepEqual(await violations(await reach(t)), []));
  }
});

test('landmarks: the log is in main, and is not read aloud as it grows', async (t) => {
  const { page } = await live(t);
  await page.getByRole('main').getByRole('log', { name: 'output' }).waitFor();
  assert.equal(await page.getByRole('log').getAttribute('aria-live'), 'off');
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('output, [role=status], [role=alert], [aria-live]:not([aria-live=off])')].map((e) => e.id)), ['notice', 'status']);
});

test('state, pauses and hits are announced, at most once a second', async (t) => {
  const { page, child } = await live(t);
  await page.evaluate(() => {
    window.said = [];
    new MutationObserver(() => window.said.push({ at: performance.now(), words: document.getElementById('status').textContent })).observe(document.getElementById('status'), { childList: true, characterData: true, subtree: true });
  });
  const untilSaid = (words) => page.waitForFunction((w) => window.said.some((s) => s.words.includes(w)), words);
  const flood = setInterval(() => child.stdin.write('12 more\n'.repeat(5)), 50);
  t.after(() => clearInterval(flood));
  await page.keyboard.press(' ');
  await untilSaid('paused');
  await page.keyboard.press('G');
  await untilSaid('following');
  await page.keyboard.press('/');
  await page.keyboard.type('12', { delay: 300 });
  await untilSaid('found ');
  await page.keyboard.press('Enter');
  await untilSaid('hit 1 out of ');
  clearInterval(flood);
  child.kill();
  await untilSaid('state: killed by SIGTERM');
  const said = await page.evaluate(() => window.said);
  for (let i = 1; i < said.length; i++) assert.ok(said[i].at - said[i - 1].at > 900, JSON.stringify(said));
});

test('the menu: focus goes in, arrow keys, Home and End move it, Escape and Tab lead back', async (t) => {
  const { page } = await live(t);
  const focused = () => page.evaluate(() => document.activeElement?.dataset.do ?? document.activeElement?.id);
  const press = async (...keys) => { for (const key of keys) await page.keyboard.press(key); };
  await page.getByRole('button', { name: 'menu' }).focus();
  await press('Enter');
  await page.getByRole('menu').waitFor();
  assert.equal(await focused(), 'filter');
  await press('ArrowDown');
  assert.equal(await focused(), 'follow');
  await press('ArrowUp', 'ArrowUp');
  assert.equal(await focused(), 'help');
  await press('ArrowDown');
  assert.equal(await focused(), 'filter');
  await press('End');
  assert.equal(await focused(), 'help');
  await press('Home', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown');
  const wrap = page.getByRole('menuitemcheckbox', { name: 'Wrap long lines' });
  assert.equal(await wrap.getAttribute('aria-checked'), 'true');
  await press(' ');
  assert.equal(await wrap.getAttribute('aria-checked'), 'false');
  assert.equal(await focused(), 'wrap');
  await press('Escape');
  await page.locator('#menu').waitFor({ state: 'hidden' });
  assert.equal(await focused(), 'more');
  await press('Enter', 'End', 'Enter');
  await page.locator('#help').waitFor();
  await press('Escape');
  assert.equal(await focused(), 'more');
  await press('Enter', 'Tab');
  await page.locator('#menu').waitFor({ state: 'hidden' });
  assert.notEqual(await focused(), 'filter');
  await page.locator('#more').focus();
  await press('Enter', 'Enter'); // its first item is the filter
  assert.equal(await focused(), 'query');
  assert.deepEqual(page.problems, []);
});

test('j and k move a cursor from line to line, which has the focus; Enter links to the line', async (t) => {
  const { page, child } = await live(t);
  const cursor = () => page.evaluate(() => document.activeElement?.matches('.cursor') && document.activeElement.dataset.n);
  await page.keyboard.press('k'); // the last line
  assert.equal(await cursor(), '306');
  await page.keyboard.press('k');
  await page.keyboard.press('k');
  assert.equal(await cursor(), '304');
  await page.keyboard.press('j');
  assert.equal(await cursor(), '305');
  await page.keyboard.press('j');
  await page.keyboard.press('j'); // there is no further line
  assert.equal(await cursor(), '306');
  child.stdin.write('more\n');
  await page.getByText('1 new line ↓').waitFor(); // so it is paused, at the end as well
  await page.keyboard.press('Enter');
  assert.equal(new URL(page.url()).hash, '#L306');
  for (let i = 0; i < 60; i++) await page.keyboard.press('k');
  assert.equal(await cursor(), '246');
  assert.ok(await page.locator('.cursor').evaluate((e) => { const [a, b] = [e, e.closest('#log')].map((x) => x.getBoundingClientRect()); return a.top > b.top - 1 && a.bottom < b.bottom + 1; }));
  await page.keyboard.press('g');
  await page.keyboard.press('j'); // the cursor is far away: it begins with what is in view
  assert.equal(await cursor(), '1');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'log');
  assert.equal(await page.locator('.cursor').count(), 0);
  // Lines that the filter hides are passed over.
  await page.keyboard.press('/');
  await page.keyboard.type('30');
  await page.locator('[name=only]').check();
  await page.locator('#log').focus();
  await page.keyboard.press('j');
  const seen = [];
  for (let i = 0; i < 12; i++) {
    seen.push(await page.evaluate(() => document.activeElement?.textContent));
    await page.keyboard.press('j');
  }
  assert.deepEqual([...new Set(seen)], ['30', '130', '230', '300']);
  await page.keyboard.press('G');
  assert.equal(await page.locator('.cursor').count(), 0);
  assert.equal((await numbers(page)).at(-1), '307');
});

for (const width of [320, 390]) {
  test(`targets for fingers are 44 px, and no field makes the phone zoom: ${width} px wide`, async (t) => {
    const options = { viewport: { width, height: 844 }, hasTouch: true, isMobile: true };
    const small = (page) => page.evaluate(() => [...document.querySelectorAll('button, input:not([type=checkbox]), a, summary, label')]
      .filter((e) => e.checkVisibility() && !e.closest('#log') && e.id !== 'ask')
      .map((e) => [e, e.getBoundingClientRect()]).filter(([e, { width, height }]) => width < 44 || height < 44 || (e.matches('input') && parseFloat(getComputedStyle(e).fontSize) < 16))
      .map(([e, { width, height }]) => `${e.outerHTML.slice(0, 80)} ${width} x ${height}`));
    const { page } = await live(t, { ...options, path: '?filter=1' });
    await page.keyboard.press(' ');
    await page.locator('#pill').waitFor();
    assert.deepEqual(await small(page), []);
    await page.locator('#more').tap();
    assert.deepEqual(await small(page), []);
    for (const name of ['share', 'help']) {
      await page.locator(`#menu [data-do=${name}]`).tap();
      await page.locator(`#${name}`).waitFor();
      assert.deepEqual(await small(page), []);
      await page.keyboard.press('Escape');
      await page.locator('#more').tap();
    }
    const over = await showing(t, 'exit 1', { ...options, args: ['--token', 'a-secret-of-some-length'] });
    await over.page.locator('#login').waitFor();
    assert.deepEqual(await small(over.page), []);
    await over.page.locator('#token').fill('a-secret-of-some-length');
    await over.page.keyboard.press('Enter');
    await over.page.locator('#end').waitFor();
    assert.deepEqual(await small(over.page), []);
    const dir = await mkdtemp(join(tmpdir(), 'wsrun-'));
    t.after(() => rm(dir, { recursive: true }));
    await mkdir(join(dir, 'a'));
    for (const name of ['1.log', 'a/2.log']) await writeFile(join(dir, name), '');
    const list = await open(t, (await run(t, ['files', dir])).port, options);
    await state(list, '2 files');
    assert.deepEqual(await small(list), []);
  });
}

test('j and k go past a line that is taller than the window', async (t) => {
  const { port } = await run(t, sh('seq 1 9; head -c 40000 /dev/zero | tr "\\0" x; echo; seq 11 19; read x'));
  const page = await open(t, port, { viewport: { width: 600, height: 400 } });
  await untilRow(page, '19');
  const cursor = () => page.locator('.cursor').getAttribute('data-n');
  for (let i = 0; i < 12; i++) await page.keyboard.press('k');
  assert.equal(await cursor(), '8');
  for (let i = 0; i < 4; i++) await page.keyboard.press('j');
  assert.equal(await cursor(), '12');
});

test('the keys that scroll work after the button to the end, and after a full-screen program', async (t) => {
  const { child, port } = await run(t, sh(`seq 1 300; read x; printf '\\033[?1049hFULL'; read x; printf '\\033[?1049l'; seq 301 600; read x`));
  const page = await open(t, port);
  await untilRow(page, '300');
  for (const before of [() => {}, async () => {
    child.stdin.write('\n');
    await page.locator('#screen').waitFor();
    child.stdin.write('\n');
    await page.locator('#log').waitFor();
    await untilRow(page, '600');
  }]) {
    await before();
    await page.keyboard.press('PageUp');
    await page.locator('#pill').click();
    await page.locator('#pill').waitFor({ state: 'hidden' });
    await page.keyboard.press('PageUp');
    await page.locator('#pill').waitFor();
    await page.locator('#pill').press('Enter');
    await page.locator('#pill').waitFor({ state: 'hidden' });
  }
});

test('the contrast of every colour of the page is at least 4.5:1, in both themes', async (t) => {
  const { page } = await live(t);
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    const low = await page.evaluate(() => {
      const probe = document.body.appendChild(document.createElement('span'));
      const luminance = (name) => {
        probe.style.color = `var(--${name})`;
        const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const found = [];
      for (const [text, grounds] of Object.entries({
        text: 'ground raised hover marked hit select', quiet: 'ground raised hover marked', wait: 'ground raised hover', bad: 'ground raised hover', focus: 'ground raised hover',
      })) {
        for (const ground of grounds.split(' ')) {
          const [a, b] = [luminance(text), luminance(ground)].sort((x, y) => y - x);
          const ratio = (a + 0.05) / (b + 0.05);
          if (ratio < 4.5) found.push(`${text} on ${ground} ${ratio.toFixed(2)}`);
        }
      }
      probe.remove();
      return found;
    });
    assert.deepEqual(low, [], colorScheme);
    // Numbers and times are drawn by the style sheet, where axe doesn't look.
    await page.keyboard.press('t');
    assert.deepEqual(await page.locator('[data-n="300"]').evaluate((e) => ['::before', '::after'].map((p) => getComputedStyle(e, p).opacity)), ['1', '1']);
  }
});
