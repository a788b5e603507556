// A log with long lines, and a reader of it: helpers for the tests of scrolling and selecting.
import { open } from './harness.js';

export const FULL = process.env.WSRUN_SCROLL === 'full';

const laptop = { viewport: { width: 1440, height: 900 } };
const desktop = { viewport: { width: 1280, height: 720 } };
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 3 };
/** Windows, and how many times slower than this machine the processor is. */
export const READERS = FULL
  ? Object.entries({ laptop, desktop, phone }).flatMap(([name, options]) => [1, 4].map((slow) => ({ name: `${name}, CPU ÷ ${slow}`, options, slow })))
  : [{ name: 'laptop', options: laptop, slow: 1 }, { name: 'phone, CPU ÷ 4', options: phone, slow: 4 }];

/** Line n of an access log: from 120 to 1,700 characters. */
export const line = (n) => `10.0.${n % 256}.7 - - [29/Nov/2026:18:00:00 +0000] "GET ${['/', `/api/users/${n}`, `/js/${'ab12cd34'.repeat(n % 9)}.js`, `/search?q=${'x%20y+'.repeat(n * 7 % 40)}`][n % 4]} HTTP/1.1" 200 ${n * 37 % 99999} "https://example.org/${'ref/'.repeat(n % 6)}" "Mozilla/5.0"${n % 97 ? '' : ' long'.repeat(300)}`;

/** The command that prints such a log: some lines at once, and then some a second until it is stopped. */
export const accessLog = (count, perSecond) => [process.execPath, '-e', `
  const line = ${line};
  let n = 0;
  const upTo = (last) => { let lines = ''; while (n < last) lines += line(++n) + '\\n'; if (lines) process.stdout.write(lines); };
  upTo(${count});
  const start = performance.now();
  setInterval(() => upTo(${count} + Math.floor((performance.now() - start) / 1000 * ${perSecond})), 20);`];

/** Opens the page of such a log, and waits until a line is shown. */
export async function openLog(t, port, { options, slow }, last, path = '') {
  const page = await open(t, port, { ...options, path }, async (p, context) => {
    p.cdp = await context.newCDPSession(p);
    if (slow > 1) await p.cdp.send('Emulation.setCPUThrottlingRate', { rate: slow });
  });
  await page.waitForFunction((n) => Number([...document.querySelectorAll('.block > div')].at(-1)?.dataset.n) >= n, last);
  return page;
}

/** How far the end is below the view, in pixels. */
export const fromEnd = (page) => page.locator('#log').evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);

export const isPaused = (page) => page.locator('#pill').isVisible();

/** Waits until nothing has moved for some frames. */
export const settled = (page) => page.evaluate(() => new Promise((resolve) => {
  const log = document.getElementById('log');
  let [before, same] = ['', 0];
  const look = () => {
    const now = `${log.scrollTop} ${log.scrollHeight} ${log.clientHeight} ${log.clientWidth}`;
    same = now === before ? same + 1 : 0;
    before = now;
    if (same >= 6) resolve();
    else requestAnimationFrame(look);
  };
  look();
}));

/** A finger on the page. */
export const finger = (page) => {
  const send = (type, ...touchPoints) => page.cdp.send('Input.dispatchTouchEvent', { type, touchPoints });
  return {
    async drag(x, from, to, steps = 12) {
      await send('touchStart', { x, y: from });
      for (let i = 1; i <= steps; i++) {
        await send('touchMove', { x, y: from + (to - from) * i / steps });
        await page.waitForTimeout(16);
      }
      await send('touchEnd');
    },
    down: (x, y) => send('touchStart', { x, y }),
    up: () => send('touchEnd'),
  };
};

/** Numbers from 0 to 1 that are the same in each run. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
