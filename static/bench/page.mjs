// @ts-check
// Measures the page in Chromium with the real binary; WSRUN and CHROMIUM are their paths. It prints
// one line per figure. It fails if a line is lost or doubled, but never because of a time.
/** @import { Browser, BrowserContextOptions, CDPSession, Page } from 'playwright-core' */
import { spawn } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { chromium } from 'playwright-core';

const WSRUN = process.env.WSRUN ?? new URL('../../wsrun', import.meta.url).pathname;
const RUNS = 3;
const FLOOD = 200_000;
const BACKLOG = 10_000;
const RATE = { perSecond: 1000, seconds: 60 };
// How many rows the log keeps while it follows: KEPT in log.js, plus the rest of a block.
const KEPT = 20_000;
const MOST_ROWS = KEPT + 100;
// A coloured line takes a row, an element for the colour, and two text nodes.
const NODES_A_ROW = 4;

/** The text of line n, 99 characters. @param {number} n */
const text = (n) => `${`${n} ${'the quick brown fox jumps over the lazy dog; '.repeat(3)}`.slice(0, 98)}.`;

/** Line n as sent: every other line begins with a colour. @param {number} n */
const sent = (n) => (n % 2 ? text(n) : `\x1b[3${n / 2 % 6 + 1}m${n}\x1b[0m${text(n).slice(`${n}`.length)}`) + '\n';

/**
 * Prints lines from 1 on once standard input says so, as the command that wsrun runs.
 * @param {number} count
 * @param {number} perSecond by the clock; 0 means all at once
 */
function send(count, perSecond) {
  let n = 0;
  const upTo = (/** @type {number} */ last) => {
    let lines = '';
    while (n < last) lines += sent(++n);
    return lines;
  };
  const all = perSecond ? '' : upTo(count);
  process.stdin.once('data', () => {
    const start = performance.now();
    const step = () => {
      process.stdout.write(all || upTo(Math.min(count, Math.floor((performance.now() - start) / 1000 * perSecond))));
      if (n === count) process.exit();
    };
    all ? step() : setInterval(step, 50);
  });
}

/**
 * Checks, in the page and once per frame, each line that arrived since the previous frame.
 * @param {string} textOf
 */
function watch(textOf) {
  const text = new Function(`return ${textOf}`)();
  const seen = { line: 0, first: 0, last: 0, at: 0, frames: /** @type {number[]} */ ([]), tasks: /** @type {number[]} */ ([]), wrong: /** @type {string[]} */ ([]) };
  Object.assign(window, { seen });
  new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask', buffered: true });
  const before = (/** @type {HTMLElement | null} */ row) => /** @type {HTMLElement | null} */ (row?.previousElementSibling ?? row?.parentElement?.previousElementSibling?.lastElementChild ?? null);
  const frame = () => {
    requestAnimationFrame(frame);
    seen.frames.push(performance.now());
    let row = /** @type {HTMLElement | null} */ (document.getElementById('log')?.lastElementChild?.lastElementChild ?? null);
    if (row && row.textContent !== text(Number(row.dataset.n))) row = before(row); // the rest of the line is still missing
    const newest = Number(row?.dataset.n ?? 0);
    if (newest <= seen.line) return;
    for (let n = newest; n > seen.line; n--, row = before(row)) {
      if (row?.dataset.n !== String(n) || row.textContent !== text(n)) seen.wrong.push(`line ${n} is ${row?.dataset.n}:${row?.textContent}`);
    }
    seen.first ||= performance.now();
    seen.last = performance.now();
    seen.at = Date.now();
    seen.line = newest;
  };
  requestAnimationFrame(frame);
}
/** What the checks in the page have recorded. @param {Page} page */
const seen = (page) => page.evaluate(() => /** @type {any} */ (window).seen);

/** @param {string} what */
function wrong(what) {
  console.log(`WRONG: ${what}`);
  process.exitCode = 1;
}

/** @param {number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/**
 * @param {string} name
 * @param {number[]} values of all runs
 * @param {string} unit
 * @param {number} limit
 * @param {{least?: boolean, digits?: number}} [how]
 */
function figure(name, values, unit, limit, { least = false, digits = 0 } = {}) {
  const value = median(values);
  const all = values.length > 1 ? `  [${values.map((v) => v.toFixed(digits)).join(' ')}]` : '';
  const held = least ? value >= limit : value <= limit;
  const verdict = limit === Infinity ? '' : `${least ? '≥' : '≤'} ${String(limit).padEnd(9)}${held ? 'ok' : 'over'}`;
  console.log(`${name.padEnd(46)}${value.toFixed(digits).padStart(8)} ${unit.padEnd(4)}${verdict.padEnd(15)}${all}`);
}

/**
 * Runs wsrun with a command until body is done.
 * @param {string[]} args
 * @param {(url: string, go: () => void) => Promise<void>} body
 */
async function running(args, body) {
  const child = spawn(WSRUN, ['-q', '--linger', 'forever', '-a', '127.0.0.1:0', ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
  try {
    const url = await new Promise((resolve) => child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ said) => resolve(/http:\S+/.exec(said)?.[0])));
    await body(url, () => child.stdin.write('\n'));
  } finally {
    child.kill('SIGKILL');
  }
}

/** The command that prints lines. @param {number} count @param {number} [perSecond] */
const sender = (count, perSecond = 0) => [process.execPath, process.argv[1], 'send', String(count), String(perSecond)];

/** Waits until the command has ended. @param {string} url */
async function ended(url) {
  for (;;) {
    const { state } = await (await fetch(`${url}-/status`)).json();
    if (state === 'ended') return Date.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * Opens a page in a browser with empty caches.
 * @param {Browser} browser
 * @param {(page: Page, cdp: CDPSession) => Promise<void>} body
 */
async function opened(browser, body) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.on('pageerror', (e) => wrong(String(e)));
  await page.addInitScript(watch, text.toString());
  await body(page, await context.newCDPSession(page));
  await context.close();
}

/**
 * Waits until the page shows the last line, and checks all lines that it has shown or still shows.
 * @param {Page} page
 * @param {number} last
 */
async function whole(page, last) {
  await page.waitForFunction((n) => /** @type {any} */ (window).seen.line === n, last, { polling: 50 });
  const rows = await page.locator('.block > div').evaluateAll((all) => all.map((r) => `${r.getAttribute('data-n')}:${r.textContent}`));
  if (rows.length < Math.min(last, KEPT)) wrong(`only ${rows.length} rows of ${last} lines`);
  const first = last - rows.length + 1;
  const odd = rows.findLastIndex((row, i) => row !== `${first + i}:${text(first + i)}`);
  if (odd >= 0) wrong(`line ${first + odd} is kept as ${rows[odd]}`);
  const result = await seen(page);
  if (result.wrong.length) wrong(`${result.wrong.length} lines came otherwise: ${result.wrong[0]}`);
  return { ...result, rows: rows.length };
}

/** @param {Browser} browser */
async function flood(browser) {
  /** @type {Record<'shown' | 'all' | 'task' | 'heap' | 'rows' | 'nodes', number[]>} */
  const values = { shown: [], all: [], task: [], heap: [], rows: [], nodes: [] };
  for (let i = 0; i < RUNS; i++) {
    await running(['-n', String(FLOOD), '--buffer', '64MiB', ...sender(FLOOD)], (url, go) => opened(browser, async (page, cdp) => {
      await page.goto(url);
      await page.getByText('live').waitFor();
      const start = Date.now();
      go();
      const end = await ended(url);
      const { at, tasks, rows } = await whole(page, FLOOD);
      values.shown.push((at - end) / 1000);
      values.all.push((at - start) / 1000);
      values.task.push(Math.max(0, ...tasks));
      values.rows.push(rows);
      await cdp.send('HeapProfiler.collectGarbage');
      await cdp.send('Performance.enable');
      const { metrics } = await cdp.send('Performance.getMetrics');
      const metric = (/** @type {string} */ name) => metrics.find((m) => m.name === name)?.value ?? NaN;
      values.heap.push(metric('JSHeapUsedSize') / 1e6);
      values.nodes.push(metric('Nodes'));
    }));
  }
  figure('flood of 200,000 lines: shown, after its end', values.shown, 's', 6, { digits: 2 });
  figure('  after its start', values.all, 's', Infinity, { digits: 2 });
  figure('  longest task', values.task, 'ms', 200);
  figure('  JS heap', values.heap, 'MB', 150, { digits: 1 });
  figure('  rows kept', values.rows, '', MOST_ROWS);
  figure('  DOM nodes', values.nodes, '', MOST_ROWS * NODES_A_ROW);
}

/** @param {Browser} browser */
async function backlog(browser) {
  /** @type {number[]} */
  const first = [];
  /** @type {number[]} */
  const all = [];
  await running(sender(BACKLOG), async (url, go) => {
    go();
    await ended(url);
    for (let i = 0; i < 2 * RUNS + 1; i++) {
      await opened(browser, async (page) => {
        await page.goto(url);
        const times = await whole(page, BACKLOG);
        first.push(times.first);
        all.push(times.last);
      });
    }
  });
  figure('backlog of 10,000 lines: first ones shown', first, 'ms', 500);
  figure('  all shown', all, 'ms', 1500);
}

/** @param {Browser} browser */
async function rate(browser) {
  const lines = RATE.perSecond * RATE.seconds;
  await running(sender(lines, RATE.perSecond), (url, go) => opened(browser, async (page) => {
    await page.goto(url);
    await page.getByText('live').waitFor();
    go();
    await ended(url);
    const { frames, first, last, tasks } = await whole(page, lines);
    const seconds = new Array(Math.floor((last - first) / 1000)).fill(0);
    for (const at of frames) if (at >= first) seconds[Math.floor((at - first) / 1000)]++;
    seconds.length = Math.min(seconds.length, Math.floor((last - first) / 1000));
    figure('1,000 lines a second: frames in the worst', [Math.min(...seconds)], '/s', 30, { least: true });
    figure('  in the median one', [median(seconds)], '/s', 30, { least: true });
    figure('  longest task', [Math.max(0, ...tasks)], 'ms', 200);
  }));
}

/** @param {Browser} browser */
async function weight(browser) {
  for (const [name, script] of [['weight: log', 'echo text'], ['  log and screen', `printf '\\033[?1049htext'`]]) {
    await running(['sh', '-c', `${script}; read x`], (url) => opened(browser, async (page, cdp) => {
      let bytes = 0;
      let files = 0;
      await cdp.send('Network.enable');
      cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; files++; });
      await page.goto(url);
      await page.getByText('text', { exact: true }).or(page.locator('.xterm-screen')).first().waitFor();
      for (let before = -1; before !== files;) {
        before = files;
        await page.waitForTimeout(1000);
      }
      figure(`${name}, ${files} files`, [bytes / 1000], 'KB', 160, { digits: 1 });
    }));
  }
}

/** @param {Browser} browser */
async function typing(browser) {
  await running(['-n', String(KEPT), ...sender(KEPT)], async (url, go) => {
    go();
    await ended(url);
    for (const only of [false, true]) {
      /** @type {number[]} */
      const worst = [];
      for (let i = 0; i < RUNS; i++) {
        await opened(browser, async (page) => {
          await page.goto(url);
          await whole(page, KEPT);
          await page.keyboard.press('/');
          await page.getByLabel('hide others').setChecked(only);
          await page.evaluate(() => {
            const { port1, port2 } = new MessageChannel();
            /** @type {number[]} */
            const took = [];
            let at = 0;
            port1.onmessage = () => took.push(performance.now() - at);
            document.addEventListener('input', () => {
              at = performance.now();
              requestAnimationFrame(() => port2.postMessage(0)); // comes after the paint
            }, { capture: true });
            Object.assign(window, { took });
          });
          await page.locator('#query').pressSequentially('19 the quick', { delay: 250 });
          worst.push(Math.max(...await page.evaluate(() => /** @type {any} */ (window).took)));
        });
      }
      figure(only ? '  that hides the others' : 'filter of 20,000 lines: slowest key to paint', worst, 'ms', 50);
    }
  });
}

if (process.argv[2] === 'send') {
  send(Number(process.argv[3]), Number(process.argv[4]));
} else {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  console.log(`${cpus().length} cores, load ${loadavg()[0]}`);
  const figures = { flood, backlog, rate, weight, typing };
  for (const [name, measure] of Object.entries(figures)) if (!process.argv[2] || process.argv[2] === name) await measure(browser);
  await browser.close();
}
