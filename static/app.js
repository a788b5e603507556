// @ts-check
/** @import { Exit } from './driver/driver.js' */
import { explain, logIn, sendForm } from './access.js';
import { Bar } from './bar.js';
import { $, base, dialog, nameDownloads, notice, number } from './dom.js';
import { SocketDriver } from './driver/socket.js';
import { Find } from './find.js';
import { LogView } from './log.js';
import { Permalinks } from './permalinks.js';
import { keep, prefs } from './prefs.js';
import { duration, format, MODES } from './times.js';

const params = new URLSearchParams(location.search);
const bar = new Bar();
bar.title = document.title;
if (base !== './') { // a file's
  $('index').setAttribute('href', base);
  $('index').hidden = false;
}

const log = new LogView($('log'), {
  follow(following, behind) {
    $('pill').hidden = following || viewed === 'screen';
    $('pill').textContent = behind ? `${number.format(behind)} new ${behind === 1 ? 'line' : 'lines'} ↓` : 'to the end ↓';
  },
  changed() {
    find?.changed();
  },
});

/** @typedef {import('./output.js').Output} Output */
/** @typedef {import('./plain.js').PlainView} PlainView */

/** @type {Output | PlainView} */
let output;
let viewed = 'log';
let wanted = params.get('view') === 'screen' ? 'screen' : 'auto'; // or log
/** @type {import('./screen.js').ScreenView | undefined} */
let screen;
let epoch = '';
let started = 0;
let title = '';
let ended = false;
let connections = 0;
let held = false; // too much of it waits: not connected until that is shown
let standing = ''; // a notice that holds for this visit
/** @type {Find | undefined} */
let find;
/** @type {Permalinks | undefined} */
let links;

async function makeOutput() {
  try {
    const { Output } = await import('./output.js');
    return new Output(log, {
      alternate: () => view(),
      crowded: (crowded) => {
        held = crowded;
        if (!crowded) return stream.connect();
        stream.close();
        bar.show('wait', 'catching up');
      },
      said: (words) => { bar.said = words; },
      drawn: () => { $('empty').hidden = true; links?.look(); },
    });
  } catch {
    const { PlainView } = await import('./plain.js');
    standing = 'This build has no xterm.js (make adds it): plain text, without colours.';
    notice(standing);
    return new PlainView($('log'));
  }
}

/** Shows the log, or the screen while a program fills it or when that is wanted. */
async function view() {
  const full = 'alternate' in output && output.alternate;
  const now = wanted === 'auto' ? (full ? 'screen' : 'log') : wanted;
  $('view-now').textContent = wanted === 'auto' ? `by itself` : wanted;
  if (now === viewed || !('terminal' in output)) return;
  viewed = now;
  const part = now === 'screen' && await load(() => import('./screen.js'));
  if (viewed !== now) return; // meanwhile
  if (now === 'screen' && !part) {
    viewed = 'log';
    return;
  }
  $('log').hidden = now === 'screen';
  $('screen').hidden = now === 'log';
  $('pill').hidden = now === 'screen' || log.following;
  if (part) {
    screen ??= new part.ScreenView($('screen'), output.terminal);
    screen.show();
  } else {
    output.draw();
  }
}

/**
 * Loads a part of the page that is not needed at first.
 * @template T
 * @param {() => Promise<T>} part
 */
function load(part) {
  return part().catch(() => notice('This part of the page could not be loaded: wsrun does not answer.'));
}

/** @param {Exit} exit */
function showExit(exit) {
  const how = exit.signal ? `killed by ${exit.signal}` : exit.code ? `failed with exit status ${exit.code}` : 'ended';
  const words = `${exit.code ? '✗' : '✓'} ${how} after ${duration(exit.durationMs)}`;
  bar.show(exit.code ? 'failed' : 'ok', how);
  bar.ended(exit.durationMs);
  $('ended').textContent = words;
  $('end').hidden = false;
  $('empty').hidden = true;
  document.body.dataset.ended = '';
  if (prefs().notify && document.hidden && 'Notification' in window && Notification.permission === 'granted') {
    new Notification(title, { body: words, tag: epoch });
  }
}

const url = new URL(location.href.replace(/^http/, 'ws'));
url.hash = '';
// What a file's URL means without this is its last lines, and no more.
for (const [name, value] of [['tail', '1'], ['n', 'all']]) if (!url.searchParams.has(name)) url.searchParams.set(name, value);
const stream = new SocketDriver(url.href, {
  hello(hello) {
    const fresh = hello.epoch !== epoch;
    notice(epoch && fresh ? 'wsrun was started anew: this is its new output.' : standing);
    $('login').hidden = true;
    connections++;
    if (fresh) {
      bar.said = '';
      ended = false;
      $('end').hidden = true;
      delete document.body.dataset.ended;
    }
    ({ epoch, started, title } = hello);
    bar.title = title;
    bar.viewers = hello.viewers;
    if (!ended) bar.show('live', hello.state === 'ended' ? 'loading' : 'live');
    bar.clock(started, hello.now);
    nameDownloads(title);
    if (fresh) $('empty').hidden = false;
    $('log').classList.toggle('relative', !hello.exact);
    if (!hello.exact) bar.said = 'numbers count from the first line shown';
    const skew = bar.now - Date.now();
    if (!('restart' in output)) {
      if (!hello.resumed) output.clear();
      if (hello.kept) output.write(new TextEncoder().encode(hello.prelude).subarray(hello.kept.from, hello.kept.to));
    } else if (hello.resumed) {
      output.place(hello, skew);
    } else {
      output.restart(hello, fresh, skew);
    }
    setTimes();
  },
  output(bytes) {
    if ('restart' in output) output.write(bytes);
    else { output.write(bytes); $('empty').hidden = true; }
  },
  event(event) {
    switch (event.event) {
      case 'reset':
        if ('restart' in output) output.restart(event, false, bar.now - Date.now());
        else output.gap(`${number.format(event.skippedLines)} lines skipped`);
        break;
      case 'resize':
        if ('resize' in output) output.resize(event.cols, event.rows, () => screen?.fit());
        break;
      case 'file':
        if ('note' in output) output.note(/** @type {Record<string, string>} */ ({ truncated: `the file was truncated${event.lost ? `, at least ${number.format(event.lost)} bytes of it unread` : ''}`, rotated: 'the file was replaced: what follows is the new one', gone: `the file is gone: ${event.reason}`, back: 'the file is back' })[event.state] ?? event.state);
        break;
      case 'viewers':
        bar.viewers = event.n;
        break;
      case 'exit':
        ended = true;
        if ('after' in output) output.after(() => showExit(event));
        else showExit(event);
    }
  },
  closed({ code, retryMs }) {
    if (ended) return;
    if (retryMs < 0) {
      bar.show('ok', 'ended');
      return;
    }
    bar.show('wait', code === 1013 ? 'full' : 'reconnecting');
    if (code === 1013) notice('wsrun has as many viewers as it may have; this page tries again.');
    bar.retry(retryMs);
    const before = connections;
    explain(bar, () => connections === before);
  },
});

/** @param {number} by */
function font(by) {
  const now = parseFloat(getComputedStyle($('log')).fontSize);
  const px = by === 0 ? 13 : Math.max(10, Math.min(32, Math.round(now) + by));
  document.documentElement.style.setProperty('--font', `${px}px`);
  keep({ font: px });
}

function setTimes() {
  const mode = prefs().times ?? 'off';
  $('times-now').textContent = mode;
  log.times = format(mode, started);
}

/** Shows what the menu's switches are at. */
function showSwitches() {
  const { theme = 'auto', wrap = true, notify = false } = prefs();
  $('theme-now').textContent = theme;
  $('wrap-now').textContent = wrap ? 'on' : 'off';
  $('notify-now').textContent = notify ? 'on' : 'off';
  $('copy-now').textContent = '';
  $('view-now').textContent = wanted === 'auto' ? 'by itself' : wanted;
}

/** @param {(menu: typeof import('./menu.js')) => void} use */
const menu = (use) => { load(() => import('./menu.js')).then((m) => m && use(m)); };

/** @type {Record<string, () => void>} */
const actions = {
  filter: () => { if (!params.has('embed')) find?.show(); },
  unfilter: () => find?.close(),
  next: () => find?.step(1),
  previous: () => find?.step(-1),
  follow: () => { log.following = true; },
  pause: () => { log.following = !log.following; },
  top: () => { log.following = false; $('log').scrollTop = 0; },
  times: () => { keep({ times: MODES[(MODES.indexOf(prefs().times ?? 'off') + 1) % MODES.length] }); setTimes(); },
  view: () => { wanted = { auto: viewed === 'log' ? 'screen' : 'log', log: 'screen', screen: 'auto' }[wanted] ?? 'auto'; view(); },
  wrap: () => {
    const wrap = prefs().wrap === false;
    keep({ wrap });
    document.documentElement.dataset.wrap = wrap ? 'on' : 'off';
  },
  theme: () => {
    const theme = { auto: 'light', light: 'dark' }[prefs().theme ?? 'auto'] ?? 'auto';
    keep({ theme });
    document.documentElement.dataset.theme = theme;
    screen?.theme();
  },
  bigger: () => font(1),
  smaller: () => font(-1),
  normal: () => font(0),
  fullscreen: () => { document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen(); },
  help: () => dialog('help').showModal(),
  link: () => links?.make(),
  share: () => menu((m) => m.share()),
  copy: () => menu(async (m) => { await m.copy(m.allText(log)); $('copy-now').textContent = 'copied'; }),
  'copy-url': () => menu((m) => m.copy(location.href)),
  html: () => menu((m) => m.saveHTML(log, title)),
  notify: () => menu(async (m) => { keep({ notify: !prefs().notify && await m.allowNotifications() }); showSwitches(); }),
};
/** @type {Record<string, string>} */
const keys = {
  '/': 'filter', n: 'next', N: 'previous', G: 'follow', End: 'follow', ' ': 'pause', g: 'top', Home: 'top', t: 'times', v: 'view',
  w: 'wrap', f: 'fullscreen', '+': 'bigger', '=': 'bigger', '-': 'smaller', 0: 'normal', '?': 'help', l: 'link',
};

document.addEventListener('click', (e) => {
  const target = /** @type {Element} */ (e.target);
  const name = target.closest('[data-do]')?.getAttribute('data-do') ?? '';
  actions[name]?.();
  if (name) showSwitches();
  if (target.closest('#menu') && ['filter', 'share', 'help', 'fullscreen', 'follow', 'view'].includes(name)) $('menu').hidePopover();
});
document.addEventListener('keydown', (e) => {
  const target = /** @type {Element} */ (e.target);
  if (e.key === 'Tab') document.documentElement.dataset.tabbed = '';
  if (e.key === 'Escape' && find?.open && !document.querySelector('dialog[open], :popover-open')) return find.close();
  if (e.ctrlKey || e.metaKey || e.altKey || target.closest('input, textarea, dialog, [popover]')) return;
  if (e.key === ' ' && target.closest('button, a')) return;
  const action = keys[e.key];
  if (!action) return;
  e.preventDefault();
  actions[action]();
  showSwitches();
});
$('login').addEventListener('submit', async (e) => {
  e.preventDefault();
  if (await sendForm()) stream.connect();
});
addEventListener('hashchange', async () => {
  if (await logIn()) stream.connect();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => screen?.theme());

[output] = await Promise.all([makeOutput(), logIn()]);
find = new Find(log);
links = new Permalinks(log);
showSwitches();
setTimes();
view();
stream.connect();
if (!find.open) $('log').focus({ preventScroll: true });
const wake = () => { if (!document.hidden && !ended && !held) stream.connect(); };
for (const name of ['online', 'pageshow']) addEventListener(name, wake);
document.addEventListener('visibilitychange', wake);
// What is needed later works after wsrun's end, too.
setTimeout(() => { for (const part of ['menu', 'export', 'screen']) import(`./${part}.js`).catch(() => {}); }, 2000);
