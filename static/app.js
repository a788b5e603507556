// @ts-check
import { Stream } from './socket.js';

/** @param {string} id */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const number = new Intl.NumberFormat('en');

/**
 * @param {'wait' | 'live' | 'ok' | 'failed'} state
 * @param {string} words
 */
function show(state, words) {
  document.body.dataset.state = state;
  $('state').textContent = words;
}

/** @param {string} words empty: nothing to say */
function notice(words) {
  $('notice').textContent = words;
  $('notice').hidden = !words;
}

async function makeView() {
  try {
    const { TerminalView } = await import('./terminal.js');
    return new TerminalView($('output'));
  } catch {
    const { PlainView } = await import('./plain.js');
    notice('This build has no xterm.js (make adds it): plain text, without colours.');
    return new PlainView($('output'));
  }
}

/** Turns the token in the URL's fragment into a cookie, and hides it. */
async function logIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  history.replaceState(null, '', location.pathname + location.search);
  await fetch('./-/login', { method: 'POST', body: new URLSearchParams({ token }) }).catch(() => {});
}

/** Says why there is no connection, which a WebSocket can't tell. */
async function explain() {
  const status = await fetch('./-/status').then((r) => r.status, () => 0);
  if (status === 401) notice('A token is needed: open the whole URL that wsrun printed.');
  if (status === 421) notice('wsrun does not serve this host name: start it with --allow-host.');
}

/** @param {number} ms */
function duration(ms) {
  const s = Math.round(ms / 1000);
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}h ${m}m` : m ? `${m}m ${s % 60}s` : `${s}s`;
}

/** @param {import('./socket.js').Event} exit */
function showExit(exit) {
  const how = exit.signal ? `killed by ${exit.signal}` : exit.code ? `failed with exit status ${exit.code}` : 'ended';
  show(exit.code ? 'failed' : 'ok', how);
  $('end').textContent = `${exit.code ? '✗' : '✓'} ${how} after ${duration(exit.durationMs)}`;
  $('end').hidden = false;
}

/** @param {number} n */
function showViewers(n) {
  $('viewers').textContent = `${n} watching`;
}

const [view] = await Promise.all([makeView(), logIn()]);
let epoch = '';
let ended = false;

const stream = new Stream(location.href.split('#')[0].replace(/^http/, 'ws'), {
  hello(hello) {
    document.title = hello.title;
    $('title').textContent = $('title').title = hello.title;
    show('live', 'live');
    showViewers(hello.viewers);
    if (!hello.resumed) {
      view.clear();
      if (epoch && epoch !== hello.epoch) notice('wsrun was started anew: this is its new output.');
    }
    epoch = hello.epoch;
    view.resize(hello.cols, hello.rows);
    if (hello.prelude) view.write(hello.prelude);
  },
  output(bytes) {
    view.write(bytes);
  },
  event(event) {
    switch (event.event) {
      case 'reset':
        view.clear();
        view.write(`── ${number.format(event.skippedLines)} lines skipped ──\r\n${event.prelude ?? ''}`);
        break;
      case 'resize':
        view.resize(event.cols, event.rows);
        break;
      case 'viewers':
        showViewers(event.n);
        break;
      case 'exit':
        ended = true;
        showExit(event);
    }
  },
  closed({ code, retryMs }) {
    if (ended) return;
    if (retryMs < 0) {
      show('ok', 'ended');
      return;
    }
    show('wait', `${code === 1013 ? 'full, ' : ''}reconnecting in ${Math.ceil(retryMs / 1000)} s`);
    explain();
  },
});
addEventListener('online', () => ended || stream.connect());
stream.connect();
