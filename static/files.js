// @ts-check
/** @import { File } from './tree.js' */
import { logIn, sendForm } from './access.js';
import { Changes } from './changes.js';
import { $, base, input, notice, number } from './dom.js';
import { count, FileList } from './filelist.js';
import { prefs, savePrefs } from './prefs.js';
import { announce } from './status.js';
import { inSeveralFolders, tree } from './tree.js';

// How often the page brings the files' ages up to date while it is visible.
const AGES_MS = 3000;
// Where this tab keeps the state of the page, for when the reader comes back to it.
const VISIT = `wsrun ${location.pathname}`;

const query = input('query');
const list = new FileList($('files'), $('main'));
/** @type {File[]} */
let files = [];
/** @type {PromiseWithResolvers<void>} resolved when the first answer is shown */
const firstAnswer = Promise.withResolvers();
const changes = new Changes(changesURL(), refresh);

/** Reports whether files are shown as a tree, if there is no query. */
const isTree = () => (prefs().files ?? (inSeveralFolders(files) ? 'tree' : 'list')) === 'tree';

/** Shows the files that the query finds. @param {boolean} fromTop whether these are other files than before */
function show(fromTop) {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = words.length ? files.filter((f) => words.every((w) => f.path.toLowerCase().includes(w))) : files;
  const flat = words.length > 0 || !isTree();
  $('files').classList.toggle('flat', flat);
  $('tree').setAttribute('aria-pressed', String(isTree()));
  const entries = flat ? shown : tree(files);
  fromTop ? list.begin(entries) : list.show(entries);
  $('state').textContent = words.length ? `${number.format(shown.length)} of ${number.format(files.length)}` : count(files.length);
  if (words.length && fromTop) announce('files', () => `found ${count(shown.length)}`);
}

/**
 * Asks the server for the list; null if it doesn't answer.
 * @returns {Promise<{status: number, list?: {files: File[], cut: boolean}, words?: string} | null>}
 */
async function fetchList() {
  try {
    const answer = await fetch(base, { headers: { accept: 'application/json' } });
    return answer.ok ? { status: answer.status, list: await answer.json() } : { status: answer.status, words: await answer.text() };
  } catch {
    return null;
  }
}

/** Shows the list as it is now, or why there is none. Reports whether there is one. */
async function refresh() {
  const answer = await fetchList();
  $('login').hidden = answer?.status !== 401;
  if (answer?.list) {
    ({ files } = answer.list);
    list.keepOnly(new Set(files.map((f) => f.path)));
    notice(answer.list.cut ? 'There are more files than these.' : '');
    show(false);
  } else if (!answer || answer.status > 500) { // a proxy's 502 to 504
    notice('wsrun does not answer: it was stopped, or the network is down. This page goes on trying.');
  } else {
    notice(answer.status === 401 ? '' : answer.words ?? '');
  }
  firstAnswer.resolve();
  return Boolean(answer?.list);
}

/** The URL of the WebSocket that follows the list, without the line about the list as it is. */
function changesURL() {
  const url = new URL(base, location.href.replace(/^http/, 'ws'));
  url.search = '?n=0';
  return url.href;
}

/** Restores what the tab kept of the last visit, except for focus and scrolling. */
function restore() {
  /** @type {{list: FileList['state'], query: string, focused?: string, top: number} | null} */
  let visit = null;
  try {
    visit = JSON.parse(sessionStorage.getItem(VISIT) ?? 'null');
  } catch { /* no storage, or not ours */ }
  if (!visit) return null;
  list.state = visit.list;
  query.value = visit.query;
  return visit;
}

addEventListener('pagehide', () => {
  const visit = { list: list.state, query: query.value, focused: list.focused, top: $('main').scrollTop };
  try {
    sessionStorage.setItem(VISIT, JSON.stringify(visit));
  } catch { /* no storage: the next visit starts over */ }
});

/** Clears the query, or leaves the list if there is none. */
function clear() {
  if (!query.value) return $('main').focus();
  const focused = list.focused;
  query.value = '';
  show(true);
  if (focused && !list.focused) query.focus();
}

function switchView() {
  savePrefs({ files: isTree() ? 'list' : 'tree' });
  show(true);
}

/**
 * What keys do. The arguments are the elements that can have the focus, and the index of
 * the one that has it.
 * @type {Record<string, (handles: HTMLElement[], at: number) => void>}
 */
const keys = {
  ArrowDown: (handles, at) => handles[Math.min(at + 1, handles.length - 1)]?.focus(),
  ArrowUp: (handles, at) => (at > 0 ? handles[at - 1] : query).focus(),
  ArrowRight: (handles, at) => {
    if (list.isOpen(handles[at])) handles[at + 1].focus();
    else if (list.isOpen(handles[at]) === false) list.toggle(handles[at]);
  },
  ArrowLeft: (handles, at) => {
    if (list.isOpen(handles[at])) list.toggle(handles[at]);
    else list.parent(handles[at])?.focus();
  },
  Escape: clear,
  '/': () => query.focus(),
  t: switchView,
};

document.addEventListener('keydown', (e) => {
  const { key, target } = e;
  if (e.ctrlKey || e.metaKey || e.altKey || $('login').contains(/** @type {Node} */ (target))) return;
  const handles = list.handles;
  const at = handles.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  if (target === query) {
    if (key === 'Enter') return query.value && handles[0]?.click();
    if (!['ArrowDown', 'ArrowUp', 'Escape'].includes(key)) return;
  } else if (!keys[key]) {
    if (key.length === 1 && key !== ' ') query.focus(); // which then gets the character
    return;
  }
  if (at < 0 && ['ArrowRight', 'ArrowLeft'].includes(key)) return;
  e.preventDefault();
  keys[key](handles, at);
});
query.addEventListener('input', () => show(true));
$('tree').addEventListener('click', switchView);
$('login').addEventListener('submit', async (e) => {
  e.preventDefault();
  if (await sendForm()) changes.wake();
});
addEventListener('hashchange', async () => { if (await logIn()) changes.wake(); });
setInterval(() => { if (!document.hidden && files.length) show(false); }, AGES_MS);

await logIn();
const visit = restore();
$('main').focus();
changes.start();
await firstAnswer.promise;
if (!$('login').hidden) input('token').focus();
if (visit) {
  $('main').scrollTop = visit.top;
  if (visit.focused) list.focus(visit.focused);
}
