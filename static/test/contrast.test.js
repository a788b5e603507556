// Every colour of the output can be read, in both themes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, run, sh } from './harness.js';
import { random } from './screen/replay.js';

const SGR = '\x1b[';
const range = (n) => Array.from({ length: n }, (_, i) => i);

/** Lines of output with one colour combination each; the text says which. */
function combinations() {
  const r = random(1);
  const rgb = () => [r(256), r(256), r(256)].join(';');
  const texts = [
    ...range(256).map((n) => `38;5;${n}`),
    ...range(300).map(() => `38;2;${rgb()}`),
  ];
  const grounds = [
    ...range(256).flatMap((n) => [`48;5;${n}`, `48;5;${n};38;5;${r(256)}`, `48;5;${n};38;2;${rgb()}`]),
    ...range(100).flatMap(() => [`48;2;${rgb()}`, `48;2;${rgb()};38;5;${r(256)}`, `48;2;${rgb()};38;2;${rgb()}`]),
    ...range(16).flatMap((b) => range(16).map((f) => `48;5;${b};38;5;${f}`)),
  ];
  const plain = [...texts, ...grounds];
  return ['2', '7', '2;7', ...plain, ...plain.filter((_, i) => i % 3 === 0).flatMap((c) => [`2;${c}`, `7;${c}`, `2;7;${c}`])];
}

/** The colours with too little contrast, as the browser computes them, on all that a line can be on. */
function tooFaint() {
  const grounds = ['ground', 'hover', 'marked'].map((name) => {
    const e = document.body.appendChild(document.createElement('i'));
    e.style.background = `var(--${name})`;
    const { backgroundColor } = getComputedStyle(e);
    e.remove();
    return backgroundColor;
  });
  const luminance = (css) => {
    const [red, green, blue] = css.match(/[\d.]+/g).map((n) => (n / 255 <= 0.04045 ? n / 255 / 12.92 : ((n / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  const found = [];
  let n = 0;
  for (const row of document.querySelectorAll('.block > div')) {
    const e = row.querySelector('span');
    if (!e) continue;
    n++;
    const { color, backgroundColor, opacity } = getComputedStyle(e);
    const all = backgroundColor === 'rgba(0, 0, 0, 0)' ? grounds : [backgroundColor];
    const least = Math.min(...all.map((ground) => contrast(color, ground)));
    if (opacity !== '1' || least < 4.5) found.push(`${e.textContent}: ${color} on ${all}: ${least.toFixed(2)}`);
  }
  return { n, found };
}

test('in the log, each of 256 colours, true colours, grounds, dim and inverse', async (t) => {
  const all = combinations();
  const { child, port } = await run(t, ['-n', '20000', ...sh('cat; echo; echo end; sleep 60')]);
  child.stdin.end(`${all.map((c) => `${SGR}${c}mx${c.replaceAll(';', ',')}${SGR}0m\n`).join('')}`);
  const page = await open(t, port, { colorScheme: 'light' });
  await page.waitForFunction(() => document.querySelector('.block:last-child')?.textContent.includes('end'));
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const { n, found } = await page.evaluate(tooFaint);
    assert.equal(n, all.length);
    assert.equal(found.slice(0, 20).join('\n'), '', `${found.length} of ${n} on ${colorScheme} pages`);
  }
  // What can be read is not changed: orange stays orange on black.
  assert.equal(await page.locator('.block span', { hasText: /^x38,5,208$/ }).first().evaluate((e) => getComputedStyle(e).color), 'rgb(255, 135, 0)');
  assert.deepEqual(page.problems, []);
});
